"""What is said about a mistake in a document: the error, where it stands, and how a user's own text may be shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from poltergust.base.errors import Permanent
from poltergust.base.reasons import Reason
from poltergust.base.text import escaped, shown

MAX_SHOWN = 40
"""Characters of a user's own text that a message shows at most."""

MAX_MISTAKES = 100
"""That one answer names at most."""

T = TypeVar("T")
U = TypeVar("U")

_URL_USER = re.compile(r"//[^/\s]*@")


class DocumentError(Permanent):
    """The mistakes in a file: the first one as ``<source>:<line>:<column>: <message>``, and how many more there are.

    Lines and columns are 1-based; 0 means the file. `others` are the further mistakes, in the order of the parser.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        source: str,
        line: int = 0,
        column: int = 0,
        key: str = "",
        others: tuple[DocumentError, ...] = (),
    ) -> None:
        where = escaped(source) + (f":{line}:{column}" if line else "")
        self.text = f"{where}: {message}"  # of this mistake alone
        super().__init__(reason, f"{self.text} (and {len(others)} more)" if others else self.text)
        self.source, self.line, self.column, self.key, self.message = source, line, column, escaped(key), message
        self.others = others

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(each.text for each in self.all)

    @property
    def all(self) -> tuple[DocumentError, ...]:
        """Every mistake of the file, this one first."""
        return (self, *self.others)


@dataclass(frozen=True)
class Location:
    """Where something stands in a document, 1-based; line 0 is the file as a whole."""

    source: str
    line: int = 0
    column: int = 0


class Mistakes:
    """Collects every mistake of one document, for one answer. At most `MAX_MISTAKES` of them: a file that is no task
    file at all has thousands."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int, str], DocumentError] = {}
        self._broken: set[tuple[int, int]] = set()

    def add(self, error: DocumentError, *, broken: bool = False) -> None:
        """`broken`: what stands at that place is no value, so what else is wrong with it is a consequence."""
        place = (error.line, error.column)
        if place not in self._broken and len(self._found) < MAX_MISTAKES:
            self._found.setdefault((*place, error.message), error)
        if broken:
            self._broken.add(place)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """A mistake that is raised in the context ends the context, not the parser."""
        try:
            yield
        except DocumentError as error:
            self.add(error)

    def of(self, read: Callable[[], T], otherwise: U) -> T | U:
        """What `read` returns, or `otherwise` and the mistake that it raised."""
        try:
            return read()
        except DocumentError as error:
            self.add(error)
            return otherwise

    def raise_any(self) -> None:
        """Raises `DocumentError` if any was found."""
        if not self._found:
            return
        first, *others = self._found.values()
        raise DocumentError(
            first.reason,
            first.message,
            source=first.source,
            line=first.line,
            column=first.column,
            key=first.key,
            others=tuple(others),
        )


def mistake(at: Location, reason: Reason, message: str, key: str = "") -> DocumentError:
    """The error to raise for a mistake that stands at `at`."""
    return DocumentError(reason, message, source=at.source, line=at.line, column=at.column, key=key)


def show(text: str) -> str:
    """A user's own text in quotes: one line, shortened, and without the user part of a URL (it may be a token)."""
    return f'"{shown(_URL_USER.sub("//***@", text), MAX_SHOWN)}"'


def shown_path(path: str) -> str:
    """The path of a key, such as ``variables.DB_HOST``, fit for a message: like `show` without the quotes."""
    return show(path)[1:-1]
