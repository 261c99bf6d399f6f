"""Attempts, giving up, waiting and stopping in the simulated world: small stories, each with one point."""

from __future__ import annotations

import pytest

from poltergust.base.reasons import Reason
from poltergust.path.layout import Kind
from poltergust.path.records import State
from tests.emulators.memory import Fault
from tests.property.parts import PATH, RETRIES, Plan, Planned
from tests.property.stories import DATA, OTHER, deliver, end, kinds, run_of, scan, spend
from tests.property.world import World

TIMED = DATA + b"timeout: 2m\n"


def test_attempts_are_counted_before_they_start(one: World) -> None:
    (node,) = one.nodes
    generation = one.upload("a", DATA)
    for _ in range(RETRIES + 1):
        deliver(one)
        assert run_of(node).generation == generation
        node.crash([])
        node.start()
    deliver(one)
    assert not one.runs
    assert kinds(one) == {Kind.ERROR}


def test_attempts_that_are_no_failure_of_the_node_do_not_count(one: World) -> None:
    one.upload("a", DATA)
    deliver(one)
    for _ in range(RETRIES + 2):
        end(one, one.runs[0], Reason.TASK_RETRY)
        one.pass_time(60.0)
    end(one, one.runs[0], Reason.COMPLETE)
    assert kinds(one) == {Kind.DONE}


@pytest.mark.parametrize("lie", [(State.FINISHED, "done"), (State.FINISHED, "error"), (State.GAVE_UP, None)])
def test_no_outcome_comes_from_a_record_that_somebody_wrote(one: World, lie: tuple[State, str | None]) -> None:
    """Nor from the hundred attempts that it counts, nor from its start in 1970."""
    (node,) = one.nodes
    node.crash([])
    one.upload("a", TIMED, timeout=120.0)
    one.plant("a", node.name, *lie)
    node.start()
    deliver(one)
    spend(one, node)
    assert kinds(one) == {Kind.ERROR}


def test_what_a_node_knows_itself_outweighs_its_record(one: World) -> None:
    (node,) = one.nodes
    one.upload("a", DATA)
    for _ in range(RETRIES + 1):
        deliver(one)
        node.crash([])
        one.delete_records(".json")
        node.start()
    one.plant("a", node.name, State.PREPARING, None)
    deliver(one)
    assert not one.runs
    assert kinds(one) == {Kind.ERROR}


def test_a_node_that_lost_its_cache_makes_attempts_of_its_own(one: World) -> None:
    (node,) = one.nodes
    one.upload("a", DATA)
    for _ in range(RETRIES + 1):
        deliver(one)
        node.crash([])
        node.start()
    node.lose_cache()
    node.start()
    deliver(one)
    spend(one, node)
    assert kinds(one) == {Kind.ERROR}


@pytest.mark.parametrize("restarted", [False, True])
def test_a_refused_rename_is_tried_again_and_nothing_else(one: World, restarted: bool) -> None:
    (node,) = one.nodes
    one.upload("a", DATA)
    deliver(one)
    one.refusing = True
    end(one, one.runs[0], Reason.COMPLETE)
    assert kinds(one) == {Kind.CONFIG}
    if restarted:
        node.crash([])
        node.start()
    one.pass_time(600.0)
    scan(one)
    assert not one.runs
    one.refusing = False
    one.pass_time(600.0)
    assert kinds(one) == {Kind.DONE}


def test_a_node_gives_up_for_all_only_when_no_other_still_tries(two: World) -> None:
    first, second = two.nodes
    two.upload("a", DATA)
    deliver(two)
    spend(two, first)
    scan(two)
    assert kinds(two) == {Kind.CONFIG}, "the other node still tries"
    spend(two, second)
    assert kinds(two) == {Kind.ERROR}


def test_a_node_that_gave_up_reconciles_again_when_the_others_are_gone(two: World) -> None:
    first, second = two.nodes
    two.upload("a", DATA)
    deliver(two)
    spend(two, first)
    second.crash([])
    two.pass_time(200.0)
    scan(two)
    assert kinds(two) == {Kind.ERROR}


def test_nodes_that_gave_up_say_so_again_when_their_records_are_deleted(two: World) -> None:
    first, second = two.nodes
    two.upload("a", DATA)
    deliver(two)
    spend(two, first)
    two.delete_records(".json")
    two.pass_time(60.0)
    spend(two, second)
    two.delete_records(".json")
    for _ in range(2):
        two.pass_time(300.0)
        scan(two)
    assert kinds(two) == {Kind.ERROR}


def test_a_heartbeat_that_cannot_be_read_now_is_no_dead_node(two: World) -> None:
    first, second = two.nodes
    two.upload("a", DATA)
    deliver(two)
    end(two, run_of(first), Reason.SCHEDULING_FAILED)
    two.pass_time(10.0)
    first.faults.append(Planned("read", Fault.UNAVAILABLE, part=PATH.node(second.name)))
    two.end(run_of(first), Reason.SCHEDULING_FAILED)
    deliver(two)
    two.pass_time(60.0)
    assert not first.faults
    assert kinds(two) == {Kind.CONFIG}


def test_who_does_not_come_to_clearing_leaves_it_to_another(two: World) -> None:
    """It has made the mark, and its environment fails; the other one has seen the mark and started without clearing."""
    first, second = two.nodes
    first.plan = Plan.SLOW
    two.upload("a", DATA)
    first.hear(first.inbox.pop())
    two.settle()
    deliver(two)
    assert not run_of(second).request.reset_failures
    first.plan = Plan.INSTALL_FAILED
    two.pass_time(1.0)
    end(two, run_of(second), Reason.TASK_DISABLED)
    assert kinds(two) == {Kind.CONFIG}, "it may be disabled since an earlier generation"
    two.pass_time(10.0)
    assert run_of(second).request.reset_failures


def test_earlier_failures_are_cleared_by_one_node_once(two: World) -> None:
    two.upload("a", DATA)
    deliver(two)
    clearing = [run for run in two.runs if run.request.reset_failures]
    assert len(clearing) == 1
    (other,) = [run for run in two.runs if run not in clearing]
    end(two, other, Reason.TASK_DISABLED)
    assert kinds(two) == {Kind.CONFIG}, "it may be disabled since an earlier generation"
    two.clear(clearing[0])
    deliver(two)
    two.pass_time(10.0)
    (again,) = [run for run in two.runs if run not in clearing]
    assert not again.request.reset_failures
    end(two, again, Reason.TASK_DISABLED)
    assert kinds(two) == {Kind.ERROR}


@pytest.mark.parametrize("operation", ["write", "read"])
def test_a_mark_that_cannot_be_made_or_read_now_makes_nobody_believe_old_failures(one: World, operation: str) -> None:
    """Every call of the first attempt in turn fails once: at the mark too."""
    for skip in range(6):
        one.nodes[0].faults = [Planned(operation, Fault.UNAVAILABLE, skip)]
        generation = one.upload("a", DATA)
        for _ in range(3):
            deliver(one)
            one.pass_time(10.0)
            if generation in [run.generation for run in one.runs]:
                run = one.runs[-1]
                run.cleared = True  # its answer is still under way
                end(one, run, Reason.TASK_DISABLED)
        assert kinds(one) == {Kind.CONFIG}
        for run in list(one.runs):
            end(one, run, Reason.CHILD_DIED)


def test_the_environment_may_come_up_to_a_minute_late(one: World) -> None:
    one.set_environment(present=False)
    one.upload("a", DATA)
    deliver(one)
    one.pass_time(50.0)
    assert kinds(one) == {Kind.CONFIG}
    one.set_environment(present=True)
    one.pass_time(60.0)
    end(one, one.runs[0], Reason.COMPLETE)
    assert kinds(one) == {Kind.DONE}


def test_an_environment_that_never_comes_is_an_error(one: World) -> None:
    one.set_environment(present=False)
    one.upload("a", DATA)
    deliver(one)
    for _ in range(10):
        one.pass_time(30.0)
    assert kinds(one) == {Kind.ERROR}


def test_a_cancelled_run_stops(one: World) -> None:
    one.upload("a", DATA)
    deliver(one)
    one.cancel("a")
    deliver(one)
    assert one.runs[0].stopped
    end(one, one.runs[0], Reason.CHILD_DIED)
    assert kinds(one) == {Kind.CANCELLED}


def test_a_cancelled_run_stops_though_an_older_error_has_the_same_bytes(one: World) -> None:
    one.upload("a", DATA)
    deliver(one)
    end(one, one.runs[0], Reason.UNKNOWN_TASK)
    one.upload("a", DATA)
    deliver(one)
    one.cancel("a")
    deliver(one)
    assert kinds(one) == {Kind.ERROR, Kind.CANCELLED}
    assert one.runs[0].stopped


def test_a_removed_config_stops_its_run_after_ten_seconds_and_not_before(one: World) -> None:
    one.upload("a", DATA)
    deliver(one)
    one.remove("a", Kind.CONFIG)
    scan(one)
    one.pass_time(9.0)
    assert not one.runs[0].stopped
    one.pass_time(2.0)
    assert one.runs[0].stopped


def test_a_slow_environment_is_left_when_a_newer_config_comes(one: World) -> None:
    (node,) = one.nodes
    node.plan = Plan.SLOW
    one.upload("a", DATA)
    deliver(one)
    newer = one.upload("a", OTHER)
    deliver(one)
    one.pass_time(1.0)
    node.plan = Plan.READY
    deliver(one)
    assert [run.generation for run in one.runs] == [newer]
