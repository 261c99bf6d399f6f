"""status, history, diff and logs when scheduler and nodes are dead, and again from a copy in another folder."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commands import Commands
from tests.e2e.paths import SIDE, Place
from tests.emulators.luigid import luigid
from tests.emulators.servers import wait_until

TASK = "  module: forty\n  name: Forty\n  workers: {workers}\n"
NAMED = "Leaf(number=13)"


@dataclass(frozen=True)
class Left:
    """What is left of two runs: commands on the path itself, and on a copy of its files."""

    original: Commands
    copied: Commands


@pytest.fixture(scope="module")
def left(place: Place, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """Forty tasks ran on two nodes and failed, and did again with another config and another environment file."""
    folder = tmp_path_factory.mktemp("history")
    everything_once(place, shared_cache, folder / "first", workers=2)
    place.environment("plain", "dependencies: []\nvariables: {COLOUR: blue}\n")
    everything_once(place, shared_cache, folder / "second", workers=1)
    copy = folder / "elsewhere"
    for key in (*place.keys("pipeline/"), *place.keys(SIDE)):
        target = copy / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(place.read(key) or b"")
    return Left(Commands(place.path, folder, place.env), Commands(str(copy / "pipeline"), folder))


def everything_once(place: Place, cache: Path, folder: Path, *, workers: int) -> None:
    """One run to its end, by two nodes and a scheduler that do not live on: what it knew is gone."""
    folder.mkdir()
    with luigid(folder) as scheduler:
        options = ["--retries", "1", "--scheduler-url", scheduler]
        with (
            place.agent("one", cache, *options, SHARED=str(folder)) as one,
            place.agent("two", cache, *options, SHARED=str(folder)) as two,
        ):
            place.put("forty", TASK.format(workers=workers))
            place.until("forty", "error")
            wait_until(  # the one that did not rename writes that down a moment later
                lambda: [record["state"] for record in place.records("forty").values()] == ["ended", "ended"],
                "both nodes to have ended the run",
            )
            for node in (one, two):
                node.signal(signal.SIGKILL)
                node.wait()


def document(commands: Commands, *arguments: str) -> dict[str, Any]:
    said = commands(*arguments, "--json")
    assert said.code == 0, said.err
    return dict(json.loads(said.out))


def test_every_task_is_told_from_the_files_alone(left: Left) -> None:
    seen = document(left.original, "status", "forty")
    states = {task["name"]: task["state"] for task in seen["tasks"]}
    assert len(states) == 40
    assert sorted(set(states.values())) == ["done", "failed", "pending"]
    assert {task["node"] for task in seen["tasks"] if task["state"] == "done"} == {"one", "two"}
    copied = document(left.copied, "status", "forty")
    for key in ("state", "generation", "reason", "text", "took", "nodes", "tasks"):
        assert copied[key] == seen[key], key

    screen = left.copied("status", "forty").out
    rows = [line for line in screen.splitlines() if "Leaf(number=" in line]
    assert rows[0].startswith("failed  Leaf(number=13")
    assert "ValueError: this one never works" in screen
    assert "and 20 more" in screen
    assert len(left.copied("status", "forty", "--all").out.splitlines()) > len(screen.splitlines())


def test_the_history_has_the_latest_first_and_says_what_changed(left: Left) -> None:
    seen = document(left.original, "history", "forty")
    latest, first = seen["runs"]
    assert latest["started"] > first["started"]
    assert (latest["outcome"], first["outcome"]) == ("error", "error")
    assert latest["changed"] == ["config", "environment file"]
    assert first["changed"] == []
    assert set(latest["nodes"]) == {"one", "two"}
    assert latest["progress"]["failed"] == 1
    assert document(left.copied, "history", "forty") == seen
    assert len(document(left.copied, "history", "forty", "--limit", "1")["runs"]) == 1
    cut = left.copied("history", "forty", "--limit", "1").out.splitlines()[-1]
    assert cut == f"and earlier ones; to see them: poltergust history forty --path {left.copied.path} --limit 10"
    screen = left.copied("history", "forty").out.splitlines()
    assert screen[2].split()[0] == "1"
    assert screen[2].endswith("config, environment file")


def test_what_differs_between_the_two(left: Left) -> None:
    seen = document(left.original, "diff", "forty")
    assert "+  workers: 1" in seen["texts"]["config"]["diff"]
    assert any("COLOUR" in line for line in seen["texts"]["environment"]["diff"])
    assert seen["texts"]["lock"] == {"known": True, "diff": []}
    (leaf,) = seen["families"]
    assert (leaf["family"], leaf["before"]["tasks"], leaf["after"]["tasks"]) == ("Leaf", 39, 39)
    assert leaf["before"]["attempts"] == 41
    assert document(left.copied, "diff", "forty") == seen
    latest, first = document(left.copied, "history", "forty")["runs"]
    assert document(left.copied, "diff", "forty", first["generation"], latest["generation"]) == seen
    assert "installed versions: the same" in left.copied("diff", "forty").out
    unknown = left.copied("diff", "forty", "7")
    assert unknown.code == 1
    assert "forty has no run number 7, 2 runs left records" in unknown.err


def test_the_log_of_one_task_and_the_errors(left: Left) -> None:
    seen = left.original("logs", "forty", "--task", NAMED)
    assert seen.code == 0, seen.err
    described, *lines = seen.out.splitlines()
    assert described.startswith("Leaf(number=13, access_key=[redacted]): failed on ")
    assert "2 attempts" in described
    assert any(line.endswith("ValueError: this one never works") for line in lines)
    assert not any("running   Leaf(number=12)" in line for line in lines)
    assert left.copied("logs", "forty", "--task", NAMED).out == seen.out

    errors = left.copied("logs", "forty", "--errors").out
    assert "RuntimeError: the first attempt fails" in errors
    assert "done      Leaf" not in errors

    unknown = left.copied("logs", "forty", "--task", "Nobody")
    assert unknown.code == 1
    assert "no task of that run of forty is called Nobody" in unknown.err


def test_an_earlier_run_in_full(left: Left) -> None:
    latest, first = document(left.copied, "history", "forty")["runs"]
    seen = document(left.copied, "status", "forty", "--generation", "2")
    assert {key: seen[key] for key in first} == first
    assert len(seen["tasks"]) == 40
    assert {run["node"] for run in seen["runs"]} == {"one", "two"}
    assert document(left.original, "status", "forty", "--generation", "2")["tasks"] == seen["tasks"]
    assert document(left.copied, "status", "forty", "--generation", first["generation"]) == seen
    newest = document(left.copied, "status", "forty", "--generation", "1")
    assert (newest["generation"], newest["changed"]) == (latest["generation"], latest["changed"])
    assert newest["tasks"] == document(left.copied, "status", "forty")["tasks"]

    screen = left.copied("status", "forty", "--generation", "2").out
    assert screen.startswith("forty  error  ")
    assert "ValueError: this one never works" in screen
    assert f"poltergust logs forty --path {left.copied.path} --generation {first['generation']}\n" in screen

    logs = left.copied("logs", "forty", "--generation", "2").out
    assert logs == left.copied("logs", "forty", "--generation", first["generation"]).out
    assert logs != left.copied("logs", "forty").out
    assert left.copied("logs", "forty", "--generation", "1").out == left.copied("logs", "forty").out
    described = left.copied("logs", "forty", "--generation", "2", "--task", NAMED).out.splitlines()[0]
    assert described.startswith("Leaf(number=13, access_key=[redacted]): failed on ")

    there = f"2 runs left records: 1 ({latest['generation']}), 2 ({first['generation']}); see: "
    for command in ("status", "logs"):
        for wrong, what in (("3", "no run number 3"), ("77777", "no run of generation 77777")):
            unknown = left.copied(command, "forty", "--generation", wrong)
            assert (unknown.code, unknown.out) == (1, "")
            assert f"forty has {what}, {there}" in unknown.err
    assert left.copied("status", "--generation", "2").code == 2


def test_all_that_failed_are_put_back_at_once(left: Left) -> None:
    assert left.copied("retry").code == 2
    assert left.copied("retry", "other*").code == 1
    again = document(left.copied, "retry", "fort*", "--since", "1h")
    assert [one["name"] for one in again["configs"]] == ["forty"]
    assert again["refused"] == []
    assert document(left.copied, "status", "forty")["state"] == "queued"
    assert left.copied("retry", "--failed").code == 1
