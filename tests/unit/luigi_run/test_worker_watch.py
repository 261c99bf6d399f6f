"""Who is taken for gone, and who only looks so. With real processes: tests/faults/test_takeover.py."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from poltergust.base.errors import Temporary
from poltergust.base.reasons import Reason
from poltergust.luigi_run.scheduler import HeardWorker, SchedulerClient
from poltergust.luigi_run.worker_watch import (
    GONE_SECONDS,
    LOOK_SECONDS,
    SETTLE_SECONDS,
    SILENT_SECONDS,
    SPEAK_SECONDS,
    WorkerWatch,
)

RUN = "-0a1b2c3d-"
OWN = f"poltergust-m-instance{RUN}1"
OTHER = f"poltergust-n-instance{RUN}1"
FOREIGN = "poltergust-n-instance-ffffffff-1"
SILENT = 30.0


class Scheduler(SchedulerClient):
    """Answers what a test says, and remembers what it was told."""

    def __init__(self) -> None:
        super().__init__("http://head:8082")
        self.now = 1000.0
        self.seconds = 0.0  # that an answer takes
        self.up = True
        self.workers_heard: dict[str, tuple[float, float, bool]] = {}
        self.calls: list[tuple[str, object]] = []

    def hear(self, worker: str, silent: float = 0.0, started: float = 900.0, enabled: bool = True) -> None:
        self.workers_heard[worker] = (silent, started, enabled)

    def heard(self) -> tuple[HeardWorker, ...]:
        if not self.up:
            raise Temporary(Reason.SCHEDULER_UNREACHABLE, "down")
        self.now += self.seconds
        return tuple(HeardWorker(worker, *seen, now=self.now) for worker, seen in self.workers_heard.items())

    def call(self, method: str, **arguments: object) -> object:
        self.calls.append((method, arguments.get("worker")))
        return {}

    @property
    def disabled(self) -> list[object]:
        return [worker for method, worker in self.calls if method == "disable_worker"]

    @property
    def pinged(self) -> list[object]:
        return [worker for method, worker in self.calls if method == "ping"]


@dataclass
class Process:
    alive: bool = True
    ended: list[str] = field(default_factory=list)

    def lives(self) -> bool:
        return self.alive

    def lost(self, why: str) -> None:
        self.ended.append(why)


class Story:
    def __init__(self) -> None:
        self.scheduler = Scheduler()
        self.process = Process()
        self.freed: list[str] = []
        self.work = {RUN: 3}
        self.watch = WorkerWatch(self.scheduler, lambda: self.work, self.freed.append, clock=lambda: self.scheduler.now)
        self.watch.add(OWN, self.process)

    def look(self, times: int = 1, seconds: float = 1.0) -> None:
        """So many turns, `seconds` apart."""
        for _ in range(times):
            self.scheduler.now += seconds
            self.watch._turn()


@pytest.fixture
def story() -> Story:
    story = Story()
    story.scheduler.hear(OWN)
    story.scheduler.hear(OTHER)
    story.look(int(SETTLE_SECONDS) + 1)
    assert not story.scheduler.calls
    return story


def test_a_silent_worker_of_our_run_is_gone(story: Story) -> None:
    story.scheduler.hear(OTHER, SILENT)
    story.look()
    assert not story.scheduler.disabled, "once is not enough"
    story.look()
    assert story.scheduler.disabled == [OTHER]
    assert story.freed == [RUN]


def test_workers_of_other_runs_are_left_alone(story: Story) -> None:
    story.scheduler.hear(FOREIGN, SILENT)
    story.scheduler.hear(f"somebody-else{RUN}1", SILENT)
    story.look(10)
    assert not story.scheduler.calls


def test_a_node_whose_worker_is_not_the_first_waits_for_the_one_whose_is(story: Story) -> None:
    story.scheduler.hear(f"poltergust-a-instance{RUN}1")
    story.scheduler.hear(OTHER, SILENT)
    story.look(3)
    assert not story.scheduler.disabled
    story.look()
    assert story.scheduler.disabled == [OTHER]


def test_a_slow_scheduler_has_not_heard_of_the_living(story: Story) -> None:
    story.scheduler.seconds = 5.0
    story.scheduler.hear(OTHER, SILENT)
    story.look(10)
    assert not story.scheduler.disabled


def test_a_scheduler_that_was_down_gets_time_to_hear_of_the_living(story: Story) -> None:
    story.scheduler.up = False
    story.look(20)
    story.scheduler.up = True
    story.scheduler.hear(OTHER, SILENT)
    story.look(int(SETTLE_SECONDS))
    assert not story.scheduler.disabled
    story.scheduler.hear(OTHER)
    story.look(5)
    assert not story.scheduler.disabled
    assert not story.process.ended


def test_an_agent_speaks_for_its_silent_worker(story: Story) -> None:
    story.scheduler.hear(OWN, 5.0)
    story.look()
    assert story.scheduler.pinged == [OWN]
    story.process.alive = False
    story.look()
    assert story.scheduler.pinged == [OWN], "not for one that is stopped or dead"


def test_whoever_finds_its_worker_disabled_stops_its_run(story: Story) -> None:
    story.scheduler.hear(OWN, enabled=False)
    story.look()
    assert story.process.ended == ["this node was silent for too long; the other nodes have its tasks"]


def test_whoever_was_forgotten_stops_its_run(story: Story) -> None:
    """Longer silent than the scheduler's own patience, and back: the scheduler knows its worker since a moment ago."""
    story.scheduler.now += 100
    story.scheduler.hear(OWN, started=story.scheduler.now)
    story.look()
    assert story.process.ended


def test_whoever_stood_still_and_was_forgotten_stops_its_run_whatever_the_others_are(story: Story) -> None:
    story.scheduler.workers_heard.clear()
    story.scheduler.now += GONE_SECONDS + 60
    story.scheduler.hear(OWN, started=story.scheduler.now)
    story.look()
    assert story.process.ended


def test_a_scheduler_that_was_started_again_has_forgotten_everybody(story: Story) -> None:
    for _ in range(60):
        story.scheduler.up = False
        story.look()
    story.scheduler.up = True
    for worker in (OWN, OTHER):
        story.scheduler.hear(worker, started=story.scheduler.now)
    story.look(3)
    assert not story.process.ended


def test_whoever_waits_is_told_when_another_node_has_ended(story: Story) -> None:
    del story.scheduler.workers_heard[OTHER]
    story.look()
    assert story.freed == [RUN]
    story.look()
    assert story.freed == [RUN]


def test_without_work_nobody_is_asked(story: Story) -> None:
    story.work = {}
    story.scheduler.up = False
    story.look(5)
    assert not story.scheduler.calls


def test_many_look_rarely_and_each_often_enough_to_speak_in_time(story: Story) -> None:
    assert story.watch._turn() == LOOK_SECONDS
    for number in range(1000):
        story.scheduler.hear(f"poltergust-n{number}-instance{RUN}1")
    pause = story.watch._turn()
    assert pause is not None
    assert pause > LOOK_SECONDS
    assert SPEAK_SECONDS + pause + 1.0 < SILENT_SECONDS, "the scheduler's time is in whole seconds"
