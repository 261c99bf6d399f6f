"""`poltergust init`: what it makes is right, and nothing is ever overwritten."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from poltergust.documents import parse_environment_file, parse_task_file
from tests.unit.cli.calling import call

Capture = pytest.CaptureFixture[str]

FILES = ["code/hello_pipeline.py", "code/pyproject.toml", "environment/hello.yaml", "pipeline/hello.config.yaml"]


def made(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_files_it_makes_are_right_and_commented(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = call(capsys, "init", "new/reports")
    assert said.code == 0, said.err
    folder = tmp_path / "new" / "reports"
    assert made(folder) == FILES
    assert "cd new/reports" in said.out
    assert "poltergust listen --path ./pipeline" in said.out
    task = parse_task_file((folder / "pipeline" / "hello.config.yaml").read_bytes(), "x")
    assert {argument.name: argument.text for argument in task.arguments}["folder"] == str(folder / "results")
    spec = parse_environment_file((folder / "environment" / "hello.yaml").read_bytes(), "x")
    assert [dependency.text for dependency in spec.dependencies] == ["../code"]
    assert call(capsys, "check", f"{folder}/pipeline/hello.config.yaml").code == 0
    for name in ("pipeline/hello.config.yaml", "environment/hello.yaml"):
        assert sum(line.lstrip().startswith("#") for line in (folder / name).read_text().splitlines()) >= 5


def test_what_to_type_next_is_typed_in_the_new_folder(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program stands in a virtualenv that is not on PATH, and is called by its place as seen from there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", [".venv/bin/poltergust"])
    said = call(capsys, "init", "new/reports")
    assert "  cd new/reports\n  ../../.venv/bin/poltergust check pipeline/hello.config.yaml\n" in said.out
    assert "  ../../.venv/bin/poltergust listen --path ./pipeline\n" in said.out


def test_a_folder_whose_name_yaml_would_misread(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / 'a: "b" #ü'
    assert call(capsys, "init", str(folder)).code == 0
    task = parse_task_file((folder / "pipeline" / "hello.config.yaml").read_bytes(), "x")
    assert {argument.name: argument.text for argument in task.arguments}["folder"] == str(folder / "results")


def test_a_python_of_ones_own(tmp_path: Path, capsys: Capture) -> None:
    assert call(capsys, "init", str(tmp_path), "--python", "3.10").code == 0
    spec = parse_environment_file((tmp_path / "environment" / "hello.yaml").read_bytes(), "x")
    assert spec.virtualenv == {"python": "3.10"}


@pytest.mark.parametrize("there", FILES)
def test_nothing_is_overwritten_and_then_nothing_is_written(tmp_path: Path, capsys: Capture, there: str) -> None:
    (tmp_path / there).parent.mkdir()
    (tmp_path / there).write_text("mine\n")
    said = call(capsys, "init", str(tmp_path))
    assert said.code == 1
    assert there in said.err
    assert len(said.err.splitlines()) == 1
    assert made(tmp_path) == [there]
    assert (tmp_path / there).read_text() == "mine\n"


@pytest.mark.parametrize("there", ["code", "environment", "pipeline"])
def test_a_file_where_a_folder_is_to_be_is_in_the_way(tmp_path: Path, capsys: Capture, there: str) -> None:
    (tmp_path / there).write_text("mine\n")
    said = call(capsys, "init", str(tmp_path))
    assert said.code == 1
    assert f"has {there} already, so nothing was written" in said.err
    assert made(tmp_path) == [there]


def test_a_link_that_leads_nowhere_is_in_the_way(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "pipeline").symlink_to(tmp_path / "gone")
    assert "has pipeline already" in call(capsys, "init", str(tmp_path)).err
    assert made(tmp_path) == []


@pytest.mark.parametrize("command", ["init", "status --path", "submit task.yaml --path", "listen --path", "doctor -p"])
def test_a_folder_whose_name_is_no_text_is_refused_in_one_line(tmp_path: Path, capsys: Capture, command: str) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    said = call(capsys, *command.split(), str(folder))
    assert said.code == 2
    assert "caf\\udce9: the name is not UTF-8; rename the folder" in said.err
    assert len(said.err.splitlines()) == 1
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("")
    said = call(capsys, "init", str(tmp_path / "file" / "below"))
    assert said.code == 1
    assert said.err.startswith("poltergust: ")
