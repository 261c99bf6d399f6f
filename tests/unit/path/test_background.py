"""Storage calls in the background: in order for each object, side by side for several, the last of those that nobody
waits for, and all of them at a clean end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from poltergust.path import background as background_module
from poltergust.path.background import Background
from poltergust.stores import Unavailable

LIMIT_SECONDS = 60.0


class Calls:
    """Calls that say when they began, and end when they are let go."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self._changed = threading.Condition()
        self._open = threading.Event()

    def held(self, name: str) -> Callable[[], str]:
        def call() -> str:
            self.note(name)
            assert self._open.wait(LIMIT_SECONDS)
            return name

        return call

    def noted(self, name: str) -> Callable[[], None]:
        return lambda: self.note(name)

    def note(self, name: str) -> None:
        with self._changed:
            self.began.append(name)
            self._changed.notify_all()

    def wait_for(self, *names: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: sorted(self.began) == sorted(names), LIMIT_SECONDS), self.began

    def let_go(self) -> None:
        self._open.set()


@pytest.fixture
def calls() -> Iterator[Calls]:
    made = Calls()
    yield made
    made.let_go()


def test_calls_for_several_objects_are_made_side_by_side(calls: Calls) -> None:
    background = Background()
    begun = [background.begin(name, calls.held(name)) for name in "abc"]
    calls.wait_for("a", "b", "c")
    calls.let_go()
    assert [each.result() for each in begun] == ["a", "b", "c"]


def test_calls_for_one_object_are_made_one_after_the_other_in_order(calls: Calls) -> None:
    background = Background()
    first = background.begin("x", calls.held("first"))
    background.put("x", calls.noted("second"), owner="o", delay=3600.0)
    third = background.begin("x", calls.held("third"))
    calls.wait_for("first")
    calls.let_go()
    assert (first.result(), third.result()) == ("first", "third")
    assert calls.began == ["first", "second", "third"], "what was put is not waited for, and not overtaken"


def test_of_those_that_nobody_waits_for_the_last_is_made(calls: Calls) -> None:
    background = Background()
    background.begin("x", calls.held("running"))
    calls.wait_for("running")
    for number in range(5):
        background.put("x", calls.noted(f"state {number}"), owner="record")
    background.put("x", calls.noted("of somebody else"), owner="mark")
    calls.let_go()
    assert background.flush(LIMIT_SECONDS)
    assert calls.began == ["running", "state 4", "of somebody else"]


def test_one_that_is_waited_for_takes_the_place_of_those_that_are_not(calls: Calls) -> None:
    background = Background()
    background.put("x", calls.noted("older"), owner="record", delay=3600.0)
    background.begin("x", calls.noted("newer"), instead_of="record").result()
    assert background.flush(LIMIT_SECONDS)
    assert calls.began == ["newer"]


def test_between_two_writes_of_an_object_there_is_time_but_not_at_the_end(calls: Calls) -> None:
    now = [0.0]
    background = Background(spacing=1.0, clock=lambda: now[0])
    background.begin("x", calls.noted("first")).result()
    background.put("x", calls.noted("second"), owner="o")
    background.begin("y", lambda: None).result()
    assert calls.began == ["first"]
    now[0] = 1.0
    background.begin("y", lambda: None).result()  # somebody comes by
    calls.wait_for("first", "second")
    background.put("x", calls.noted("third"), owner="o")
    assert background.flush(LIMIT_SECONDS)
    assert calls.began == ["first", "second", "third"]


def test_one_that_is_due_sooner_than_those_before_is_made_then(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_module, "IDLE_SECONDS", 3600.0)
    background = Background()
    background.begin("x", calls.noted("now")).result()
    for number in range(3):  # threads that wait for what is due much later
        background.put(f"late {number}", calls.noted("late"), owner="o", delay=3600.0)
    background.put("soon", calls.noted("soon"), owner="o", delay=0.2)
    background.put("sooner", calls.noted("sooner"), owner="o", delay=0.1)
    calls.wait_for("now", "sooner", "soon")
    assert calls.began == ["now", "sooner", "soon"]
    background.drop("late 0")
    assert background.flush(LIMIT_SECONDS)
    assert calls.began[3:] == ["late", "late"]


def test_one_may_come_after_all_for_another_object(calls: Calls) -> None:
    background = Background()
    background.put("log", calls.held("log"), owner="log")
    calls.wait_for("log")
    background.put("record", calls.noted("record"), owner="record", after=["log", "nothing of that name"])
    background.begin("y", lambda: None).result()
    assert calls.began == ["log"]
    calls.let_go()
    assert background.flush(LIMIT_SECONDS)
    assert calls.began == ["log", "record"]


def test_what_is_not_wanted_any_more_is_not_made(calls: Calls) -> None:
    background = Background()
    background.put("x", calls.noted("mark"), owner="o", delay=3600.0)
    background.drop("x")
    assert background.flush(LIMIT_SECONDS)
    assert calls.began == []


def test_what_a_call_raises_is_its_askers_to_hear_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    background = Background()
    with pytest.raises(ZeroDivisionError):
        background.begin("x", lambda: 1 / 0).result()
    background.put("x", lambda: 1 / 0, owner="o")
    assert background.flush(LIMIT_SECONDS)
    assert caplog.text.count("please report this") == 1
    assert background.begin("x", lambda: 5).result() == 5


def test_a_flush_is_bounded(calls: Calls) -> None:
    background = Background()
    background.put("x", calls.held("stalls"), owner="o")
    calls.wait_for("stalls")
    assert not background.flush(0.01)


def test_who_waits_goes_before_what_nobody_waits_for(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_module, "MAX_THREADS", 1)
    background = Background()
    background.put("log", calls.held("log"), owner="o")
    calls.wait_for("log")
    background.put("one more", calls.noted("put"), owner="o")
    background.begin("asked", calls.noted("begun"))
    calls.let_go()
    assert background.flush(LIMIT_SECONDS)
    assert calls.began == ["log", "begun", "put"]


class FewThreads(Background):
    """As in a container in which nothing can be started any more, while `room` is 0."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def start(self, work: Callable[[], None]) -> None:
        if self.room == 0:
            raise RuntimeError("can't start new thread")
        self.room -= 1
        super().start(work)


def test_a_thread_that_cannot_be_started_leaves_its_calls_to_those_there_are(calls: Calls) -> None:
    background = FewThreads(room=1)
    first = background.begin("a", calls.held("a"))
    calls.wait_for("a")
    others = [background.begin(name, calls.noted(name)) for name in "bcd"]
    calls.let_go()
    assert first.result() == "a"
    assert background.flush(LIMIT_SECONDS)
    assert [each.result() for each in others] == [None] * 3


def test_while_no_thread_can_be_started_nobody_waits_for_an_answer(calls: Calls) -> None:
    background = FewThreads(room=0)
    for _ in range(2 * background_module.MAX_THREADS):
        with pytest.raises(Unavailable, match="gs://b/x: this node can start no thread"):
            background.begin("gs://b/x", calls.noted("asked in vain"))
    background.put("log", calls.noted("put"), owner="o")
    assert not background.flush(0.01)
    background.room = 1
    assert background.begin("gs://b/x", calls.held("asked")) is not None
    calls.let_go()
    assert background.flush(LIMIT_SECONDS)
    assert sorted(calls.began) == ["asked", "put"]
