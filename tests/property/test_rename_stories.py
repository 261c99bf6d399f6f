"""Renames in the simulated world: small stories of what went wrong once, and of what must never."""

from __future__ import annotations

import pytest

from poltergust.base.reasons import Reason
from poltergust.path.layout import Kind
from tests.emulators.memory import Fault
from tests.property.ending import calm, finish
from tests.property.parts import PATH, Planned
from tests.property.stories import DATA, OTHER, deliver, end, kinds, run_of
from tests.property.world import World


def test_an_upload_runs_everywhere_and_ends_as_done_once(two: World) -> None:
    generation = two.upload("a", DATA)
    deliver(two)
    assert [run.generation for run in two.runs] == [generation, generation]
    end(two, two.runs[0], Reason.COMPLETE)
    assert kinds(two) == {Kind.DONE}
    assert two.runs[0].stopped, "the other node sees the outcome and stops"
    calm(two)
    finish(two, Reason.COMPLETE)
    assert sum(map(len, two.referee.won.values())) == 1


def test_a_second_upload_while_the_first_runs_is_noticed_and_run(one: World) -> None:
    one.upload("a", DATA)
    deliver(one)
    newer = one.upload("a", OTHER)
    deliver(one)
    assert one.runs[0].stopped
    end(one, one.runs[0], Reason.CHILD_DIED)
    assert [run.generation for run in one.runs] == [newer]


@pytest.mark.parametrize("held", ["read", "move"])
def test_an_upload_while_the_rename_is_under_way_is_not_renamed(one: World, held: str) -> None:
    one.upload("a", DATA)
    deliver(one)
    one.nodes[0].held = {held}
    end(one, one.runs[0], Reason.COMPLETE)
    newer = one.upload("a", DATA)
    one.nodes[0].held = set()
    deliver(one)
    assert kinds(one) == {Kind.CONFIG}
    assert [run.generation for run in one.runs] == [newer], "the same bytes are another run"


def test_success_supersedes_the_error_of_another_node(two: World) -> None:
    two.upload("a", DATA)
    deliver(two)
    end(two, run_of(two.nodes[0]), Reason.UNKNOWN_TASK)
    assert kinds(two) == {Kind.ERROR}
    assert not run_of(two.nodes[1]).stopped, "an error lets the others end by themselves"
    end(two, run_of(two.nodes[1]), Reason.COMPLETE)
    assert kinds(two) == {Kind.DONE}


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.DENIED, Fault.AFTER])
def test_success_supersedes_even_if_the_storage_does_not_take_it_at_once(two: World, fault: Fault) -> None:
    two.upload("a", DATA)
    deliver(two)
    end(two, run_of(two.nodes[0]), Reason.UNKNOWN_TASK)
    two.nodes[1].faults = [Planned("move", fault, skip=1)]  # the first is told that the config is gone
    end(two, run_of(two.nodes[1]), Reason.COMPLETE)
    two.pass_time(10.0)
    assert kinds(two) == {Kind.DONE}


def test_an_error_never_replaces_success(two: World) -> None:
    two.upload("a", DATA)
    deliver(two)
    late = two.nodes[1]
    late.held = {"move"}
    end(two, run_of(late), Reason.UNKNOWN_TASK)
    end(two, run_of(two.nodes[0]), Reason.COMPLETE)
    late.held = set()
    deliver(two)
    assert kinds(two) == {Kind.DONE}


def test_an_error_that_comes_late_leaves_another_error_an_error(two: World) -> None:
    two.upload("a", DATA)
    deliver(two)
    for node in two.nodes:
        end(two, run_of(node), Reason.UNKNOWN_TASK)
    assert kinds(two) == {Kind.ERROR}


def test_an_older_success_does_not_replace_a_newer_one(two: World) -> None:
    first, second = two.nodes
    two.upload("a", DATA)
    deliver(two)
    end(two, run_of(first), Reason.UNKNOWN_TASK)
    newer = two.upload("a", OTHER)
    first.hear(PATH.of("a", Kind.CONFIG))
    first.held = {"delete"}  # it has renamed, and not yet removed the older error
    two.settle()
    two.end(run_of(first), Reason.COMPLETE)
    two.settle()
    assert kinds(two) == {Kind.DONE, Kind.ERROR}
    end(two, run_of(second), Reason.COMPLETE)
    first.held = set()
    deliver(two)
    done = two.stands("a", Kind.DONE)
    assert done is not None
    assert done.origin == newer
    assert kinds(two) == {Kind.DONE}


def test_only_the_older_outcome_that_was_seen_is_removed(two: World) -> None:
    first, second = two.nodes
    two.upload("a", DATA)
    deliver(two)
    end(two, run_of(first), Reason.COMPLETE)
    end(two, run_of(second), Reason.CHILD_DIED)
    two.upload("a", OTHER)
    deliver(two)
    first.held = {"delete"}
    end(two, run_of(first), Reason.UNKNOWN_TASK)
    assert kinds(two) == {Kind.DONE, Kind.ERROR}
    newest = two.upload("a", DATA)
    second.hear(PATH.of("a", Kind.CONFIG))
    two.settle()
    end(two, run_of(second), Reason.CHILD_DIED)
    end(two, run_of(second), Reason.COMPLETE)
    first.held = set()
    deliver(two)
    done = two.stands("a", Kind.DONE)
    assert done is not None
    assert done.origin == newest
