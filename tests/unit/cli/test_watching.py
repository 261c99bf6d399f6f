"""What a watch tells where it is no terminal's: each change once; and what it does while the storage is away."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import pytest
from rich.text import Text

from poltergust.cli import status
from poltergust.cli.following import _Lines
from poltergust.cli.terminal import make_console
from poltergust.path.reading.waiting import Conclusion, Observation
from poltergust.stores import Unavailable
from tests.unit.cli import sample

AWAY = Unavailable("no good answer")


def look(lines: Mapping[str, str], *, over: bool = False) -> status._Snapshot:
    return status._Snapshot(lambda: f"json {len(lines)}", lambda width, note: Text(note), lines, over=over)


def script(*steps: status._Snapshot | Unavailable) -> Callable[[], status._Snapshot]:
    left = list(steps)

    def now() -> status._Snapshot:
        step = left.pop(0)
        if isinstance(step, Unavailable):
            raise step
        return step

    return now


def watch(*steps: status._Snapshot | Unavailable, as_json: bool = False) -> list[str]:
    file = io.StringIO()
    tell = status._changed(make_console(file), as_json=as_json)
    status._watch(script(*steps), 0.001, tell)
    return file.getvalue().splitlines()


def test_a_line_for_each_change_and_for_what_is_gone() -> None:
    assert watch(
        look({"config a": "queued a", "config b": "running b"}),
        look({"config a": "queued a", "config b": "running b"}),
        AWAY,
        look({"config a": "running a"}),
        look({"config a": "done a"}, over=True),
    ) == ["queued a", "running b", "running a", "gone       config b", "done a"]


def test_json_at_each_look_and_none_while_the_storage_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    watch(look({}), AWAY, look({"config a": "x"}, over=True), as_json=True)
    assert capsys.readouterr().out == "json 0\njson 1\n"


def test_a_storage_that_is_away_from_the_start_is_an_error() -> None:
    with pytest.raises(Unavailable):
        watch(AWAY)


def test_a_wait_tells_each_change_once_with_the_time() -> None:
    said: list[str] = []
    lines = _Lines(said.append)
    queued, running = sample.queued(), sample.running()
    lines(Observation(None, None), 0.0, "")
    lines(Observation(queued, None, sample.nodes()), 1.0, "")
    lines(Observation(queued, None, sample.nodes()), 2.0, "")
    lines(Observation(running, None, sample.nodes()), 65.0, "")
    lines(Observation(running, None, sample.nodes()), 200.0, "the storage does not answer")
    lines(Observation(sample.done(), Conclusion.DONE), 201.0, "")  # the last line is somebody else's
    assert said == [
        "   1s  queued     no node has it yet",
        "  65s  running    node-1, node-2: 12 of 40 tasks done, 3 running, 24 pending, 1 failed",
        "   3m  running    the storage does not answer",
    ]
