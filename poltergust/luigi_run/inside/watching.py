"""The thread that asks the scheduler how the pipeline stands while it runs, for people and for the other nodes."""

import random
import time
from typing import Any, Dict

FLUSH_SECONDS = 1.0  # between two times that what tasks did is sent to the agent, at most
JOINED_LOOK_SECONDS = 8.0, 14.0  # after which a process that joins first asks for the whole graph: not all at once


def watch(run: Any) -> None:
    """Send the counts when they change, once a second at most, and tell the other nodes how much there is to do.
    Rarer where the graph takes long to ask for; and much rarer in a process that joined, because there may be many,
    and the first one says the same."""
    from luigi.rpc import RPCError
    from luigi.worker import fork_lock

    from .judging import GraphState, run_elsewhere

    joins = run.request["joins"]
    remote = run.remote(attempts=1)
    due = time.monotonic() + (random.uniform(*JOINED_LOOK_SECONDS) if joins else 1.0)  # noqa: S311  # spreads load
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
        try:
            with fork_lock:  # no fork while a name is being looked up (luigi/worker.py)
                standing = GraphState(remote.graph(run.root.task_id), run.root.task_id)
                if run.told:
                    tell_others(run, remote, standing)
        except RPCError:
            continue
        finally:
            took = time.monotonic() - begin
            due = time.monotonic() + max(1.0, 20 * (run.workers if joins else 1) * took)
        run.workers = max(1, len(standing.workers))
        run.elsewhere = run_elsewhere(standing)
        if standing.graph and standing.progress() != sent and not run.over.is_set():
            sent = standing.progress()
            run.progress = sent
            run.channel.send({"progress": sent, "root_task_id": str(run.root.task_id)})


def tell_others(run: Any, remote: Any, standing: Any) -> None:
    """How many tasks could run that nobody has taken, nor is about to take here: the agents read it
    (`luigi_run/notes.py`). None where this worker itself is given none: then they wait for resources."""
    ready = 0 if run.worker.idle else max(0, len(standing.runnable) - run.worker.about_to_take)
    if ready != run.left_to_others:
        remote.add_worker(run.request["worker"], {"poltergust": {"state": "works", "ready": ready}})
        run.left_to_others = ready
