"""Where a config that waits for a slot stands in the nodes' queues. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from poltergust.base.text import ordinal
from poltergust.path.reading.model import NodeView
from poltergust.path.records import MAX_QUEUE_NAMES


@dataclass(frozen=True)
class PlaceInLine:
    """The same on all of `nodes`: `place` in words, and what has their slots meanwhile."""

    place: str
    nodes: tuple[str, ...]
    slots: int
    running: tuple[str, ...]


def places_in_line(name: str, nodes: Iterable[NodeView]) -> tuple[PlaceInLine, ...]:
    """Empty where no live node that takes runs says that it has it."""
    places: dict[tuple[str, int, tuple[str, ...]], list[str]] = {}
    for node in nodes:
        record = node.record
        if node.state != "ready" or not record.taking:
            continue
        if name in record.queue:
            place = f"{ordinal(record.queue.index(name) + 1)} in line"
        elif len(record.queue) >= MAX_QUEUE_NAMES:
            place = f"behind the first {len(record.queue)} in line"
        else:
            continue
        places.setdefault((place, record.slots, record.running), []).append(record.node)
    return tuple(PlaceInLine(place, tuple(where), slots, running) for (place, slots, running), where in places.items())
