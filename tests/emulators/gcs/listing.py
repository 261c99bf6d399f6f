"""objects.list: prefix, delimiter, offsets, matchGlob and pages. Pure.

https://cloud.google.com/storage/docs/json_api/v1/objects/list
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.emulators.gcs.errors import invalid
from tests.emulators.gcs.model import StoredObject
from tests.emulators.gcs.preconditions import number

PAGE = 1000
"""The most a page holds, and the default."""


@dataclass(frozen=True)
class Page:
    objects: list[StoredObject]
    prefixes: list[str]
    token: str | None


def page(objects: Iterable[StoredObject], query: Mapping[str, str]) -> Page:
    """One page, in the order of the names' UTF-8 bytes (which is the order of their code points).

    Objects and prefixes together count towards maxResults.
    """
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    glob = query.get("matchGlob")
    if glob is not None and delimiter not in ("", "/"):
        raise invalid("matchGlob can only be used with the delimiter '/'.")
    pattern = glob_pattern(glob) if glob is not None else None
    start, end = query.get("startOffset", ""), query.get("endOffset")
    trailing = query.get("includeTrailingDelimiter") == "true"
    limit = number(query, "maxResults")
    limit = PAGE if not limit else min(limit, PAGE)
    if limit < 0:
        raise invalid("Invalid value for maxResults.")
    after = _decode(query["pageToken"]) if query.get("pageToken") else ""

    found: list[StoredObject] = []
    prefixes: list[str] = []
    last = ""
    for item in sorted(objects, key=lambda each: each.name):
        name = item.name
        if not name.startswith(prefix) or name < start or (end is not None and name >= end):
            continue
        if pattern is not None and not pattern.fullmatch(name):
            continue
        cut = name.find(delimiter, len(prefix)) if delimiter else -1
        group = name[: cut + len(delimiter)] if cut >= 0 else None
        entry = group if group is not None else name
        alone = trailing and group == name
        if entry <= after or (group is not None and prefixes and prefixes[-1] == group and not alone):
            continue
        if len(found) + len(prefixes) >= limit:
            return Page(found, prefixes, _encode(last))
        if group is not None and (not prefixes or prefixes[-1] != group):
            prefixes.append(group)
        if group is None or alone:
            found.append(item)
        last = entry
    return Page(found, prefixes, None)


def _encode(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _decode(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeError):
        raise invalid(f"Invalid page token: {token!r}") from None


def glob_pattern(glob: str) -> re.Pattern[str]:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/list#list-objects-and-prefixes-using-glob

    `*` and `?` stop at a slash, `**` does not; `[abc]`, `[!abc]`, `{one,other}`; a backslash makes the next literal.
    """
    made: list[str] = []
    depth = at = 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "*":
            if glob.startswith("*", at):
                at += 1
                made.append(".*")
            else:
                made.append("[^/]*")
        elif char == "?":
            made.append("[^/]")
        elif char == "[":
            end = glob.find("]", at + 1)
            if end < 0:
                raise invalid(f"Invalid matchGlob {glob!r}: '[' is not closed.")
            body = glob[at:end]
            negated = body[:1] in ("!", "^")
            inner = re.sub(r"([\\\[\]^&~|])", r"\\\1", body[1:] if negated else body)
            made.append(f"[{'^/' if negated else ''}{inner}]")
            at = end + 1
        elif char == "{":
            depth += 1
            made.append("(?:")
        elif char == "}" and depth:
            depth -= 1
            made.append(")")
        elif char == "," and depth:
            made.append("|")
        elif char == "\\" and at < len(glob):
            made.append(re.escape(glob[at]))
            at += 1
        else:
            made.append(re.escape(char))
    if depth:
        raise invalid(f"Invalid matchGlob {glob!r}: '{{' is not closed.")
    return re.compile("".join(made), re.DOTALL)
