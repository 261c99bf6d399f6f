"""What a set of records means, pure: from records and heartbeats to one state, a reason and who works on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from poltergust.base.progress import Progress
from poltergust.base.reasons import Reason
from poltergust.path.layout import Kind
from poltergust.path.liveness import LIVE_SECONDS
from poltergust.path.reading.model import ConfigState, ConfigView, NodeView, RunView
from poltergust.path.records import NodeRecord, RunRecord, Seen, State

_OUTCOMES = {Kind.DONE: ConfigState.DONE, Kind.ERROR: ConfigState.ERROR, Kind.CANCELLED: ConfigState.CANCELLED}

_FURTHEST = {
    State.FINISHED: ConfigState.FINISHED,
    State.RUNNING: ConfigState.RUNNING,
    State.PREPARING: ConfigState.PREPARING,
    State.RETRYING: ConfigState.RETRYING,
    State.WAITING: ConfigState.WAITING,
    State.GAVE_UP: ConfigState.GAVE_UP,
}
"""In this order: a config is in the state of the node that is furthest with it."""

_STOPPED_BY_OUTCOME = (Reason.OUTCOME_STANDS.code, Reason.CONFIG_GONE.code)
"""How a node ends a run that it finds renamed by somebody else, a person who cancelled it for example."""

STOPPED_SECONDS = 60.0
"""So long after its outcome, at the latest, a node has stopped a run and says so: one that does not was killed, however
fresh its heartbeat is."""


def node(seen: Seen[NodeRecord], now: float) -> NodeView:
    """A heartbeat as a view: silent when it is too old, whatever it says."""
    age = max(0.0, now - seen.updated)
    state = "draining" if seen.record.state == "draining" else "ready"
    return NodeView(seen.record, seen.updated, age, "silent" if age >= LIVE_SECONDS else state)


def with_configs(nodes: Iterable[NodeView], standing: int) -> tuple[NodeView, ...]:
    """Where so many configs stand no more can wait: what a heartbeat counts may be a minute old."""

    def bounded(record: NodeRecord) -> NodeRecord:
        return replace(record, waiting=max(0, min(record.waiting, standing - len(record.running))))

    return tuple(replace(node, record=bounded(node.record)) for node in nodes)


def runs(records: Iterable[Seen[RunRecord]], nodes: Iterable[NodeView], now: float) -> tuple[RunView, ...]:
    """The records of one run, by node. A fresh record counts as a sign of life just as a heartbeat does: heartbeats
    may be deleted at any time."""
    live = {view.record.node for view in nodes if view.state != "silent"}
    views = [
        RunView(
            seen.record,
            seen.updated,
            silent=seen.record.state is not State.ENDED
            and seen.record.node not in live
            and now - seen.updated >= LIVE_SECONDS,
        )
        for seen in records
    ]
    return tuple(sorted(views, key=lambda view: view.record.node))


def config(
    name: str, url: str, updated: float, now: float, *, kind: Kind, generation: str | None, found: Sequence[RunView]
) -> ConfigView:
    """One config or outcome. `found` are the records of its run, `generation` that of the run."""
    if kind is Kind.CANCELLED and any(run.record.renamed for run in found):
        found, generation = (), None  # of an earlier run, which ended otherwise; no node had begun the one cancelled
    ended = None
    if kind is Kind.CONFIG:
        working = [run for run in found if run.record.state is not State.ENDED and not run.silent]
        state = _furthest(working) or (ConfigState.STALLED if any(run.silent for run in found) else ConfigState.QUEUED)
        lead = _lead([run for run in working if _FURTHEST.get(run.record.state) is state])
        nodes = [run.record.node for run in working if run.record.state.active] or [r.record.node for r in working]
    else:
        state = _OUTCOMES[kind]
        # By the records, which say the same in a copy; what renamed it may be an older version, or a person.
        ended = ended_at(found, kind.value) or updated
        if kind is not Kind.ERROR and now - ended >= STOPPED_SECONDS:  # after an error others may still succeed
            found = [replace(run, silent=run.silent or run.record.state.active) for run in found]
        lead = _lead([run for run in found if run.record.renamed]) or _lead(
            [run for run in found if run.record.outcome == kind.value]
        )
        first = [] if lead is None else [lead.record.node]
        nodes = first + [run.record.node for run in found if run.record.node not in first]
    comes_again = state in (ConfigState.RETRYING, ConfigState.WAITING)
    retry_at = lead.record.retry_at if lead is not None and comes_again else None
    started = min((run.record.started or run.updated for run in found), default=None)
    counts = (lead.record.progress if state.ended and lead is not None else None) or progress(found)
    return ConfigView(
        name=name,
        state=state,
        url=url,
        updated=ended or updated,
        age=max(0.0, now - (ended or updated)),
        generation=generation,
        started=started,
        took=None if started is None else max(0.0, (now if ended is None else ended) - started),
        nodes=tuple(nodes),
        silent=tuple(run.record.node for run in found if run.silent),
        reason=None if lead is None else lead.record.reason,
        text="" if lead is None else (lead.record.refused or lead.record.text),
        progress=settled(counts, found) if state.ended else counts,
        runs=tuple(found),
        attempt=0 if lead is None else lead.record.attempts_made,
        retry_in=None if retry_at is None else max(0.0, retry_at - now),
    )


def progress(found: Iterable[RunView]) -> Progress | None:
    """The counts of the record written last: all nodes count the one graph at the one scheduler."""
    known = [run for run in found if run.record.progress is not None]
    return max(known, key=written).record.progress if known else None


def settled(counts: Progress | None, found: Iterable[RunView]) -> Progress | None:
    """`counts` of a run that has ended: what ran when its nodes stopped runs no more, and is pending for ever."""
    if counts is None or any(run.record.state.active and not run.silent for run in found):
        return counts
    return replace(counts, running=0, pending=counts.pending + counts.running)


def ended_at(found: Iterable[RunView], outcome: str) -> float | None:
    """When the run came to that outcome, by its records, which say the same in a copy: by the node that renamed, else
    by who knew it, else by the first that stopped because it stood there. None where none says it."""
    ended = [(run.record, run.record.ended) for run in found if run.record.ended is not None]
    known = [(record, at) for record, at in ended if record.outcome == outcome]
    renamed = [at for record, at in known if record.renamed]
    stopped = [at for record, at in ended if record.outcome is None and record.reason in _STOPPED_BY_OUTCOME]
    return min(renamed or [at for _, at in known] or stopped, default=None)


def written(run: RunView) -> float:
    """When that node wrote its record last: once the run has ended there by what it says, as it does in a copy."""
    return run.record.ended or run.updated


def _furthest(working: Iterable[RunView]) -> ConfigState | None:
    states = {run.record.state for run in working}
    return next((whole for state, whole in _FURTHEST.items() if state in states), None)


def _lead(candidates: Sequence[RunView]) -> RunView | None:
    """Whose reason is shown: one that has words, of those one that says when it comes again, the latest of them."""
    return max(
        candidates,
        key=lambda run: (bool(run.record.text), run.record.retry_at is not None, written(run)),
        default=None,
    )
