"""Whose turn it is to start Luigi, from what a node sees."""

from __future__ import annotations

import pytest

from poltergust.luigi_run.run_view import RunView
from poltergust.runs.first_node import LATE_SECONDS, Turn, order, turn

NODES = ["a", "b", "c", "d", "e", "f", "g", "h"]


def starters(view: RunView, seconds: float = 0.0, nodes: list[str] = NODES) -> str:
    """The nodes whose turn it is, `seconds` after all became ready and the run was seen so."""
    return "".join(node for node in nodes if not turn(node, nodes, view, 0.0, seconds).waits_for)


def test_the_order_is_one_for_all_and_moves_only_those_who_come_or_go() -> None:
    every = order(NODES, "name")
    assert order(reversed(NODES), "name") == every
    assert [node for node in every if node != "c"] == order([node for node in NODES if node != "c"], "name")
    firsts = [order(NODES, str(number))[0] for number in range(800)]
    assert all(firsts.count(node) > 50 for node in NODES), "nobody is first much more often than others"


@pytest.mark.parametrize(
    ("late", "who"), [(0.0, "a"), (0.99, "a"), (1.0, "ab"), (2.0, "abcd"), (3.0, "abcdefgh"), (99.0, "abcdefgh")]
)
def test_twice_as_many_begin_for_each_time_that_nothing_is_heard(late: float, who: str) -> None:
    assert starters(RunView(), late * LATE_SECONDS) == who


def test_a_node_that_was_ready_late_gives_the_first_its_time() -> None:
    late = turn("b", NODES, RunView(), ready_at=100.0, now=100.0 + LATE_SECONDS - 1)
    assert late.waits_for == "a begins it"


def test_nodes_that_could_not_are_passed_and_more_others_begin_at_once() -> None:
    assert starters(RunView(failed=frozenset("a"))) == "abc", "its own retries are its own affair"
    assert starters(RunView(failed=frozenset("ab"))) == "abcdef"


def test_others_join_one_for_each_task_that_nobody_has_taken() -> None:
    working = frozenset("a")
    assert starters(RunView(working=working)) == "a"
    assert starters(RunView(working=working, wanted=3)) == "abcd"
    assert starters(RunView(working=working, wanted=100)) == "abcdefgh"
    assert starters(RunView(working=working, wanted=2, failed=frozenset("b"))) == "acd", "who failed comes last"
    assert turn("b", NODES, RunView(working=working, wanted=1), 0.0, 0.0) == Turn(joins=True)
    assert starters(RunView(working=working, wanted=1), LATE_SECONDS) == "abc", (
        "who is wanted and does not come is passed"
    )


def test_nobody_is_late_before_the_next_look_for_data_is() -> None:
    due = RunView(silent_since=100.0)
    assert starters(due, 99.0) == "a"
    assert starters(due, 100.0 + LATE_SECONDS) == "ab"
    assert turn("b", NODES, due, 0.0, 50.0).waits_for == "a looks for its data"
