"""Relative paths in a pipeline mean what they mean to a person who types `luigi` where the agent was started."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from poltergust.node.settings import Settings, parse_path
from tests.e2e.commands import Commands
from tests.e2e.nodes import Node
from tests.e2e.paths import Folder, Place


@pytest.fixture(scope="module")
def agent(place: Place, shared_cache: Path, scheduler: str) -> Iterator[Node]:
    with place.agent("here", shared_cache, "--scheduler-url", scheduler) as running:
        yield running


def workdir(place: Place, cache: Path) -> Path:
    if isinstance(place, Folder):
        return place.scratch  # the directory in which its agent was started
    return Settings(parse_path(place.path), "here", cache=cache, environ=place.env).working_directory


def put(place: Place, name: str, task: str, number: int) -> None:
    place.put(name, f"  module: relative\n  name: {task}\n  number: {number}\n")


def test_relative_outputs_last_and_configs_share_them(place: Place, agent: Node, shared_cache: Path) -> None:
    for number in (1, 2):
        put(place, f"report-{number}", "Report", number)
        place.until(f"report-{number}", "done")
    folder = workdir(place, shared_cache)
    temporary = set()
    for number in (1, 2):
        common, where = (folder / "data" / f"report-{number}.txt").read_text().splitlines()
        assert common == str(folder)
        temporary.add(where)
    assert len(temporary) == 2, "TMPDIR is each run's own"
    assert not [each for each in temporary if Path(each).exists()], "and goes with it"


def test_what_a_run_leaves_there_configures_no_other(place: Place, agent: Node, shared_cache: Path) -> None:
    for number in (1, 2):
        put(place, f"leaves-{number}", "Leaves", number)
        place.until(f"leaves-{number}", "done")
    folder = workdir(place, shared_cache)
    assert (folder / "luigi.cfg").exists()
    assert [(folder / f"word-{number}.txt").read_text() for number in (1, 2)] == ["as in the source"] * 2


@pytest.mark.parametrize(
    ("directory", "says"),
    [
        ("/", "runs would work in /; add --workdir FOLDER, or start this in another directory"),
        ("/proc", "runs would work in /proc, which cannot be written to: "),
        ("/no/such", "--workdir /no/such: no such folder; make it first: mkdir -p /no/such"),
    ],
)
def test_a_directory_that_runs_cannot_use_is_refused_at_the_start(tmp_path: Path, directory: str, says: str) -> None:
    (tmp_path / "pipeline").mkdir()
    options = ["--cache-dir", "cache", "--workdir", directory]
    said = Commands("pipeline", tmp_path)("listen", *options)
    assert said.code == 2
    (line,) = said.err.splitlines()
    assert says in line
