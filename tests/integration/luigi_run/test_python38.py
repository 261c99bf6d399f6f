"""The same script under Python 3.8 and the last Luigi that serves it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from poltergust.base.reasons import Reason
from poltergust.luigi_run import Argument, Report
from poltergust.luigi_run.warm_starts import WarmStarts
from tests.emulators.servers import wait_until
from tests.integration.luigi_run.conftest import Node, environment
from tests.integration.luigi_run.test_warm_starts import VARIABLES, compare, ends

VERSION, LUIGI = "3.8", "luigi==3.7.3"


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(VERSION, LUIGI, tmp_path_factory.mktemp("python"))


def test_a_tree_on_two_nodes(make_node: Callable[[], Node]) -> None:
    nodes = [make_node(), make_node()]
    arguments = {"leaves": "8", "seconds": "0.2", "workers": "2"}
    runs = [node.start("Tree", arguments=arguments) for node in nodes]
    assert [run.report().reason for run in runs] == [Reason.COMPLETE, Reason.COMPLETE], runs[0].log
    assert nodes[0].executions("Leaf") == 8


@pytest.mark.parametrize(
    ("task", "more", "reason"),
    [
        ("NoOutput", {}, Reason.EXECUTED_ROOT),
        ("Tree", {"module": "pipelin"}, Reason.UNKNOWN_MODULE),
        ("Tree", {"module": "package.needs_other"}, Reason.IMPORT_ERROR),
        ("Tre", {}, Reason.UNKNOWN_TASK),
        ("Twice", {"module": "package.twice"}, Reason.UNKNOWN_TASK),
        ("Tree", {"arguments": {"leafs": "1"}}, Reason.UNKNOWN_PARAMETER),
        ("Needy", {}, Reason.MISSING_PARAMETER),
        ("Needy", {"arguments": {"count": "x"}}, Reason.INVALID_PARAMETER),
        ("BrokenComplete", {}, Reason.SCHEDULING_FAILED),
        ("BrokenDependency", {}, Reason.SCHEDULING_FAILED),
        ("NeedsData", {}, Reason.DATA_MISSING),
        ("NeedsSwitchedOff", {}, Reason.TASK_DISABLED),
        ("NeedsFailing", {}, Reason.TASK_FAILED),
        ("NeedsFailing", {"budget": 2}, Reason.TASK_RETRY),
        ("ExitsAtOnce", {}, Reason.CHILD_DIED),
        ("ExitsAtOnce", {"arguments": {"workers": "2"}}, Reason.TASK_FAILED),
        ("Tree", {"scheduler_url": "http://127.0.0.1:9"}, Reason.SCHEDULER_UNREACHABLE),
    ],
)
def test_reason(node: Node, task: str, more: dict[str, object], reason: Reason) -> None:
    started = node.start(task, **more)  # type: ignore[arg-type]
    report = started.report()
    assert report.reason is reason, f"{report.detail}\n{started.log}"


def test_parameters(node: Node) -> None:
    arguments = (
        Argument("plain", "007"),
        Argument("explicit-on", "false"),
        Argument("implicit", "true"),
        Argument("enums", '["RED", "BLUE"]', json=True),
        Argument("Settings-flag", "true"),
        Argument("workers", "2"),
    )
    assert node.report("Kinds", module="kinds", arguments=arguments).reason is Reason.COMPLETE
    text = (node.shared / "values").read_text()
    for part in ("'plain': '007'", "'explicit_on': False", "'implicit': True", "'Settings_flag': True"):
        assert part in text
    assert "'enums': ['Colour.RED', 'Colour.BLUE']" in text


def test_drain_stop_and_take_over(node: Node) -> None:
    draining = node.start("NeedsHeld", worker="old/1")
    wait_until((node.shared / "held").exists, "the task to run")
    os.kill(draining.run.pid, signal.SIGKILL)
    assert draining.report().reason is Reason.CHILD_DIED
    (node.shared / "held").unlink()
    stopped = node.start("NeedsHeld", dead_workers=("old/1",))
    wait_until((node.shared / "held").exists, "the task to run again")
    stopped.run.stop(60)
    assert stopped.report().reason is Reason.DRAINED
    (node.shared / "held").unlink()
    drained = node.start("NeedsHeld")
    wait_until((node.shared / "held").exists, "the task to run a third time")
    drained.run.drain()
    (node.shared / "go").touch()
    assert drained.report().reason is Reason.DRAINED


def test_budget_and_forgiveness(node: Node) -> None:
    ends: list[Report] = [node.report("NeedsFailing", budget=3) for _ in range(4)]
    assert [end.reason for end in ends] == [Reason.TASK_RETRY] * 2 + [Reason.TASK_FAILED] * 2
    assert node.executions("Failing") == 3
    (node.shared / "fixed").touch()
    assert node.report("NeedsFailing", budget=3, reset_failures=True).reason is Reason.COMPLETE


def test_a_program_sees_no_difference_in_a_warm_start(node: Node, warm: WarmStarts) -> None:
    compare(node, warm, VARIABLES)


def test_a_run_ends_as_a_process_ends(node: Node, warm: WarmStarts) -> None:
    ends(node, warm)
