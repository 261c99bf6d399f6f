"""Luigi starts on one node first, and on others as there are tasks for them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from poltergust.runs.live_nodes import FRESH_SECONDS
from tests.e2e.nodes import Node
from tests.e2e.paths import Place
from tests.emulators.servers import wait_until

ONCE = "  module: outcomes\n  name: Once\n  target: {0}/{1}.target\n  mark: {0}/{1}.mark\n"
WIDE = "  module: wide\n  name: Wide\n  folder: {0}\n  leaves: {1}\n"
DATA = "  module: outcomes\n  name: NeedsData\n  target: {0}/data.target\n  data: {0}/data.data\n"
HANGS = "  module: hangs\n  name: Touch\n  target: {0}/{1}.target\nvariables:\n  HANGING: {0}/{1}.hanging\n"


@contextlib.contextmanager
def agents(place: Place, cache: Path, scheduler: str, names: Sequence[str]) -> Iterator[dict[str, Node]]:
    """Nodes that know each other: what one knows of the others may be ten seconds old."""
    with contextlib.ExitStack() as stack:
        nodes = {name: stack.enter_context(place.agent(name, cache, "--scheduler-url", scheduler)) for name in names}
        known = time.monotonic() + FRESH_SECONDS
        wait_until(lambda: time.monotonic() > known, "older knowledge to be forgotten")
        yield nodes


def starts(nodes: Mapping[str, Node], name: str) -> list[str]:
    """The nodes that started Luigi for the config of that name, one entry for each time."""
    found = []
    for node, running in nodes.items():
        lines = running.log.splitlines()
        found += [node for line in lines if f" {name}: running " in line]
    return found


@pytest.fixture
def trio(place: Place, shared_cache: Path, scheduler: str) -> Iterator[dict[str, Node]]:
    with agents(place, shared_cache, scheduler, ("one", "two", "three")) as nodes:
        yield nodes


def test_a_task_that_is_complete_takes_one_process(place: Place, trio: Mapping[str, Node]) -> None:
    names = [f"noop-{number}" for number in range(6)]
    for name in names:
        (place.scratch / f"{name}.target").touch()
        place.put(name, ONCE.format(place.scratch, name))
    for name in names:
        place.until(name, "done")
    begun = {name: starts(trio, name) for name in names}
    assert all(len(nodes) == 1 for nodes in begun.values()), begun


def test_a_wide_pipeline_is_run_by_all(place: Place, trio: Mapping[str, Node]) -> None:
    folder = place.scratch / "wide"
    folder.mkdir()
    place.put("wide", WIDE.format(folder, 6))

    def at_work() -> set[str]:
        return {path.read_text() for path in folder.glob("running-*")}

    wait_until(lambda: at_work() == set(trio), "all nodes to run a task of it", timeout=60)
    (folder / "gate").touch()
    place.until("wide", "done")


def test_a_node_that_comes_later_joins_a_run_that_was_begun_alone(
    place: Place, shared_cache: Path, scheduler: str
) -> None:
    folder = place.scratch / "grows"
    folder.mkdir()
    with agents(place, shared_cache, scheduler, ("early",)):
        place.put("grows", WIDE.format(folder, 3))
        wait_until(lambda: list(folder.glob("running-*")), "the first task to run")
        with agents(place, shared_cache, scheduler, ("late",)):
            wait_until(lambda: len(list(folder.glob("running-*"))) == 2, "both nodes to run a task of it", timeout=60)
            (folder / "gate").touch()
            place.until("grows", "done")


def test_one_node_looks_for_external_data(place: Place, trio: Mapping[str, Node]) -> None:
    place.put("data", DATA.format(place.scratch))
    place.until_records("data", "a node to look for the data", state="waiting", reason="data-missing")
    place.until_records("data", "another one to leave that to it", state="waiting", reason="others-run")
    first = starts(trio, "data")  # of one node, unless it took more than ten seconds to begin
    wait_until(lambda: len(starts(trio, "data")) > len(first), "the next look", timeout=120)
    later = starts(trio, "data")
    assert len(later) == len(first) + 1, "one node looks, not all"
    assert set(later) == set(first), "the others leave it to that node"
    (place.scratch / "data.data").touch()
    place.until("data", "done", timeout=180)


def test_a_first_node_that_hangs_does_not_hold_the_others_up(place: Place, trio: Mapping[str, Node]) -> None:
    place.put("hangs", HANGS.format(place.scratch, "hangs"))
    place.until("hangs", "done", timeout=120)
    first = (place.scratch / "hangs.hanging").read_text()
    assert first in starts(trio, "hangs")
    winner = place.until_records("hangs", "the winner's record", renamed=True)
    assert winner["node"] != first


def test_a_first_node_that_is_killed_before_it_is_known_to_the_scheduler_is_followed(
    place: Place, shared_cache: Path, scheduler: str
) -> None:
    with agents(place, shared_cache, scheduler, ("four", "five")) as nodes:
        place.put("killed", HANGS.format(place.scratch, "killed"))
        hanging = place.scratch / "killed.hanging"
        wait_until(lambda: hanging.exists() and hanging.read_text(), "the first one to hang", timeout=60)
        nodes[hanging.read_text()].process.kill()
        place.until("killed", "done", timeout=120)
