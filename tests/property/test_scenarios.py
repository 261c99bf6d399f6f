"""Small stories of the outcome table in the simulated world, each of which went wrong once or is worth a name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from poltergust.names import Kind
from poltergust.reasons import Reason
from tests.property.world import World, simulated

DATA = b"environment: gs://bucket/environment/env.yaml\ntask: {name: T, module: m}\n"


@pytest.fixture
def two(tmp_path: Path) -> Iterator[World]:
    with simulated(2, tmp_path) as world:
        yield world


def deliver(world: World) -> None:
    """Every notification arrives, and everybody does what there is to do."""
    world.settle()
    while any(node.inbox for node in world.nodes):
        for node in world.nodes:
            while node.inbox:
                node.hear(node.inbox.pop(0))
        world.settle()


def test_an_upload_runs_everywhere_and_ends_as_done_once(two: World) -> None:
    generation = two.upload("a", DATA)
    deliver(two)
    assert [run.generation for run in two.runs] == [generation, generation]
    two.end(two.runs[0], Reason.COMPLETE)
    deliver(two)
    done = two.stands("a", Kind.DONE)
    assert done is not None
    assert done.origin == generation
    assert two.runs[0].stopped, "the other node sees the outcome and stops"
    two.calm()
    two.finish(Reason.COMPLETE)
    assert sum(map(len, two.referee.won.values())) == 1
