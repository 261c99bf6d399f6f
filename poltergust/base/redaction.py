"""Keep secrets out of everything that is written: logs, records, messages.

What counts as a secret follows the names that buildkite-agent redacts by default
(https://buildkite.com/docs/pipelines/configure/managing-log-output#redacted-environment-variables): the *value* of a
variable with such a name, and the credentials in a URL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import translate
from urllib.parse import quote

from poltergust.base.text import CUT

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
    # and, beyond that list, the same words by themselves
    "PASSWORD",
    "PASSWD",
    "SECRET",
    "TOKEN",
    "PRIVATE_KEY",
    "ACCESS_KEY",
    "SECRET_KEY",
    "API_KEY",
    "CONNECTION_STRING",
    "PGPASSWORD",
    "MYSQL_PWD",
)
MASK = "[redacted]"
MIN_SECRET = 6
"""Shorter values are left alone: masking every "1" or "yes" of a log would destroy it and hide nothing."""
MIN_GIVEN_SECRET = 4
"""For values that are known to be secrets, rather than taken for ones by a variable's name."""
MIN_TOKEN = 12
"""A shorter name before the @ of a URL, without a password, is a user's: masked there and nowhere else."""

_SECRET_NAME = re.compile("|".join(map(translate, SECRET_NAMES)))
# From "://" on and not from the scheme: that pattern would try every letter of a long word as the scheme's first, and a
# line without spaces (a data URL, a minified file) would take time that grows with its square.
_URL_CREDENTIALS = re.compile(r"://[^\s/'\"]+@")


def secret_name(name: str) -> bool:
    return _SECRET_NAME.match(name.upper()) is not None


def without_credentials(text: str) -> str:
    """`text` with the user and password of every URL in it masked."""
    return _URL_CREDENTIALS.sub(f"://{MASK}@", text)


class Redactor:
    """Masks secret values wherever they occur in a text, also as Python, JSON and URLs show them, and what the cut of a
    message ("…") left of one. Secret are: in the given `environments`, what a name or a URL's credentials mark as such;
    each of `secrets`; and the credentials of any URL in the text itself."""

    def __init__(self, environments: Iterable[Mapping[str, str]], secrets: Iterable[str] = ()) -> None:
        pieces = {
            piece
            for environment in environments
            for name, value in environment.items()
            for piece in _secrets(name, value)
            if len(piece) >= MIN_SECRET
        }
        pieces |= {secret for secret in secrets if len(secret) >= MIN_GIVEN_SECRET}
        # Longest first: a secret that contains another one is masked whole.
        self._secrets = sorted({look for piece in pieces for look in _looks(piece)}, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, self._secrets))) if self._secrets else None

    def __call__(self, text: str) -> str:
        masked = without_credentials(text)
        if self._values is None:
            return masked
        masked = self._values.sub(MASK, masked)
        return self._without_halves(masked) if CUT in masked else masked

    def _without_halves(self, text: str) -> str:
        parts = text.split(CUT)
        return CUT.join([*(self._without_half(part) for part in parts[:-1]), parts[-1]])

    def _without_half(self, text: str) -> str:
        """`text` was cut at its end: without the beginning of a secret there."""
        for secret in self._secrets:
            for length in range(min(len(secret), len(text)), MIN_SECRET - 1, -1):
                if text.endswith(secret[:length]):
                    return text[:-length] + MASK
        return text


def _secrets(name: str, value: str) -> Iterator[str]:
    if secret_name(name):
        yield value
        yield from value.splitlines()  # a log shows a multi-line key line by line
    # Whatever the variable is called: the credentials of a URL, which may be shown without the rest of it.
    for user in _URL_CREDENTIALS.findall(value):
        user, colon, password = user[len("://") : -1].partition(":")
        if colon:
            yield password
        elif len(user) >= MIN_TOKEN:
            yield user


def _looks(value: str) -> set[str]:
    return {value, repr(value)[1:-1], json.dumps(value)[1:-1], quote(value, safe=""), quote(value)}
