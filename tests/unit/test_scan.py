"""The scan by a clock that the test moves: when it lists, what it says about failures, that it can be stopped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from poltergust.sources.scan import Scan
from poltergust.stores import Unavailable
from tests.emulators.servers import wait_until


class HandClock:
    """Time passes when the test says so. `sleeping` is until when the scan's thread waits, None while it works."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sleeping: float | None = None
        self._condition: threading.Condition | None = None

    def monotonic(self) -> float:
        return self.now

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        assert timeout is not None
        self._condition = condition
        self.sleeping = self.now + timeout
        condition.wait(60)
        self.sleeping = None

    def resting(self) -> float:
        """Wait until the scan rests; for how many seconds more."""
        wait_until(lambda: self.sleeping is not None, "the scan to rest")
        assert self.sleeping is not None
        return self.sleeping - self.now

    def move(self, seconds: float) -> None:
        self.resting()
        assert self._condition is not None
        with self._condition:
            self.now += seconds
            self.sleeping = None
            self._condition.notify_all()
        self.resting()


class Listing:
    """What there is to list: names, or an error to raise after some of them."""

    def __init__(self) -> None:
        self.names = ["a", "b"]
        self.error: Exception | None = None
        self.calls = 0

    def __call__(self) -> Iterator[str]:
        self.calls += 1
        yield from self.names
        if self.error is not None:
            raise self.error


@contextmanager
def scanning(listing: Listing, clock: HandClock, interval: float = 300, jitter: float = 0) -> Iterator[Scan]:
    scan = Scan(listing, interval, clock=clock, draw=lambda: jitter)
    yield scan
    scan.stop()
    assert "poltergust-scan" not in {thread.name for thread in threading.enumerate()}


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def listing() -> Listing:
    return Listing()


def test_scans_at_the_start_and_at_every_interval(clock: HandClock, listing: Listing) -> None:
    with scanning(listing, clock) as scan:
        heard: list[str] = []
        assert scan.last().ended is None
        scan.start(heard.append)
        assert scan.first_done.wait(60)
        assert clock.resting() == 300
        assert heard == ["a", "b"]
        assert (scan.last().scans, scan.last().found, scan.last().ended) == (1, 2, 100)
        assert scan.state().alive
        clock.move(299)
        assert listing.calls == 1
        clock.move(1)
        assert heard == ["a", "b"] * 2
        assert scan.last().scans == 2


def test_it_knows_since_when_the_oldest_config_is_there(clock: HandClock, listing: Listing) -> None:
    with scanning(listing, clock) as scan:
        scan.start(lambda _: None)
        clock.resting()
        began = clock.now
        assert scan.last().oldest == began
        listing.names = ["b", "c"]
        clock.move(clock.resting())
        assert (scan.last().found, scan.last().oldest) == (2, began), "b was there from the start"
        listing.names = ["c"]
        clock.move(clock.resting())
        assert began < (scan.last().oldest or 0.0) < clock.now
        listing.names = []
        clock.move(clock.resting())
        assert (scan.last().found, scan.last().oldest) == (0, None)


def test_jitter_only_shortens(clock: HandClock, listing: Listing) -> None:
    with scanning(listing, clock, jitter=0.5) as scan:
        scan.start(lambda _: None)
        assert clock.resting() == pytest.approx(285)


def test_an_interval_without_names_is_alive_too(clock: HandClock, listing: Listing) -> None:
    listing.names = []
    with scanning(listing, clock) as scan:
        scan.start(lambda _: None)
        clock.resting()
        assert scan.state().alive
        assert scan.state().last_event is None
        assert scan.first_done.is_set()


def test_failures_are_said_once_and_tried_again_ever_later(
    clock: HandClock, listing: Listing, caplog: pytest.LogCaptureFixture
) -> None:
    listing.error = Unavailable("bucket b does not answer; it is tried again")
    with scanning(listing, clock) as scan:
        heard: list[str] = []
        scan.start(heard.append)
        waits = []
        for _ in range(9):
            waits.append(clock.resting())
            clock.move(waits[-1])
        assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        assert not scan.first_done.is_set(), "ready before everything was seen"
        assert scan.state().problem == "bucket b does not answer; it is tried again"
        assert not scan.state().alive
        assert scan.last().failures == 10
        assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
        assert heard[:2] == ["a", "b"], "what was listed before the failure counts"
        listing.error = None
        clock.move(60)
        assert scan.first_done.is_set()
        assert scan.state().alive
        assert scan.state().problem == ""
        assert clock.resting() == 300


def test_retries_are_never_later_than_the_interval(clock: HandClock, listing: Listing) -> None:
    listing.error = Unavailable("down")
    with scanning(listing, clock, interval=3) as scan:
        scan.start(lambda _: None)
        waits = []
        for _ in range(4):
            waits.append(clock.resting())
            clock.move(waits[-1])
        assert waits == [1, 2, 3, 3]


def test_an_unexpected_error_does_not_end_it(
    clock: HandClock, listing: Listing, caplog: pytest.LogCaptureFixture
) -> None:
    listing.error = KeyError("ours")
    with scanning(listing, clock) as scan:
        scan.start(lambda _: None)
        clock.resting()
        assert "KeyError" in scan.state().problem
        assert "Traceback" in caplog.text
        listing.error = None
        clock.move(1)
        assert scan.state().problem == ""


def test_a_request_scans_at_once(clock: HandClock, listing: Listing) -> None:
    with scanning(listing, clock) as scan:
        scan.start(lambda _: None)
        clock.resting()
        scan.request()
        wait_until(lambda: scan.last().scans == 2, "the requested scan")
        assert clock.resting() == 300


def test_a_request_during_a_scan_scans_once_more(clock: HandClock) -> None:
    inside, go = threading.Event(), threading.Event()
    calls = []

    def listing() -> Iterator[str]:
        calls.append(1)
        inside.set()
        assert go.wait(60)
        yield "a"

    scan = Scan(listing, 300, clock=clock, draw=lambda: 0)
    scan.start(lambda _: None)
    assert inside.wait(60)
    for _ in range(3):
        scan.request()
    go.set()
    wait_until(lambda: scan.last().scans == 2, "one more scan")
    assert clock.resting() == 300
    assert len(calls) == 2
    scan.stop()


def test_nothing_is_said_after_stop_although_the_store_hangs(clock: HandClock) -> None:
    inside, go, ended = threading.Event(), threading.Event(), threading.Event()
    heard: list[str] = []

    def listing() -> Iterator[str]:
        try:
            yield "before"
            inside.set()
            assert go.wait(60)
            yield "after"
        finally:
            ended.set()

    scan = Scan(listing, 300, clock=clock)
    scan.start(heard.append)
    assert inside.wait(60)
    scan.stop()
    go.set()
    assert ended.wait(60)
    assert heard == ["before"]
    assert not scan.state().alive


def test_the_real_clock(listing: Listing) -> None:
    scan = Scan(listing, 0.01)
    scan.start(lambda _: None)
    wait_until(lambda: scan.last().scans >= 3, "some scans")
    scan.stop()
    calls = listing.calls
    scan.request()
    assert listing.calls == calls
