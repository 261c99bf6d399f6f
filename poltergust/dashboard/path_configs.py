"""All configs of a path at the price of a listing: thousands of them, most of which ended long ago.

Each look lists the path and the heartbeats. The records of a config that did not end are listed again at each look, of
at most `MAX_REFRESHED`, those first that were not looked at for longest; of an outcome they are read once, for the
latest `MAX_OUTCOMES_READ` and for what a page shows. An outcome that only a listing is known of has its name, its kind
and its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from poltergust.path.layout import Kind
from poltergust.path.reading import summary
from poltergust.path.reading.model import ConfigView, NodeView, PathView
from poltergust.path.reading.reader import Listed, Reader
from poltergust.stores import Entry

MAX_REFRESHED = 100
"""Configs whose records are listed again at one look."""

MAX_OUTCOMES_READ = 200

SETTLED_SECONDS = 120.0
"""An outcome's records may still change for so long: other nodes end after the one that renamed it."""


@dataclass
class _Kept:
    entry: Entry
    view: ConfigView
    looked: int  # the number of the look that read it; 0: only a listing is known
    settled: bool = False


class PathConfigs:
    """Of one path. Not for several threads."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._kept: dict[str, _Kept] = {}
        self._listed: dict[str, Listed] = {}
        self._nodes: tuple[NodeView, ...] = ()
        self._look = 0

    def view(self) -> PathView:
        """Everything, as fresh as it is affordable."""
        self._look += 1
        listed = self._reader.listing()
        self._listed = {one.name: one for one in listed}
        self._nodes = tuple(self._reader.nodes())
        for name in self._kept.keys() - self._listed.keys():
            del self._kept[name]
        self._read(self._due(listed))
        now = self._reader.now()
        views = tuple(self._of(one, now) for one in listed)
        counts: dict[str, int] = {}
        for view in views:
            counts[view.state.value] = counts.get(view.state.value, 0) + 1
        nodes = summary.with_configs(self._nodes, sum(one.kind is Kind.CONFIG for one in listed))
        return PathView(self._reader.path.root, now, views, nodes, counts)

    def complete(self, configs: Sequence[ConfigView]) -> tuple[ConfigView, ...]:
        """The same, with the records of those that only a listing was known of."""
        bare = [
            self._listed[config.name]
            for config in configs
            if config.name in self._listed and not self._known(self._listed[config.name])
        ]
        self._read(bare)
        now = self._reader.now()
        return tuple(
            self._of(self._listed[config.name], now) if config.name in self._listed else config for config in configs
        )

    def _due(self, listed: Sequence[Listed]) -> list[Listed]:
        """Whose records are read at this look."""
        busy = {name for node in self._nodes for name in node.record.running}
        live = [one for one in listed if one.kind is Kind.CONFIG]

        def waited(one: Listed) -> tuple[bool, int]:
            kept = self._kept.get(one.name)
            return one.name not in busy, 0 if kept is None or kept.entry != one.entry else kept.looked

        ended = sorted((one for one in listed if one.kind is not Kind.CONFIG), key=lambda one: -one.entry.updated)
        return [
            *sorted(live, key=waited)[:MAX_REFRESHED],
            *(one for one in ended[:MAX_OUTCOMES_READ] if not self._settled(one)),
        ]

    def _read(self, due: Iterable[Listed]) -> None:
        due = list(due)
        now = self._reader.now()
        for one, view in zip(due, self._reader.views(due, self._nodes), strict=True):
            settled = view.state.ended and now - one.entry.updated > SETTLED_SECONDS
            self._kept[one.name] = _Kept(one.entry, view, max(1, self._look), settled)

    def _known(self, one: Listed) -> bool:
        kept = self._kept.get(one.name)
        return kept is not None and kept.entry == one.entry

    def _settled(self, one: Listed) -> bool:
        return self._known(one) and self._kept[one.name].settled

    def _of(self, one: Listed, now: float) -> ConfigView:
        if self._known(one):
            view = self._kept[one.name].view
            return replace(view, age=max(0.0, now - view.updated))
        entry = one.entry
        return summary.config(one.name, entry.url, entry.updated, now, kind=one.kind, generation=None, found=())
