"""What is said about a mistake in a document: the error, where it stands, and how a user's own text may be shown."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from poltergust.base.errors import Permanent
from poltergust.base.reasons import Reason

SHOWN = 40
"""Characters of a user's own text that a message shows at most."""

_URL_USER = re.compile(r"//[^/\s]*@")


class DocumentError(Permanent):
    """A mistake in a file: ``<source>:<line>:<column>: <message>``. Lines and columns are 1-based; 0 means the file."""

    def __init__(
        self, reason: Reason, message: str, *, source: str, line: int = 0, column: int = 0, key: str = ""
    ) -> None:
        where = one_line(source) + (f":{line}:{column}" if line else "")
        super().__init__(reason, f"{where}: {message}")
        self.source, self.line, self.column, self.key, self.message = source, line, column, one_line(key), message


@dataclass(frozen=True)
class Location:
    """Where something stands in a document, 1-based; line 0 is the file as a whole."""

    source: str
    line: int = 0
    column: int = 0


def mistake(at: Location, reason: Reason, message: str, key: str = "") -> DocumentError:
    """The error to raise for a mistake that stands at `at`."""
    return DocumentError(reason, message, source=at.source, line=at.line, column=at.column, key=key)


def one_line(text: str) -> str:
    """`text` with everything that would break a line or steer a terminal written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def show(text: str) -> str:
    """A user's own text in quotes: one line, shortened, and without the user part of a URL (it may be a token)."""
    text = _URL_USER.sub("//***@", text)
    if len(text) > SHOWN:
        text = text[: SHOWN - 1] + "…"
    return f'"{one_line(text)}"'


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant: letter case and underscores first, then closeness. None if none is."""
    by_form = {_form(name): name for name in known}
    found = difflib.get_close_matches(_form(word[:100]), by_form, n=1, cutoff=0.7)
    return by_form[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean "x"?`` or nothing."""
    found = nearest(word, known)
    return f'; did you mean "{found}"?' if found else ""


def all_of(names: Iterable[str]) -> str:
    """``"a", "b" and "c"``."""
    quoted = [f'"{name}"' for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def shown_path(path: str) -> str:
    """The path of a key, such as ``variables.DB_HOST``, fit for a message: like `show` without the quotes."""
    return show(path)[1:-1]


def _form(word: str) -> str:
    return word.lower().replace("_", "-")
