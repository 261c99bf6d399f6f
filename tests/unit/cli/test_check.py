"""`poltergust check`: kinds, places of mistakes, exit codes, JSON, schemas."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.unit.cli.calling import call

TASK = "environment: ../environment/my.yaml\ntask:\n  module: reports\n  name: Nightly\n"
ENVIRONMENT = "virtualenv:\n  python: python3.8\ndependencies:\n  - pandas>=2,<3\n"

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("pipeline", "environment"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pipeline" / "my.config.yaml").write_text(TASK)
    (tmp_path / "environment" / "my.yaml").write_text(ENVIRONMENT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_good_files_and_the_environment_they_name(files: Path, capsys: Capture) -> None:
    said = call(capsys, "check", "pipeline/my.config.yaml")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        "pipeline/my.config.yaml: ok (task file, reports.Nightly)",
        "environment/my.yaml: ok (environment file, Python python3.8, 1 dependency)",
    ]


def test_each_file_is_checked_once(files: Path, capsys: Capture) -> None:
    (files / "pipeline" / "other.config.yaml").write_text(TASK)
    arguments = ("pipeline/my.config.yaml", "pipeline/other.config.yaml", "environment/my.yaml")
    assert len(call(capsys, "check", *arguments).out.splitlines()) == 3


@pytest.mark.parametrize(
    ("environment", "given", "lines"),
    [
        ("my.config.yaml", ["pipeline/my.config.yaml"], 3),
        ("b.config.yaml", ["pipeline/my.config.yaml", "pipeline/b.config.yaml"], 5),
    ],
)
def test_a_task_file_in_the_place_of_an_environment_file_is_a_mistake(
    files: Path, capsys: Capture, environment: str, given: list[str], lines: int
) -> None:
    (files / "pipeline" / "b.config.yaml").write_text(TASK)
    (files / "pipeline" / "my.config.yaml").write_text(TASK.replace("../environment/my.yaml", environment))
    said = call(capsys, "check", *given)
    assert said.code == 1
    assert f'pipeline/{environment}:2:1: "task" belongs in the task file, not in an environment file' in said.out
    assert len(said.out.splitlines()) == lines, said.out


@pytest.mark.parametrize("environment", ["gs://mybucket/environment/my.yaml", "../environment/not-here.yaml"])
def test_an_environment_that_is_not_here_is_said_and_no_mistake(files: Path, capsys: Capture, environment: str) -> None:
    (files / "pipeline" / "my.config.yaml").write_text(TASK.replace("../environment/my.yaml", environment))
    said = call(capsys, "check", "pipeline/my.config.yaml")
    assert said.code == 0
    assert f"; {environment} is not here, so it was not checked)" in said.out


def test_a_mistake_is_one_line_with_its_place(files: Path, capsys: Capture) -> None:
    (files / "pipeline" / "my.config.yaml").write_text(TASK.replace("  module", "  modul"))
    said = call(capsys, "check", "pipeline/my.config.yaml")
    assert said.code == 1
    (line,) = said.out.splitlines()
    assert line.startswith("pipeline/my.config.yaml:2:1: ")
    assert 'did you mean "module" by "modul" on line 3?' in line


def test_every_mistake_of_a_file_in_the_order_of_its_lines(files: Path, capsys: Capture) -> None:
    (files / "pipeline" / "my.config.yaml").write_text(TASK + "timeout: soon\nretrys: 3\n")
    said = call(capsys, "check", "pipeline/my.config.yaml")
    lines = len(TASK.splitlines())
    assert said.code == 1
    assert [line.partition(": ")[2] for line in said.out.splitlines()] == [
        'timeout: "soon" is not a duration; write 45s, 90m, 1h30m, 2d or a number of seconds',
        'unknown key "retrys"; did you mean "retries"?',
    ]
    found = json.loads(call(capsys, "check", "--json", "pipeline/my.config.yaml").out)["files"][0]["problems"]
    assert [(each["line"], each["key"]) for each in found] == [(lines + 1, "timeout"), (lines + 2, "retrys")]


def test_a_mistake_in_the_environment_that_is_named(files: Path, capsys: Capture) -> None:
    (files / "environment" / "my.yaml").write_text("dependency: []\n")
    said = call(capsys, "check", "pipeline/my.config.yaml")
    assert said.code == 1
    assert "environment/my.yaml:1:1: " in said.out
    assert "pipeline/my.config.yaml: ok" in said.out


@pytest.mark.parametrize(
    "line", ["pandas >> 2", "--index-urls https://example.org/", "pandas==", "pandas==1 --bogus", "mypkg @"]
)
def test_a_dependency_that_no_installer_reads(files: Path, capsys: Capture, line: str) -> None:
    (files / "environment" / "my.yaml").write_text(f"dependencies:\n  - luigi\n  - {line}\n")
    said = call(capsys, "check", "environment/my.yaml")
    assert said.code == 1
    assert said.out.startswith("environment/my.yaml:3: ")


@pytest.mark.parametrize(
    "line",
    [
        "pandas[performance]>=2 ; python_version > '3.8'",
        "git+https://${GH_TOKEN}@github.com/me/x.git@v1",
        "gs://mybucket/code/x-1.0-py3-none-any.whl",
        "../code",
        "-e ../code",
        "--find-links gs://mybucket/wheels",
        "pandas==${VERSION}",
        "needy --no-deps",
        "mypkg @ https://example.org/mypkg-1.0.tar.gz",
    ],
)
def test_dependencies_that_are_fine(files: Path, capsys: Capture, line: str) -> None:
    (files / "environment" / "my.yaml").write_text(f"dependencies:\n  - {json.dumps(line)}\n")
    assert call(capsys, "check", "environment/my.yaml").code == 0


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("x.config.yaml", "dependencies: []\n", "task-file"),
        ("x.error.yaml", TASK, "task-file"),
        ("draft.yaml", TASK, "task-file"),
        ("draft.yaml", "{environment: e.yaml, task: {name: A, module: b}}", "task-file"),
        ("draft.yaml", "task: {name: A}\n", "task-file"),
        ("e.yaml", ENVIRONMENT, "environment-file"),
        ("e.yaml", "variables: {A: b}\n", "environment-file"),
        ("e.yaml", "", "environment-file"),
    ],
)
def test_the_kind_is_found_out(files: Path, capsys: Capture, name: str, text: str, kind: str) -> None:
    (files / name).write_text(text)
    (found, *_) = json.loads(call(capsys, "check", "--json", name).out)["files"]
    assert found["kind"] == kind


def test_the_kind_may_be_said(files: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ENVIRONMENT.encode())))
    assert call(capsys, "check", "--kind", "environment-file", "-").code == 0
    assert call(capsys, "check", "--kind", "task-file", "environment/my.yaml").code == 1


def test_json(files: Path, capsys: Capture) -> None:
    (files / "environment" / "my.yaml").write_text("dependency: []\n")
    said = call(capsys, "check", "--json", "pipeline/my.config.yaml")
    assert said.code == 1
    message = json.loads(said.out)["files"][1]["problems"][0].pop("message")
    assert "dependency" in message
    assert json.loads(said.out) == {
        "format": 1,
        "ok": False,
        "files": [
            {
                "file": "pipeline/my.config.yaml",
                "kind": "task-file",
                "ok": True,
                "environment": "../environment/my.yaml",
                "followed": "environment/my.yaml",
                "problems": [],
            },
            {
                "file": "environment/my.yaml",
                "kind": "environment-file",
                "ok": False,
                "environment": None,
                "followed": None,
                "problems": [
                    {"line": 1, "column": 1, "key": "dependency", "reason": "unknown-key", "message": message}
                ],
            },
        ],
    }


def test_a_file_that_cannot_be_read(files: Path, capsys: Capture) -> None:
    said = call(capsys, "check", "nowhere.yaml", "environment")
    assert said.code == 1
    assert said.out.splitlines() == ["nowhere.yaml: No such file or directory", "environment: Is a directory"]


def test_terminal_codes_of_a_file_do_not_reach_the_terminal(files: Path, capsys: Capture) -> None:
    (files / "e.yaml").write_text('dependencies: []\n"\\e[2Jx": 1\n')
    said = call(capsys, "check", "e.yaml")
    assert said.code == 1
    assert "\x1b" not in said.out


@pytest.mark.parametrize("arguments", [(), ("--schema", "task-file", "x.yaml"), ("--kind", "other", "x.yaml")])
def test_wrong_command_lines(files: Path, capsys: Capture, arguments: tuple[str, ...]) -> None:
    assert call(capsys, "check", *arguments).code == 2


@pytest.mark.parametrize(("kind", "good"), [("task-file", TASK), ("environment-file", ENVIRONMENT)])
def test_the_schemas_are_schemas_and_take_good_files(capsys: Capture, kind: str, good: str) -> None:
    said = call(capsys, "check", "--schema", kind)
    schema = json.loads(said.out)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(good), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"unheard": 1}, schema)
