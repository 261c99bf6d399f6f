"""The list of configs as a page shows it: which group, which words, which page of how many. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from poltergust.dashboard.paging import Selection, holds, page_number, search_words, selection
from poltergust.path.reading.model import ConfigState, ConfigView

PAGE_SIZE = 50
"""Configs on one page."""


class Group(Enum):
    """What a person filters by; each of the states stands in one group."""

    ACTIVE = "active"
    WAITING = "waiting"
    FAILED = "failed"
    DONE = "done"
    CANCELLED = "cancelled"


GROUPS: Mapping[ConfigState, Group] = {
    ConfigState.RUNNING: Group.ACTIVE,
    ConfigState.PREPARING: Group.ACTIVE,
    ConfigState.FINISHED: Group.ACTIVE,
    ConfigState.QUEUED: Group.WAITING,
    ConfigState.WAITING: Group.WAITING,
    ConfigState.RETRYING: Group.WAITING,
    ConfigState.STALLED: Group.WAITING,
    ConfigState.GAVE_UP: Group.FAILED,
    ConfigState.ERROR: Group.FAILED,
    ConfigState.DONE: Group.DONE,
    ConfigState.CANCELLED: Group.CANCELLED,
}


@dataclass(frozen=True)
class Query:
    """What is asked for: words that a name or reason holds (all of them, in any case), a group (None: all), a page
    from 1."""

    words: str = ""
    group: Group | None = None
    page: int = 1

    @classmethod
    def of(cls, words: str, group: str, page: str) -> Query:
        """From the address of a page; what makes no sense there is left out."""
        known = {one.value: one for one in Group}
        return cls(search_words(words), known.get(group), page_number(page))


def select(configs: Sequence[ConfigView], query: Query) -> Selection[ConfigView, Group]:
    """What runs or waits first, each group of these two by age; then what ended, the newest first."""
    groups: dict[Group, list[ConfigView]] = {group: [] for group in Group}
    for config in configs:
        if holds(f"{config.name} {config.reason or ''} {config.text}", query.words):
            groups[GROUPS[config.state]].append(config)
    return selection(groups, query.group, query.page, PAGE_SIZE, _ordered)


def _ordered(configs: Iterable[ConfigView]) -> list[ConfigView]:
    return sorted(configs, key=lambda config: (_RANK[GROUPS[config.state]], -config.updated, config.name))


_RANK = {Group.ACTIVE: 0, Group.WAITING: 1, Group.FAILED: 2, Group.DONE: 2, Group.CANCELLED: 2}
