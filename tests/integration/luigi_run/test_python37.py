"""The oldest Python whose environments run, and the last Luigi that serves it: what two nodes do, and how runs end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from poltergust.base.reasons import Reason
from poltergust.luigi_run.warm_starts import WarmStarts
from tests.integration.luigi_run.conftest import Node, environment
from tests.integration.luigi_run.test_warm_starts import VARIABLES, compare, ends


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment("3.7", "luigi==3.6.0", tmp_path_factory.mktemp("python37"))


def test_a_tree_on_two_nodes(make_node: Callable[[], Node]) -> None:
    nodes = [make_node(), make_node()]
    runs = [node.start("Tree", arguments={"leaves": "6", "seconds": "0.2", "workers": "2"}) for node in nodes]
    assert [run.report().reason for run in runs] == [Reason.COMPLETE, Reason.COMPLETE], runs[0].log
    assert nodes[0].executions("Leaf") == 6


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("NoOutput", Reason.EXECUTED_ROOT),
        ("ForgetsOutput", Reason.OUTPUT_MISSING),
        ("NeedsForgetful", Reason.TASK_FAILED),
        ("CircleA", Reason.CIRCULAR_REQUIREMENT),
        ("CircleOfWrappers", Reason.CIRCULAR_REQUIREMENT),
        ("NeedsData", Reason.DATA_MISSING),
        ("External", Reason.TASK_FAILED),
        ("Odd", Reason.TASK_FAILED),
        ("Killed", Reason.CHILD_DIED),
    ],
)
def test_reason(node: Node, task: str, reason: Reason) -> None:
    started = node.start(task)
    report = started.report()
    assert report.reason is reason, f"{report.detail}\n{started.log}"
    assert "hunter2" not in started.log


def test_a_program_sees_no_difference_in_a_warm_start(node: Node, warm: WarmStarts) -> None:
    compare(node, warm, VARIABLES)


def test_a_run_ends_as_a_process_ends(node: Node, warm: WarmStarts) -> None:
    ends(node, warm)
