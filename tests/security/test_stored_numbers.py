"""Numbers that no node writes, in what lies beside the path: JSON may hold NaN, infinities and any number of digits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from poltergust.base.progress import Progress
from poltergust.path.records import PhaseTimings, RunEnvironment, RunRecord, State
from tests.dashboard.serving import Site
from tests.unit.cli.calling import call

NUMBERS = ("NaN", "-Infinity", "1" + "0" * 400, "1e17")
TASKS: list[dict[str, object]] = [
    {"event": "process", "worker": "w", "format": 1},
    {"event": "announced", "task": "A_1", "family": "A", "params": {}},
    {"event": "started", "task": "A_1", "time": 5.0},
    {"event": "ended", "task": "A_1", "time": 7.0, "status": "DONE"},
]


def places(value: object) -> Iterator[tuple[object, ...]]:
    """Where in a JSON value a number stands."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from ((key, *place) for place in places(one))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from ((index, *place) for place in places(one))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield ()


def lies(value: object, number: str) -> Iterator[str]:
    """The JSON of `value` again and again, each time with `number` in the place of another of its numbers."""
    for *way, last in places(value):
        copy = holder = json.loads(json.dumps(value))
        for key in way:
            holder = holder[key]
        holder[last] = "@"
        yield json.dumps(copy).replace('"@"', number)


def plant(site: Site, number: str) -> list[str]:
    """A config for each record and each tasks' file with such a number, and nodes with such heartbeats."""
    names: list[str] = []
    for state in (State.RUNNING, State.RETRYING, State.ENDED):
        record = RunRecord(
            "x",
            "1",
            "node-1",
            state,
            attempts=2,
            attempts_made=2,
            started=1.0,
            ended=3.0,
            retry_at=2.0,
            timings=PhaseTimings(1.0, 2.0),
            environment=RunEnvironment("e.yaml", "key", "3.12", "lock", size=1),
            progress=Progress(1, 1, 1, 1),
        )
        for text in lies({**record.content(), "outcome": None}, number):
            names.append(f"{state.value}-{len(names)}")
            generation = site.config(names[-1])
            put(site.state.path.run(names[-1], generation, "node-1"), text)
    for text in lies(TASKS, number):
        names.append(f"tasks-{len(names)}")
        generation = site.config(names[-1])
        site.record(RunRecord(names[-1], generation, "node-1", State.RUNNING, started=1.0))
        put(site.state.path.tasks(names[-1], generation, "node-1"), text.replace("}, {", "}\n{").strip("[]") + "\n")
    site.heartbeat("node-1", slots=2, waiting=1, since=1.0)
    heartbeat = json.loads(Path(site.state.path.node("node-1")).read_bytes())
    for index, text in enumerate(lies(heartbeat, number)):
        put(site.state.path.node(f"liar-{index}"), text)
    return names


def put(url: str, text: str) -> None:
    Path(url).parent.mkdir(parents=True, exist_ok=True)
    Path(url).write_text(text)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:12])
def test_no_number_breaks_a_page_or_a_command(tmp_path: Path, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    site = Site(tmp_path)
    names = plant(site, number)
    whole = ["/", "/nodes", "/environments", "/api/overview", "/api/nodes", "/api/environments"]
    each = ["/runs/{}", "/runs/{}?view=timeline", "/runs/{}?view=nodes", "/history/{}", "/api/runs/{}"]
    with site.served() as page:
        for address in [*whole, *(one.format(name) for name in names for one in each)]:
            answer = page.get(address)
            assert answer.status == 200, address
            if address.startswith("/api/"):
                json.loads(answer.text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    for command in (["status"], *([word, name] for word in ("status", "history") for name in names[::7])):
        assert "Traceback" not in call(capsys, *command, "--path", str(tmp_path / "pipeline")).err, command


def test_a_config_that_no_node_knows_has_a_history_all_the_same(tmp_path: Path) -> None:
    """Nor does one whose only record is damaged."""
    site = Site(tmp_path)
    generation = site.config("x")
    put(site.state.path.run("x", generation, "node-1"), "{}")
    site.config("y")
    with site.served() as page:
        assert [page.get(f"/{kind}/{name}").status for name in "xy" for kind in ("history", "api/history")] == [200] * 4
