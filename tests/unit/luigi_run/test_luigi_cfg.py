"""The luigi.cfg of a run, as Luigi itself reads it back."""

from __future__ import annotations

import json
import stat
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from poltergust.base.errors import NodeError
from poltergust.documents import LuigiConfig
from poltergust.luigi_run import luigi_cfg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Luigi's own, about its defaults
    from luigi.configuration import LuigiConfigParser


def read(folder: Path, *configs: LuigiConfig, env: Mapping[str, str] = {}) -> Callable[[str, str], str]:
    """What Luigi's parser gives for a section and option."""
    named = luigi_cfg.variables(folder, configs, env, folder)
    assert named == {"LUIGI_CONFIG_PATH": str(folder / "luigi.cfg"), "LUIGI_CONFIG_PARSER": "cfg"}
    parser: Any = LuigiConfigParser()
    parser.read([named["LUIGI_CONFIG_PATH"]])

    def get(section: str, option: str) -> str:
        return str(parser.get(section, option))

    return get


@pytest.mark.parametrize("value", ["%Y-%m-%d", "100%", "%(here)s", "#1", "a = b", "", "[x]", "täsk ✓", "a;b", ":"])
def test_a_value_arrives_as_written(tmp_path: Path, value: str) -> None:
    assert read(tmp_path, {"Task": {"value": value}})("Task", "value") == value


def test_a_variable_of_the_run_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASS", "hunter2")
    assert read(tmp_path, {"db": {"password": "${DB_PASS}"}})("db", "password") == "hunter2"


def test_the_task_file_wins_over_the_environment_file_and_both_over_the_nodes_own(tmp_path: Path) -> None:
    (tmp_path / "node.cfg").write_text(
        "[a]\nnode = 1\nshared-one = node\nformat = %%d\n[DEFAULT]\nx = y\n[email]\nto = me\n"
    )
    environment = {"a": {"shared_one": "environment", "other": "environment"}}
    task = {"a": {"other": "task"}, "DEFAULT": {"z": "task"}}
    get = read(tmp_path, environment, task, env={"LUIGI_CONFIG_PATH": "node.cfg"})
    assert {option: get("a", option) for option in ("node", "shared_one", "other", "format", "x", "z")} == {
        "node": "1",
        "shared_one": "environment",
        "other": "task",
        "format": "%d",
        "x": "y",
        "z": "task",
    }
    assert get("email", "to") == "me"


NODE_TOML = """
[Task]
share = "100%"
count = 3
flag = true
day = 2024-01-31
names = ["a", "ä"]
[Task.limits]
cpu = 2
[core]
workers = 2
"""


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
@pytest.mark.parametrize(
    "env", [{"LUIGI_CONFIG_PATH": "n.toml"}, {"LUIGI_CONFIG_PATH": "n", "LUIGI_CONFIG_PARSER": "toml"}]
)
def test_a_toml_file_of_the_node_stays_in_force(tmp_path: Path, env: Mapping[str, str]) -> None:
    (tmp_path / env["LUIGI_CONFIG_PATH"]).write_text(NODE_TOML, encoding="utf-8")
    get = read(tmp_path, {"core": {"workers": "4"}}, env=env)
    assert get("core", "workers") == "4"
    assert [get("Task", option) for option in ("share", "count", "flag", "day")] == ["100%", "3", "true", "2024-01-31"]
    assert [json.loads(get("Task", option)) for option in ("names", "limits")] == [["a", "ä"], {"cpu": 2}]


@pytest.mark.parametrize("text", ["a = 1\n", "a = \n"])
def test_a_toml_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "node.toml").write_text(text)
    with pytest.raises(NodeError, match=r"LUIGI_CONFIG_PATH names .*node.toml, which cannot be read: "):
        luigi_cfg.variables(tmp_path, ({"a": {"b": "c"}},), {"LUIGI_CONFIG_PATH": "node.toml"}, tmp_path)


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    read(tmp_path, {"db": {"password": "hunter2"}})
    assert stat.S_IMODE((tmp_path / "luigi.cfg").stat().st_mode) == 0o600


def test_where_no_file_says_anything_the_nodes_own_stays(tmp_path: Path) -> None:
    assert luigi_cfg.variables(tmp_path, ({}, {}), {"LUIGI_CONFIG_PATH": "node.cfg"}, tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_of_the_node_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "node.cfg").write_text("no section\n")
    with pytest.raises(NodeError, match=r"LUIGI_CONFIG_PATH names .*node.cfg, which cannot be read: ") as error:
        luigi_cfg.variables(tmp_path, ({"a": {"b": "c"}},), {"LUIGI_CONFIG_PATH": "node.cfg"}, tmp_path)
    assert "\n" not in str(error.value)
