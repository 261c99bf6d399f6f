"""The background loop and what becomes of a thread that an exception ends."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

import pytest

from poltergust.base import loops
from poltergust.base.backoff import Backoff
from poltergust.base.loops import Loop, dead_threads, report_dead_threads
from tests.emulators.servers import wait_until


class Turns:
    """What a loop does in these tests: each turn ends with the next of `results`, or rests for ever."""

    def __init__(self, *results: float | Exception | None) -> None:
        self.results = list(results)
        self.count = 0

    def __call__(self) -> float | None:
        self.count += 1
        result = self.results.pop(0) if self.results else math.inf
        if isinstance(result, Exception):
            raise result
        return result

    def made(self, count: int) -> Callable[[], bool]:
        return lambda: self.count == count


def test_turns_follow_each_other_until_one_is_the_last() -> None:
    turns, ended = Turns(0.0, 0.001, None), threading.Event()
    loop = Loop("test", turns, ended=ended.set)
    loop.start()
    assert loop.join(60)
    assert turns.count == 3
    assert ended.is_set()
    assert not loop.alive


def test_a_loop_at_rest_is_woken_and_stopped_at_once() -> None:
    turns = Turns()
    loop = Loop("test", turns)
    loop.start()
    wait_until(turns.made(1), "the first turn")
    loop.wake()
    wait_until(turns.made(2), "the turn it was woken for")
    assert loop.alive
    assert loop.stop(60)
    loop.wake()
    assert turns.count == 2


def test_a_wake_during_a_turn_makes_one_more() -> None:
    inside, go_on, count = threading.Event(), threading.Event(), []

    def turn() -> float:
        count.append(1)
        inside.set()
        assert go_on.wait(60)
        return math.inf

    loop = Loop("test", turn)
    loop.start()
    assert inside.wait(60)
    for _ in range(3):
        loop.wake()
    go_on.set()
    wait_until(lambda: len(count) == 2, "one more turn")
    loop.stop()
    assert len(count) == 2


def test_the_first_turn_can_be_later_and_a_stop_before_it_makes_none() -> None:
    turns = Turns()
    loop = Loop("test", turns)
    loop.start(first_delay=3600)
    assert loop.stop(60)
    assert turns.count == 0


def test_a_loop_that_never_started_is_stopped_all_the_same() -> None:
    assert Loop("test", Turns()).stop()


def test_failures_are_handed_over_and_followed_by_growing_delays_until_a_turn_works() -> None:
    backoff = Backoff(0.001, 0.002, jitter=0)
    failures: list[Exception] = []
    turns = Turns(ValueError("one"), KeyError("two"), 0.0)
    loop = Loop("test", turns, failed=failures.append, backoff=backoff)
    loop.start()
    wait_until(turns.made(4), "the turn after the one that worked")
    loop.stop()
    assert [type(failure) for failure in failures] == [ValueError, KeyError]
    assert backoff.failures() == 0


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "_dead", {})
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    report_dead_threads()


@pytest.mark.usefixtures("reported")
def test_a_thread_that_dies_is_named_once_in_the_log_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "poltergust")
    for _ in range(2):
        loop = Loop("test", Turns(KeyError("a\nb")))
        loop.start()
        assert loop.join(60)
    assert dead_threads() == ("poltergust-test (KeyError)",)
    (record,) = caplog.records
    assert record.getMessage().startswith("the thread poltergust-test died (KeyError: ")
    assert "Traceback" not in caplog.text


@pytest.mark.usefixtures("reported")
def test_a_librarys_thread_is_logged_and_does_not_make_the_node_unhealthy(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("theirs")

    thread = threading.Thread(target=fail, name="Thread-Theirs")
    thread.start()
    thread.join()
    assert dead_threads() == ()
    assert "the thread Thread-Theirs of a library died (ValueError: theirs)" in caplog.text
    ending = threading.Thread(target=lambda: exec("raise SystemExit"), name="poltergust-ending")
    ending.start()
    ending.join()
    assert dead_threads() == ()
