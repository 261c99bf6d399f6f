"""A Luigi of 2018, which sets up its log and reads its configuration in other ways than those of today."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from poltergust.base.reasons import Reason
from tests.integration.luigi_run.conftest import Node, environment


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment("3.7", "luigi==2.8.0", tmp_path_factory.mktemp("old-luigi"), "toml")


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("Tree", Reason.COMPLETE),
        ("NoOutput", Reason.EXECUTED_ROOT),
        ("NeedsText", Reason.EXECUTED_ROOT),
        ("NeedsData", Reason.DATA_MISSING),
        ("NeedsFailing", Reason.TASK_FAILED),
    ],
)
def test_reason(node: Node, task: str, reason: Reason) -> None:
    started = node.start(task)
    report = started.report()
    assert report.reason is reason, f"{report.detail}\n{started.log}"


def test_it_is_started_warm(node: Node) -> None:
    files = {"run.cfg": "[Settings]\nword = named\n"}
    started = node.start("Configured", files=files, env={"LUIGI_CONFIG_PATH": "run.cfg"})
    assert started.report().reason is Reason.COMPLETE, started.log
    assert started.forked
    assert ast.literal_eval((node.shared / "configured").read_text())[1] == "named"


def test_a_run_says_by_itself_which_kind_of_configuration_it_has(node: Node) -> None:
    env = {"LUIGI_CONFIG_PATH": "run.toml", "LUIGI_CONFIG_PARSER": "toml"}
    started = node.start("Configured", files={"run.toml": '[Settings]\nword = "named"\n'}, env=env)
    assert started.report().reason is Reason.COMPLETE, started.log
    assert ast.literal_eval((node.shared / "configured").read_text())[1] == "named"
