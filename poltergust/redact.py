"""Keep secrets and terminal codes out of everything that is written: logs, records, messages.

What counts as a secret follows the names that buildkite-agent redacts by default
(https://buildkite.com/docs/pipelines/configure/managing-log-output#redacted-environment-variables): the *value* of a
variable with such a name, and the credentials in a URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

SECRET_NAMES = (
    "*_PASSWORD",
    "*_PASSWD",
    "*_SECRET",
    "*_TOKEN",
    "*_PRIVATE_KEY",
    "*_ACCESS_KEY",
    "*_SECRET_KEY",
    "*_API_KEY",
    "*_CONNECTION_STRING",
    "*_CREDENTIALS_JSON",
    "PASSWORD",
    "SECRET",
    "TOKEN",
    "PGPASSWORD",
)
MASK = "[redacted]"
MIN_SECRET = 6
"""Shorter values are left alone: masking every "1" or "yes" of a log would destroy it and hide nothing."""

# From "://" on and not from the scheme: that pattern would try every letter of a long word as the scheme's first, and a
# line without spaces (a data URL, a minified file) would take time that grows with its square.
_URL_CREDENTIALS = re.compile(r"://[^\s/'\"]+@")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """`text` without terminal escape sequences; other control characters (but tab and newline) as ``\\xNN``."""
    return _CONTROL.sub(lambda found: repr(found.group())[1:-1], _ESCAPE.sub("", text))


def one_line(text: str, limit: int = 500) -> str:
    """`text` fit for a message or a record: no control characters, no line breaks, at most `limit` characters."""
    flat = plain(" ".join(text.split()))
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def secret_name(name: str) -> bool:
    return any(fnmatchcase(name.upper(), pattern) for pattern in SECRET_NAMES)


class Redactor:
    """Masks the secret values of the given environments wherever they occur in a text."""

    def __init__(self, environments: Iterable[Mapping[str, str]]) -> None:
        values = {
            piece
            for environment in environments
            for name, value in environment.items()
            if secret_name(name)
            for piece in (value, *value.splitlines())  # a log shows a multi-line key line by line
            if len(piece) >= MIN_SECRET
        }
        # Longest first: a secret that contains another one is masked whole.
        alternatives = "|".join(re.escape(value) for value in sorted(values, key=len, reverse=True))
        self._values = re.compile(alternatives) if values else None

    def __call__(self, text: str) -> str:
        masked = _URL_CREDENTIALS.sub(f"://{MASK}@", text)
        return masked if self._values is None else self._values.sub(MASK, masked)
