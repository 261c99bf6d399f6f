"""The thread that asks the scheduler how the pipeline stands while it runs, for people and for the other nodes."""

import random
import time
from typing import Any, Dict

FLUSH_SECONDS = 1.0  # between two times that what tasks did is sent to the agent, at most
JOINED_LOOK_SECONDS = 6.0, 11.0  # between two times that a process that joins asks: not all at once
FRESH_SECONDS = 6.0  # a worker that the scheduler has not heard of for longer may be gone


def watch(run: Any) -> None:
    """Send the counts when they change, once a second at most, and tell the other nodes how much there is to do.
    Rarer where the graph takes long to ask for. A process that joined, of which there may be many, asks for the graph
    only where no other worker says how the run stands."""
    from luigi.rpc import RPCError
    from luigi.worker import fork_lock

    joins = run.request["joins"]
    remote = run.remote(attempts=1)
    due = time.monotonic() + (joined_rest() if joins else 1.0)
    sent: Dict[str, int] = {}
    while True:
        asked = run.look_now.wait(min(FLUSH_SECONDS, max(0.0, due - time.monotonic())))
        if run.over.is_set():
            return
        run.events.flush()
        if not asked and time.monotonic() < due:
            continue
        run.look_now.clear()
        begin = time.monotonic()
        counts: Dict[str, int] = {}
        rest = 0.0
        try:
            with fork_lock:  # no fork while a name is being looked up (luigi/worker.py)
                if joins:
                    counts = heard_of_others(run, remote)
                if counts:
                    rest = joined_rest()
                else:
                    counts = look(run, remote)
        except RPCError:
            pass
        now = time.monotonic()
        due = now + (rest or max(1.0, 20 * (run.workers if joins else 1) * (now - begin)))
        if counts and counts != sent and not run.over.is_set():
            sent = run.progress = counts
            run.channel.send({"progress": sent, "root_task_id": str(run.root.task_id)})


def joined_rest() -> float:
    return random.uniform(*JOINED_LOOK_SECONDS)  # noqa: S311  # spreads load


def look(run: Any, remote: Any) -> Dict[str, int]:
    """The counts from the graph, and the other nodes are told of it; empty while the scheduler knows no task of it."""
    from .judging import GraphState, run_elsewhere

    standing = GraphState(remote.graph(run.root.task_id), run.root.task_id)
    run.workers = max(1, len(standing.workers))
    run.elsewhere = run_elsewhere(standing)
    counts = standing.progress() if standing.graph else {}
    if run.told:
        # None where this worker itself is given none: then they wait for resources.
        ready = 0 if run.worker.idle else max(0, len(standing.runnable) - run.worker.about_to_take)
        tell_others(run, remote, {"state": "works", "ready": ready, "counts": counts})
    return counts


def heard_of_others(run: Any, remote: Any) -> Dict[str, int]:
    """The counts that another worker of this root task has told; empty if none has that is there still."""
    listed = remote.worker_list(include_running=False)
    workers = [each for each in listed if each.get("first_task") == run.root.task_id and each["state"] == "active"]
    newest = max((each["last_active"] for each in workers), default=0.0)
    for each in workers:
        counts = _counts(each.get("poltergust"))
        other = each["name"] != run.request["worker"]
        if other and counts and newest - each["last_active"] < FRESH_SECONDS:
            run.workers = len(workers)
            tell_others(run, remote, {"state": "works", "ready": 0})
            return counts
    return {}


def _counts(note: Any) -> Dict[str, int]:
    """Of a note, which may be anybody's; empty if it has none."""
    told = note.get("counts") if isinstance(note, dict) and note.get("state") == "works" else None
    if not isinstance(told, dict):
        return {}
    counts = {name: told.get(name) for name in ("done", "running", "failed", "pending")}
    good = all(type(count) is int and count >= 0 for count in counts.values())
    return counts if good and any(counts.values()) else {}  # type: ignore[return-value]  # all are integers


def tell_others(run: Any, remote: Any, note: Dict[str, Any]) -> None:
    """Their agents read how many tasks could run that nobody has taken, nor is about to take here
    (`luigi_run/notes.py`), and the processes that joined read the counts."""
    if note != run.said:
        remote.add_worker(run.request["worker"], {"poltergust": note})
        run.said = note
