"""How often a costly call is made, and that the spared scheduler answers as Luigi's own does."""

# mypy: allow-untyped-calls
from __future__ import annotations

import random
from typing import Any

import pytest
from luigi.scheduler import Scheduler

from poltergust.luigi_run.spared_scheduler import SparedScheduler, Sparing


class Work:
    """Takes `seconds` each time."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now, self.made = seconds, 0.0, 0

    def __call__(self) -> None:
        self.now += self.seconds
        self.made += 1


def calls_in_a_minute(work: Work, every: float) -> int:
    sparing = Sparing(work, share=0.1, longest=2.0, clock=lambda: work.now)
    while work.now < 60.0:
        sparing()
        work.now += every
    return work.made


def test_what_costs_little_is_done_each_time() -> None:
    assert calls_in_a_minute(Work(0.0), every=0.1) >= 600


def test_what_costs_much_takes_its_share_of_the_time() -> None:
    assert 50 <= calls_in_a_minute(Work(0.1), every=0.01) <= 60


def test_it_is_never_left_undone_for_long() -> None:
    assert calls_in_a_minute(Work(1.0), every=0.01) >= 19


def some_graph(scheduler: Any, seed: int) -> None:
    """Sixty tasks of two workers, each requiring some of those before it; some fail, some are disabled, some run."""
    chance = random.Random(seed)
    for number in range(60):
        below = [f"task-{each}" for each in range(number) if chance.random() < 0.05]
        policy = {"retry_count": 2, "disable_window": 1e9}
        about = {"task_id": f"task-{number}", "worker": chance.choice("ab"), "retry_policy_dict": policy}
        scheduler.add_task(status="PENDING", deps=below, family="Task", **about)
        for _ in range(chance.choice((0, 0, 0, 1, 1 + seed % 2))):  # a second failure disables
            scheduler.add_task(status="FAILED", **about)
    for _ in range(5):
        scheduler.get_work(worker="a")


@pytest.mark.parametrize("seed", range(6))
def test_what_is_pending_is_counted_as_luigi_counts_it(seed: int) -> None:
    luigis, spared = Scheduler(), SparedScheduler()
    for each in (luigis, spared):
        some_graph(each, seed)
    disabled = len(luigis.task_list(status="DISABLED"))
    assert (disabled > 0) == bool(seed % 2), "both kinds of graph are compared"
    for worker in ("a", "b"):
        assert without_times(spared.count_pending(worker)) == without_times(luigis.count_pending(worker))
    above = {"status": "PENDING", "upstream_status": "UPSTREAM_DISABLED"}
    assert spared.task_list(**above).keys() == luigis.task_list(**above).keys()


def without_times(counts: Any) -> Any:
    running = sorted(each["task_id"] for each in counts.pop("running_tasks"))
    return counts, running
