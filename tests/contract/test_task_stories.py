"""What tasks did, written by several nodes and read back on every store: while the run goes on and afterwards, and with
what other versions and other people leave there."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from poltergust.base.redaction import MASK, Redactor
from poltergust.path.layout import WatchedPath
from poltergust.path.state import PathState
from poltergust.path.tasks import TaskLog, TaskState, TaskStory
from tests.contract.conftest import Place
from tests.emulators.servers import wait_until
from tests.task_events import announced, ended, started

NAME, GENERATION = "sub/ünï x", "1700000000000001"
SECRET = "correct-horse-battery"
HOSTILE = '</script>\x1b]0;owned\x07\u202e\u200b\ud800\x00\nevent: {"event": "ended"}'


@pytest.fixture
def path(place: Place) -> WatchedPath:
    return WatchedPath(place.root)


def node(place: Place, path: WatchedPath, name: str) -> PathState:
    return PathState(place.another(), path, name, "1")


@contextlib.contextmanager
def task_log(state: PathState) -> Iterator[TaskLog]:
    """That node's, after the start of a Luigi process."""
    with state.task_log(NAME, GENERATION, redact=Redactor(({"API_TOKEN": SECRET},))) as log:
        log.process(f"worker-of-{state.node}")
        yield log
    assert state.background.flush(60)


def told(place: Place, path: WatchedPath) -> dict[str, TaskStory]:
    """By somebody who knows nothing but the path."""
    reader = PathState(place.another(), path).reader()
    return {story.task_id: story for story in reader.tasks(NAME, GENERATION, ())}


def test_of_two_nodes_and_a_second_life(place: Place, path: WatchedPath) -> None:
    one, two = node(place, path, "one"), node(place, path, "two")
    with task_log(one) as first, task_log(two) as second:
        first.events([announced("a"), announced("b"), announced("c"), started("a", 10.0), started("b", 10.0)])
        second.events([announced("c"), started("c", 11.0), ended("c", 12.0, "FAILED", f"ValueError: {SECRET}")])
        first.events([ended("a", 12.5)])
        wait_until(lambda: len(told(place, path)) == 3 and told(place, path)["a"].seconds == 2.5, "both to be written")
        wait_until(
            lambda: told(place, path)["c"].state is TaskState.FAILED, "what failed to be seen while the run goes on"
        )
        assert told(place, path)["b"].state is TaskState.RUNNING
    with task_log(node(place, path, "one")) as again:  # the agent was started again
        again.events([started("b", 20.0), ended("b", 21.0), started("c", 21.0), ended("c", 22.0)])
    found = told(place, path)
    assert {name: (each.state, each.node, each.attempts) for name, each in found.items()} == {
        "a": (TaskState.DONE, "one", 1),
        "b": (TaskState.DONE, "one", 2),
        "c": (TaskState.DONE, "one", 2),
    }
    assert found["c"].failure == f"ValueError: {MASK}"


def test_hostile_parameters_and_exceptions_come_back_as_text(place: Place, path: WatchedPath) -> None:
    with task_log(node(place, path, "one")) as log:
        log.events(
            [
                announced("a", params={"n": HOSTILE}),
                started("a", 1.0),
                ended("a", 2.0, "FAILED", HOSTILE * 1000),
                "no event",
                5,
            ]
        )
        log.events([{"event": "announced", "task": "b", "family": ["Part"], "params": [1], "deps": {"x": 1}}])
    found = told(place, path)
    assert set(found) == {"a", "b"}
    assert found["a"].state is TaskState.FAILED
    assert found["a"].failure.startswith("</script>")
    assert len(found["a"].failure) <= 2000
    assert (found["b"].family, found["b"].parameters) == ("", {})


def test_what_other_versions_and_strangers_write_is_passed_over(place: Place, path: WatchedPath) -> None:
    state = node(place, path, "one")
    with task_log(state) as log:
        log.events([announced("a"), started("a", 1.0), ended("a", 2.0)])
    url = path.tasks(NAME, GENERATION, "one")
    lines = [
        {"event": "process", "worker": "w", "format": 2, "more": {"deep": [1]}},
        {"event": "paused", "task": "a", "time": 3.0},
        {**started("b", 4.0), "memory": 17},
        {**ended("b", 5.0), "status": 7},
    ]
    place.store.append(url, b"".join(json.dumps(each).encode() + b"\n" for each in lines))
    place.store.append(url, b"\xff\xfe\n[1]\n" + b'{"event": "announced", "task": "torn')
    place.store.write(path.tasks(NAME, GENERATION, "stranger"), b'{"a":' * 100_000)
    found = told(place, path)
    assert found["a"].state is TaskState.DONE
    assert found["b"].state is TaskState.PENDING


def test_none_of_thousands_of_events_is_missing(place: Place, path: WatchedPath) -> None:
    with task_log(node(place, path, "one")) as log:
        for number in range(3000):
            log.events([announced(f"t{number}"), started(f"t{number}", 1.0), ended(f"t{number}", 2.0)])
    found = told(place, path)
    assert len(found) == 3000
    assert all(each.state is TaskState.DONE for each in found.values())
