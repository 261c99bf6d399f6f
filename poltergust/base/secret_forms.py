"""What is taken for a secret, and in which forms one may be shown. Pure.

What counts begins with the names that buildkite-agent redacts by default
(https://buildkite.com/docs/pipelines/configure/managing-log-output#redacted-environment-variables): the *value* of a
variable with such a name, and the credentials in a URL.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import translate
from urllib.parse import quote, quote_plus, unquote

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
    # and, beyond that list, other words for the same
    "*_PASS",
    "*_PWD",
    "*_PAT",
    "*_AUTH",
    "*_DSN",
    "*_SIGNING_KEY",
    "*_ENCRYPTION_KEY",
    "*APIKEY*",
    "*WEBHOOK*",
    "*PASSPHRASE*",
    "GH_TOKEN_*",
    "GITHUB_TOKEN_*",
    "GITLAB_TOKEN_*",
    "PGPASSWORD",
    # and the words by themselves
    "PASSWORD",
    "PASSWD",
    "SECRET",
    "TOKEN",
    "PRIVATE_KEY",
    "ACCESS_KEY",
    "SECRET_KEY",
    "API_KEY",
    "CONNECTION_STRING",
    "DSN",
)
NAMES_VARIABLE = "POLTERGUST_REDACT_VARIABLES"
"""The environment variable of `--redact-variables`: patterns, separated by spaces."""

MIN_SECRET = 6
"""Characters. Shorter values are left alone: masking every "1" or "yes" of a log would destroy it and hide nothing."""
MIN_GIVEN_SECRET = 4
"""For values that are known to be secrets, rather than taken for ones by a variable's name."""
MIN_TOKEN = 12
"""A shorter name before the @ of a URL, without a password, is a user's: masked there and nowhere else."""

TASK_ID_CHARACTERS = 16
"""How much of a parameter Luigi's task ids show (TASK_ID_TRUNCATE_PARAMS of luigi/task.py)."""

# From "://" on and not from the scheme: that pattern would try every letter of a long word as the scheme's first, and a
# line without spaces (a data URL, a minified file) would take time that grows with its square.
URL_CREDENTIALS = re.compile(r"://[^\s/'\"]+@")

_PERCENT = re.compile(r"%[0-9A-F]{2}")
_NO_TASK_ID = re.compile(r"[^A-Za-z0-9_]")  # TASK_ID_INVALID_CHAR_REGEX of luigi/task.py
_BOTH = "'\""
_PLACEHOLDER_PASSWORDS = ("", "x-oauth-basic")
"""Beside a token that stands where a user's name would."""


class SecretNames:
    """Whether a variable's or argument's name says that it holds a secret: by the list above and `more` patterns."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        patterns = (*SECRET_NAMES, *(pattern.upper() for pattern in more))
        self._pattern = re.compile("|".join(map(translate, patterns)))

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> SecretNames:
        """With the patterns of `NAMES_VARIABLE`."""
        return cls(environ.get(NAMES_VARIABLE, "").split())

    def __contains__(self, name: str) -> bool:
        return self._pattern.match(name.upper().replace("-", "_")) is not None


def secrets_of(name: str, value: str, names: SecretNames) -> Iterator[str]:
    """What is secret in the variable; too short pieces are among it."""
    if name in names:
        yield value
        yield from value.splitlines()  # a log shows a multi-line key line by line
    # Whatever the variable is called: the credentials of a URL, which may be shown without the rest of it.
    for found in URL_CREDENTIALS.findall(value):
        user, _, password = found[len("://") : -1].partition(":")
        if password not in _PLACEHOLDER_PASSWORDS:
            yield password
            yield unquote(password)
        elif len(user) >= MIN_TOKEN:
            yield user


def forms(secret: str) -> set[str]:
    """How programs write it: as it is, as Python, JSON, YAML, HTML and URLs quote it, in hexadecimal and in base64,
    alone or inside a longer text (an Authorization header of Basic is one), and what a Luigi task id shows of it."""
    data = secret.encode("utf-8", "surrogatepass")
    shown = {
        secret,
        ascii(secret)[1:-1],
        secret.replace("'", "''"),
        html.escape(secret),
        html.escape(secret, quote=False),
    }
    shown |= {json.dumps(secret, ensure_ascii=whether)[1:-1] for whether in (True, False)}
    # Python quotes by what else is in the text: with both kinds of quotes there, the single one has a backslash.
    shown |= {repr(secret)[1:-1], repr(secret + _BOTH)[1:-4], repr(data)[2:-1], repr(data + _BOTH.encode())[2:-4]}
    for quoted in (quote(secret, safe=""), quote(secret), quote_plus(secret), quote(secret, safe="!'()*")):
        shown |= {quoted, _PERCENT.sub(lambda found: found.group().lower(), quoted)}
    shown |= {data.hex(), data.hex().upper()}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        shown |= {_inside(encode, data, shift) for shift in range(3)}
    if len(secret) >= MIN_SECRET:
        shown.add(_NO_TASK_ID.sub("_", secret[:TASK_ID_CHARACTERS]))
    return shown


def _inside(encode: object, data: bytes, shift: int) -> str:
    """The characters that `data` has in base64 wherever it stands in a longer text, `shift` bytes after a multiple of
    three. Those at its ends, which depend on its neighbours, are left out."""
    assert callable(encode)
    text: str = encode(bytes(shift) + data).decode()
    return text[-(-shift * 8 // 6) : (shift + len(data)) * 8 // 6]
