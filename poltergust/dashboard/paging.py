"""Long lists in pages, and the words that a row has to hold. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
G = TypeVar("G")

MAX_WORDS_CHARACTERS = 200


@dataclass(frozen=True)
class Selection(Generic[T, G]):
    """`rows` of the page asked for (the last there is, if that is less), from 1 of `pages`; `counts` by group of all
    that match the words; `found` in the group asked for."""

    rows: tuple[T, ...]
    counts: Mapping[G, int]
    found: int
    page: int
    pages: int

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def selection(
    groups: Mapping[G, Sequence[T]], group: G | None, page: int, size: int, order: Callable[[list[T]], list[T]] = list
) -> Selection[T, G]:
    """Of what matches the words, by group: the `page` of those in `group` (None: of all), in `order`."""
    chosen = order([row for one, rows in groups.items() if group in (None, one) for row in rows])
    pages = max(1, math.ceil(len(chosen) / size))
    page = min(max(1, page), pages)
    counts = {one: len(rows) for one, rows in groups.items()}
    return Selection(tuple(chosen[(page - 1) * size : page * size]), counts, len(chosen), page, pages)


def page_number(text: str) -> int:
    """From an address; 1 for what is no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def search_words(text: str) -> str:
    """From an address."""
    return text.strip()[:MAX_WORDS_CHARACTERS]


def holds(text: str, words: str) -> bool:
    """Whether `text` holds each of the words, in any case."""
    folded = text.casefold()
    return all(word in folded for word in words.casefold().split())
