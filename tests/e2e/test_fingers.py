"""What people type without looking it up: short options, TAB, --json, and words with a letter too few."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.commands import Commands
from tests.e2e.nodes import POLTERGUST, node


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("pipeline", "environment", "pipeline.poltergust/logs/old/1"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "environment" / "plain.yaml").write_text("dependencies: []\n")
    text = "environment: ../environment/plain.yaml\ntask: {module: waits, name: Touch, target: %s}\n"
    (tmp_path / "nightly.config.yaml").write_text(text % (tmp_path / "out"))
    (tmp_path / "pipeline" / "old.done.yaml").write_text("x")
    for name in ("n1", "n2"):
        (tmp_path / f"pipeline.poltergust/logs/old/1/{name}.log").write_text("one\ntwo\nthree\nfour")
    return tmp_path


@pytest.fixture
def poltergust(project: Path) -> Commands:
    return Commands("", project)


def completed(project: Path, line: str) -> list[str]:
    """What bash proposes at the end of `line`, by click's own protocol."""
    variables = {"_POLTERGUST_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    done = subprocess.run(
        [str(POLTERGUST)], env={**os.environ, **variables}, cwd=project, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return [proposed.partition(",")[2] for proposed in done.stdout.split()]


@pytest.mark.parametrize(
    ("line", "proposed"),
    [
        ("poltergust st", ["status"]),
        ("poltergust env l", ["list", "lock"]),
        ("poltergust logs -p pipeline ", ["nightly", "old"]),
        ("poltergust status -p pipeline ni", ["nightly"]),
        ("poltergust status pipeline ni", ["nightly"]),
        ("poltergust cancel --path gone ", []),
        ("poltergust retry --fo", ["--force", "--follow"]),
    ],
)
def test_tab(project: Path, poltergust: Commands, line: str, proposed: list[str]) -> None:
    assert poltergust("submit", "-p", "pipeline", "nightly.config.yaml").code == 0
    assert completed(project, line) == proposed


def test_the_last_lines_of_each_log(poltergust: Commands) -> None:
    last = poltergust("logs", "-p", "pipeline", "old", "-n", "2")
    assert last.out == "n1 | three\nn1 | four\nn2 | three\nn2 | four\n"
    assert poltergust("logs", "-p", "pipeline", "old", "-n", "1", "--node", "n2").out == "four\n"
    lines = poltergust("logs", "-p", "pipeline", "old", "-n", "1", "--json").out.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"format": 1, "node": name, "line": "four"} for name in ("n1", "n2")
    ]


def test_each_action_as_json(project: Path, poltergust: Commands) -> None:
    def said(*arguments: str) -> tuple[str, str, str | None]:
        document = json.loads(poltergust(*arguments, "-p", "pipeline", "--json").out)
        assert (document["format"], document["name"]) == (1, "nightly")
        assert "@" in document["by"]
        return document["action"], document["url"].rpartition("/")[2], document["ending"]

    assert said("submit", "nightly.config.yaml") == ("submitted", "nightly.config.yaml", None)
    assert said("cancel", "nightly") == ("cancelled", "nightly.cancelled.yaml", None)
    assert said("cancel", "nightly") == ("cancelled-already", "nightly.cancelled.yaml", None)
    with node(["listen", "-p", "pipeline", "--cache-dir", "cache"], log=project / "log", cwd=project):
        assert said("retry", "nightly", "--force", "-w") == ("runs-again", "nightly.config.yaml", "done")
        *lines, end = poltergust("retry", "nightly", "--force", "-f", "-p", "pipeline", "--json").out.splitlines()
    assert json.loads(end)["config"]["state"] == "done"
    assert any("attempt 1 on" in json.loads(line)["line"] for line in lines)


def test_who_cancelled_is_said_at_once_and_later(project: Path, poltergust: Commands) -> None:
    poltergust("submit", "-p", "pipeline", "nightly.config.yaml")
    who = json.loads(poltergust("status", "-p", "pipeline", "nightly", "--json").out)["submitted"]["by"]
    first = poltergust("cancel", "-p", "pipeline", "nightly")
    assert first.out == f"nightly is cancelled by {who}; nodes that run it stop\n"
    assert poltergust("cancel", "-p", "pipeline", "nightly").out == f"nightly is cancelled already, by {who}\n"
    assert f"\ncancelled    by {who}\n" in poltergust("status", "-p", "pipeline", "nightly").out


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("statu", 'no such command: statu; did you mean "status"?'),
        ("env lst", 'no such command: lst; did you mean "list"?'),
        ("frobnicate", "no such command: frobnicate; there are listen, submit, status"),
        ("logs x --folow", "No such option '--folow'. Did you mean '--follow'?"),
    ],
)
def test_a_letter_too_few(poltergust: Commands, typed: str, answer: str) -> None:
    said = poltergust(*typed.split())
    assert said.code == 2
    assert answer in said.err
