"""What is said about a mistake in a document: the error, where it stands, and how a user's own text may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass

from poltergust.base.errors import Permanent
from poltergust.base.reasons import Reason
from poltergust.base.text import escaped, shown

MAX_SHOWN = 40
"""Characters of a user's own text that a message shows at most."""

_URL_USER = re.compile(r"//[^/\s]*@")


class DocumentError(Permanent):
    """A mistake in a file: ``<source>:<line>:<column>: <message>``. Lines and columns are 1-based; 0 means the file."""

    def __init__(
        self, reason: Reason, message: str, *, source: str, line: int = 0, column: int = 0, key: str = ""
    ) -> None:
        where = escaped(source) + (f":{line}:{column}" if line else "")
        super().__init__(reason, f"{where}: {message}")
        self.source, self.line, self.column, self.key, self.message = source, line, column, escaped(key), message


@dataclass(frozen=True)
class Location:
    """Where something stands in a document, 1-based; line 0 is the file as a whole."""

    source: str
    line: int = 0
    column: int = 0


def mistake(at: Location, reason: Reason, message: str, key: str = "") -> DocumentError:
    """The error to raise for a mistake that stands at `at`."""
    return DocumentError(reason, message, source=at.source, line=at.line, column=at.column, key=key)


def show(text: str) -> str:
    """A user's own text in quotes: one line, shortened, and without the user part of a URL (it may be a token)."""
    return f'"{shown(_URL_USER.sub("//***@", text), MAX_SHOWN)}"'


def shown_path(path: str) -> str:
    """The path of a key, such as ``variables.DB_HOST``, fit for a message: like `show` without the quotes."""
    return show(path)[1:-1]
