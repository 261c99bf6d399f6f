"""One request and one response, apart from any socket: what the transport, a batch and the routes hand each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl, urlsplit

from tests.emulators.gcs.errors import invalid
from tests.emulators.gcs.model import Json


@dataclass(frozen=True)
class Request:
    """`path` is still percent-encoded; `headers` have lower-case names; `base` is the server as the client wrote it."""

    method: str
    path: str
    pairs: tuple[tuple[str, str], ...]
    """The query as it was given; `query` has the last value of each name."""
    headers: Mapping[str, str]
    body: bytes
    base: str

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str], body: bytes, base: str) -> Request:
        parts = urlsplit(target)
        pairs = tuple(parse_qsl(parts.query, keep_blank_values=True))
        return cls(method, parts.path, pairs, {key.lower(): value for key, value in headers.items()}, body, base)

    @cached_property
    def query(self) -> dict[str, str]:
        return dict(self.pairs)

    @property
    def user_agent(self) -> str:
        return self.headers.get("user-agent", "")

    @property
    def token(self) -> str:
        """The bearer token, empty for an anonymous client; any other authorization as it stands."""
        sent = self.headers.get("authorization", "")
        scheme, _, token = sent.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else sent

    def json(self) -> Json:
        """The body as a JSON object; an empty body is an empty one."""
        return parse_json(self.body)


@dataclass
class Response:
    """`resource`, when set, becomes the body, cut down to the request's `fields`."""

    status: int = 200
    resource: object = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def parse_json(text: bytes) -> Json:
    if not text.strip():
        return {}
    try:
        made = json.loads(text)
    except ValueError:
        raise invalid("Parse Error: the body is not JSON.") from None
    if not isinstance(made, dict):
        raise invalid("Parse Error: a JSON object was expected.")
    return made
