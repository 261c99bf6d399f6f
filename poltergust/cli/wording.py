"""Views as words: counts, one line for where a config stands. Pure, and safe for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from poltergust.base import hints
from poltergust.base.progress import Progress
from poltergust.base.text import exact, span
from poltergust.cli.terminal import safe
from poltergust.path.reading.in_line import places_in_line
from poltergust.path.reading.model import ConfigState, ConfigView, NodeView
from poltergust.path.reading.waiting import Conclusion
from poltergust.path.records import RunRecord, State


def some(names: Sequence[str], limit: int = 3) -> str:
    """The first few names and how many more."""
    text = ", ".join(safe(name) for name in names[:limit])
    return f"{text} +{len(names) - limit}" if len(names) > limit else text


def tasks(progress: Progress) -> str:
    """``12 of 40 tasks done, 3 running, 25 pending``; what there is none of is left out."""
    rest = (("running", progress.running), ("pending", progress.pending), ("failed", progress.failed))
    return ", ".join([f"{progress.done} of {progress.total} tasks done", *(f"{n} {word}" for word, n in rest if n)])


def because(reason: str | None, text: str) -> str:
    """The reason's code and its text."""
    return safe(": ".join(filter(None, (reason, text))))


def stands(view: ConfigView, nodes: Sequence[NodeView] | None = None) -> str:
    """One line for where the config stands; `nodes` those of the path, if known."""
    if view.state is ConfigState.QUEUED:
        if nodes is not None and not any(node.state == "ready" and node.record.taking for node in nodes):
            return f"no live node listens to this path; to start one: {hints.command('listen', path=view.path)}"
        return in_line(view.name, nodes or ()) or "no node has it yet"
    if view.state is ConfigState.RETRYING and view.attempt and view.retry_in is not None:
        when = f"attempt {view.attempt}, the next in {span(view.retry_in)}: "
        return f"{some(view.nodes)}: {when}{because(view.reason, view.text)}"
    if view.state is ConfigState.WAITING and view.retry_in is not None:
        return f"{some(view.nodes)}: {because(view.reason, view.text)}; the next look in {span(view.retry_in)}"
    if view.state is ConfigState.STALLED:
        return f"{some(view.silent)} had it and is silent; another node takes it up at its next scan"
    if view.state is ConfigState.PREPARING:
        return f"{some(view.nodes)}: environment is made ready"
    if view.state is ConfigState.RUNNING:
        counts = view.progress
        return f"{some(view.nodes)}: {tasks(counts) if counts is not None and counts.total else 'Luigi starts'}"
    where = f"{some(view.nodes)}: " if view.nodes and not view.state.ended else ""
    return where + (because(view.reason, view.text) or view.state.value)


def in_line(name: str, nodes: Sequence[NodeView]) -> str:
    """``3rd in line on n1 and n2, 2 of 2 slots taken by nightly, hourly``; empty where no node says that it has it."""
    return "; ".join(
        f"{one.place} on {some(one.nodes)}, {one.slots} of {one.slots} slots taken"
        + (f" by {some(one.running)}" if one.running else "")
        for one in places_in_line(name, nodes)
    )


def doing(record: RunRecord, silent: bool) -> str:
    """What one node does about a run, or how it ended there."""
    if silent:
        return "silent"
    if record.state is State.ENDED:
        return f"{safe(record.outcome or 'ended')}{', renamed it' if record.renamed else ''}"
    return str(record.state.value)


def ended(name: str, ending: Conclusion, view: ConfigView | None) -> str:
    """The last line of a wait."""
    name = safe(name)
    if ending is Conclusion.GONE:
        return f"{name} is gone: the config was removed, and no outcome stands in its place"
    if ending is Conclusion.REPLACED:
        see = hints.command("status", view.name, path=view.path) if view is not None else hints.command("status")
        return f"{name} was replaced by another upload; to see that one: {see}"
    took = "" if view is None or view.took is None else f" in {exact(view.took)}"
    why = "" if view is None else because(view.reason, view.text)
    word = {Conclusion.DONE: "is done", Conclusion.ERROR: "ended as an error", Conclusion.CANCELLED: "was cancelled"}[
        ending
    ]
    return f"{name} {word}{took}" + (f": {why}" if why else "")
