"""Finding interpreters, with small scripts in place of Pythons: what a file calls itself is not believed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from poltergust.base.errors import NodeError, Permanent
from poltergust.base.reasons import Reason
from poltergust.environments.commands import CommandRunner, Redactor
from poltergust.environments.interpreters import Interpreters
from poltergust.processes import Child
from poltergust.processes.child import spawn


def python(path: Path, version: str | None, implementation: str = "cpython") -> Path:
    """A script that answers as a Python of `version`; None: a shim that does not answer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = {"executable": str(path), "version": version, "implementation": implementation, "platform": "linux-x86_64"}
    says = "exit 127" if version is None else f"echo {shlex.quote('poltergust:' + json.dumps(answer))}"
    path.write_text(f"#!/bin/sh\n{says}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


class Machine:
    """PATH with three folders and pyenv beside; counts the processes that were started."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []
        self.interpreters = Interpreters(root / "memory.json")
        path = f"{root}/shims:{root}/bin:{root}/more"
        self.env = {"PATH": path, "PYENV_ROOT": str(root / "pyenv"), "HOME": str(root)}

    def spawn(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        on_line: Callable[[str], None],
        on_message: Callable[[Mapping[str, object]], None] | None = None,
        on_exit: Callable[[], None] | None = None,
    ) -> Child:
        self.asked.append(argv[0])
        return spawn(argv, env=env, cwd=cwd, on_line=on_line, on_message=on_message, on_exit=on_exit)

    def find(self, request: str, folder: str | None = None) -> str:
        found = self.interpreters.find(request, self.run, folder=folder)
        return str(Path(found.path).relative_to(self.root))

    @property
    def run(self) -> CommandRunner:
        return CommandRunner(self.spawn, self.env, self.root, lambda line: None, lambda: False, Redactor())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    python(tmp_path / "shims" / "python3.77", None)
    python(tmp_path / "pyenv" / "versions" / "3.77.2" / "bin" / "python3.77", "3.77.2")
    python(tmp_path / "pyenv" / "versions" / "3.77.10" / "bin" / "python3.77", "3.77.10")
    python(tmp_path / "bin" / "python3.78", "3.78.1")
    python(tmp_path / "more" / "python3.78", "3.78.9")
    python(tmp_path / "more" / "python3.79", "3.80.0")
    python(tmp_path / "more" / "pypy3.78", "3.78.0", "pypy")
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        ("python3.77", "pyenv/versions/3.77.10/bin/python3.77"),
        ("3.77", "pyenv/versions/3.77.10/bin/python3.77"),
        ("3.77.2", "pyenv/versions/3.77.2/bin/python3.77"),
        ("python3.78", "bin/python3.78"),
        ("3.78.9", "more/python3.78"),
        ("cpython3.78", "bin/python3.78"),
        ("pypy3.78", "more/pypy3.78"),
        (">=3.77,<3.79", "more/python3.78"),
        ("~=3.77.1", "pyenv/versions/3.77.10/bin/python3.77"),
        ("~/bin/python3.78", "bin/python3.78"),
    ],
)
def test_as_a_person_would_look(machine: Machine, request_: str, found: str) -> None:
    assert machine.find(request_) == found


def test_a_path_relative_to_the_environment_file(machine: Machine) -> None:
    assert machine.find("../bin/python3.78", folder=str(machine.root / "environment")) == "bin/python3.78"
    with pytest.raises(Permanent):
        machine.find("./python3.78")


@pytest.mark.parametrize("request_", ["python3.79", "3.77.3", "/nowhere/python", ">=3.81,<3.90", "python3.78x"])
def test_what_is_not_here_is_answered_with_what_is(machine: Machine, request_: str) -> None:
    with pytest.raises(NodeError) as caught:
        machine.find(request_)
    assert caught.value.reason is Reason.INTERPRETER_MISSING
    here = str(caught.value).partition("; here are: ")[2].partition(";")[0].split(", ")
    assert "3.77.10" in here
    assert str(machine.root) not in str(caught.value), "a path would leave no room for the advice"


def test_a_range_that_is_none(machine: Machine) -> None:
    with pytest.raises(Permanent, match=r"'>=3\.x' is not a version range"):
        machine.find(">=3.x")


def test_each_file_is_asked_once_until_it_changes(machine: Machine) -> None:
    machine.find("3.78")
    first = len(machine.asked)
    machine.find("3.78")
    machine.interpreters = Interpreters(machine.root / "memory.json")
    machine.find("3.78")
    assert len(machine.asked) == first
    python(machine.root / "bin" / "python3.78", "3.60.0  ")
    assert machine.find("3.78") == "more/python3.78"
    assert machine.asked[first:] == [f"{machine.root}/bin/python3.78", f"{machine.root}/more/python3.78"]


def test_a_damaged_memory_is_no_harm(machine: Machine) -> None:
    (machine.root / "memory.json").write_text('{"x": 1}', encoding="utf-8")
    assert machine.find("3.78") == "bin/python3.78"
