"""What is decided before anything is built."""

from __future__ import annotations

import pytest

from poltergust.environments import Dependency, EnvironmentSpec, lines, virtualenv_options
from poltergust.environments.interpreters import Interpreter
from poltergust.environments.origins import Placed
from poltergust.environments.plan import Plan
from poltergust.environments.uv_settings import UvSettings

PYTHON = Interpreter("/p", "/p", "3.11.7", "cpython", "linux-x86_64")


@pytest.mark.parametrize(
    ("line", "added"),
    [
        ("luigi>=3", ()),
        ("Luigi==3.6", ()),
        ("LUIGI[toml]", ()),
        ("pandas", ("luigi",)),
        ("luigi==3.6; python_version < '3'", ("luigi",)),
    ],
)
def test_luigi_is_added_where_no_line_names_it(line: str, added: tuple[str, ...]) -> None:
    spec = EnvironmentSpec("/e.yaml", {}, (Dependency(line, 1),), {})
    placed = tuple(Placed(read, read.text) for read in lines.read(spec.dependencies))
    assert Plan(spec, PYTHON, virtualenv_options.read({}), placed, UvSettings()).added == added
