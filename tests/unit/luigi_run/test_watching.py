"""How a process that joined learns how its run stands: from another worker's note, else from the graph. The scheduler
is Luigi's own."""

# mypy: allow-untyped-calls
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from poltergust.luigi_run.inside.watching import heard_of_others, look

ROOT = "Root__99914b932b"


class Remote:
    """Luigi's scheduler by the names that a worker has for its calls."""

    def __init__(self) -> None:
        from luigi.scheduler import Scheduler

        self.scheduler: Any = Scheduler()

    def work(self, worker: str) -> Any:
        """A run of which that worker is the process, as the watching thread sees it."""
        self.add_worker(worker, {"first_task": ROOT})
        return SimpleNamespace(
            root=SimpleNamespace(task_id=ROOT),
            request={"worker": worker},
            worker=SimpleNamespace(idle=False, about_to_take=1),
            workers=1,
            elsewhere="",
            told=True,
            said={},
        )

    def add_worker(self, worker: str, info: Any) -> None:
        self.scheduler.add_worker(worker, info)

    def worker_list(self, include_running: bool) -> Any:
        return self.scheduler.worker_list(include_running=include_running)

    def graph(self, root: str) -> Any:
        return self.scheduler.dep_graph(root, include_done=True)

    def note(self, worker: str) -> Any:
        return next(each.get("poltergust") for each in self.worker_list(False) if each["name"] == worker)


@pytest.fixture
def remote() -> Remote:
    """A root and four tasks below it, all announced by the first worker."""
    remote = Remote()
    below = [f"Leaf-{number}" for number in range(4)]
    for task in below:
        remote.scheduler.add_task(worker="first", task_id=task, status="PENDING", family="Leaf")
    remote.scheduler.add_task(worker="first", task_id=ROOT, status="PENDING", deps=below, family="Root")
    return remote


def test_who_looked_tells_who_joined(remote: Remote) -> None:
    first, joined = remote.work("first"), remote.work("joined")
    assert heard_of_others(joined, remote) == {}, "nobody has told anything yet"
    counts = look(first, remote)
    assert counts == {"done": 0, "running": 0, "failed": 0, "pending": 5}
    assert remote.note("first") == {"state": "works", "ready": 3, "counts": counts}
    assert heard_of_others(joined, remote) == counts
    assert joined.workers == 2
    assert remote.note("joined") == {"state": "works", "ready": 0}, "the agents count it as one that has its work"
    assert heard_of_others(first, remote) == {}, "what was heard is not told on"


def test_who_is_gone_is_not_heard(remote: Remote) -> None:
    first, joined = remote.work("first"), remote.work("joined")
    look(first, remote)
    remote.scheduler._state.get_worker("first").last_active -= 60
    assert heard_of_others(joined, remote) == {}
    look(first, remote)
    remote.scheduler.disable_worker("first")
    assert heard_of_others(joined, remote) == {}


@pytest.mark.parametrize(
    "note",
    [
        None,
        "works",
        {"state": "works", "counts": []},
        {"state": "works", "counts": {}},
        {"state": "works", "counts": {"done": 1, "running": "x", "failed": 0, "pending": 0}},
        {"state": "works", "counts": {"done": True, "running": 0, "failed": 0, "pending": 0}},
        {"state": "works", "counts": {"done": -1, "running": 0, "failed": 0, "pending": 0}},
        {"state": "works", "counts": {"done": 0, "running": 0, "failed": 0, "pending": 0}},
        {"state": "ended", "counts": {"done": 1, "running": 0, "failed": 0, "pending": 0}},
    ],
)
def test_a_note_that_says_no_counts_is_not_heard(remote: Remote, note: object) -> None:
    joined = remote.work("joined")
    remote.work("other")
    remote.add_worker("other", {"poltergust": note})
    remote.add_worker("a-stranger", {})
    assert heard_of_others(joined, remote) == {}


def test_only_who_has_the_same_root_is_heard(remote: Remote) -> None:
    look(remote.work("first"), remote)
    remote.add_worker("first", {"first_task": "Root__another"})
    assert heard_of_others(remote.work("joined"), remote) == {}
