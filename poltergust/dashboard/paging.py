"""Long lists in pages, and the words that a row has to hold. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_WORDS_CHARACTERS = 200


@dataclass(frozen=True)
class Cut(Generic[T]):
    """One page of a list: `page` from 1 of `pages`; the last there is where a later one was asked for."""

    rows: tuple[T, ...]
    page: int
    pages: int


def cut_page(rows: Sequence[T], page: int, size: int) -> Cut[T]:
    pages = max(1, math.ceil(len(rows) / size))
    page = min(max(1, page), pages)
    return Cut(tuple(rows[(page - 1) * size : page * size]), page, pages)


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
