"""Finding interpreters, with small scripts in place of Pythons: what a file calls itself is not believed."""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

import pytest
from python_discovery import PythonInfo

from poltergust.base.errors import NodeError, Permanent
from poltergust.base.reasons import Reason
from poltergust.environments.interpreters import Interpreters
from poltergust.processes import Child
from poltergust.processes.child import spawn


def python(path: Path, version: str | None, implementation: str = "CPython") -> Path:
    """A script that answers as a Python of `version`; None: a shim that does not answer. It notes that it was asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    note = "with open(os.environ['ASKED'], 'a') as file: file.write(__file__ + '\\n')"
    if version is None:
        answer = "sys.exit(127)"
    else:
        numbers = dict(zip(("major", "minor", "micro"), map(int, version.split(".")), strict=True))
        info = {**PythonInfo().to_dict(), "implementation": implementation, "executable": str(path)}
        info |= {"version_info": {**numbers, "releaselevel": "final", "serial": 0}, "original_executable": str(path)}
        answer = f"print(sys.argv[2][::-1] + {json.dumps(info)!r} + sys.argv[3][::-1])"
    path.write_text(f"#!{sys.executable} -IS\nimport os, sys\n{note}\n{answer}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


class Machine:
    """PATH with three folders and pyenv beside; knows which files were asked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.interpreters = Interpreters(root / "memory", root / "installed", spawn)
        path = f"{root}/shims:{root}/bin:{root}/more"
        self.env = {"PATH": path, "PYENV_ROOT": str(root / "pyenv"), "HOME": str(root), "ASKED": str(root / "asked")}

    @property
    def asked(self) -> list[str]:
        return (self.root / "asked").read_text(encoding="utf-8").splitlines()

    def find(self, request: str, folder: str | None = None) -> str:
        found = self.interpreters.find(request, self.env, folder=folder)
        return str(Path(found.path).relative_to(self.root))


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
    machine.interpreters = Interpreters(machine.root / "memory", machine.root / "installed", spawn)
    machine.find("3.78")
    assert len(machine.asked) == first
    python(machine.root / "bin" / "python3.78", "3.60.0")
    assert machine.find("3.78") == "more/python3.78"
    assert machine.asked[first:] == [f"{machine.root}/bin/python3.78", f"{machine.root}/more/python3.78"]


def starts_nothing(*args: Any, **options: Any) -> Child:
    raise AssertionError(f"{args} was started")


def test_an_agent_with_more_descriptors_than_select_takes_finds_it_all_the_same(machine: Machine) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(2000, hard)), hard))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while taken[-1] < 1100:
            taken.append(os.open(os.devnull, os.O_RDONLY))
        assert machine.find("3.78") == "bin/python3.78"
        # What is known is asked nobody, also by an agent that is started again.
        machine.interpreters = Interpreters(machine.root / "memory", machine.root / "installed", starts_nothing)
        assert machine.find("3.78") == "bin/python3.78"
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_damaged_memory_is_no_harm(machine: Machine) -> None:
    machine.find("3.78")
    (remembered,) = (machine.root / "memory").iterdir()
    for damaged in ('{"x": 1}', "[]", "", "\x00"):
        remembered.write_text(damaged, encoding="utf-8")
        assert machine.find("3.78") == "bin/python3.78"


def test_a_python_that_is_too_old_is_refused_with_the_reason(machine: Machine) -> None:
    python(machine.root / "bin" / "python3.6", "3.6.15")
    with pytest.raises(Permanent, match=r"python3\.6 is Python 3\.6\.15, .* ask for 3\.7 or newer") as raised:
        machine.find("python3.6")
    assert raised.value.reason is Reason.INVALID_VALUE


@pytest.mark.parametrize("request_", ["python2.7", "2", "pypy2.7", "3.6.1", "/usr/bin/python2.7"])
def test_a_python_that_is_too_old_is_too_old_on_every_node(machine: Machine, request_: str) -> None:
    """Python 2 does not answer, and a node that has none gives the same answer as one that has it."""
    python(machine.root / "bin" / "python2.7", None)
    with pytest.raises(Permanent, match=f"python: {request_} is too old, .* ask for 3.7 or newer") as raised:
        machine.find(request_)
    assert raised.value.reason is Reason.INVALID_VALUE


def test_a_program_that_is_called_like_an_implementation_is_found_by_its_name(machine: Machine) -> None:
    python(machine.root / "bin" / "moonpython", "3.81.0")
    assert machine.find("moonpython") == "bin/moonpython"
    with pytest.raises(NodeError):
        machine.find("sunpython")
