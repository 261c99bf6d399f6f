"""What uv, pip and git really print when something is wrong, and the reason that is read from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from poltergust.base.errors import NodeError, Permanent, RunError, Temporary
from poltergust.base.reasons import Reason
from tests import needs
from tests.emulators.servers import free_port
from tests.integration.environments import packages
from tests.integration.environments.conftest import Node, node_in, small_index
from tests.integration.environments.index_server import Index


@dataclass(frozen=True)
class Case:
    """`line` with PORT for the index's port and CLOSED for one that nobody listens on; `status`: the index answers
    everything with it."""

    line: str
    kind: type[RunError]
    reason: Reason
    text: str = ""
    status: int = 0
    end: str = ""  # what the message ends with: the cause


CASES = {
    "no such version": Case("alpha==9", Permanent, Reason.PACKAGE_NOT_FOUND, "line 5 (alpha==9)"),
    "a requirement of a package": Case("needs-nowhere", Permanent, Reason.PACKAGE_NOT_FOUND, "line 5"),
    "contradiction": Case("wants-old>1\nwants-new", Permanent, Reason.RESOLUTION_IMPOSSIBLE, "wants-"),
    "no such file": Case("x @ http://127.0.0.1:PORT/files/x-1.0-py3-none-any.whl", Permanent, Reason.PACKAGE_NOT_FOUND),
    "no such host": Case(
        "x @ http://nohost.invalid/x-1.0-py3-none-any.whl",
        Temporary,
        Reason.REGISTRY_UNREACHABLE,
        "the server nohost.invalid cannot be reached: ",
        end="Name or service not known",
    ),
    "git: refused": Case(
        "x @ git+http://127.0.0.1:CLOSED/x.git",
        Temporary,
        Reason.REGISTRY_UNREACHABLE,
        "the git host 127.0.0.1 cannot be reached: unable to access ",
        end="Couldn't connect to server",
    ),
    "git: no such host": Case(
        "x @ git+http://nohost.invalid/x.git",
        Temporary,
        Reason.REGISTRY_UNREACHABLE,
        "the git host nohost.invalid cannot be reached: ",
        end="Could not resolve host: nohost.invalid",
    ),
    "git: no such ssh host": Case(
        "x @ git+ssh://git@nohost.invalid/x.git",
        Temporary,
        Reason.REGISTRY_UNREACHABLE,
        "the git host nohost.invalid cannot be reached: ",
        end="Name or service not known",
    ),
    "git: 503": Case(
        "x @ git+http://127.0.0.1:PORT/x.git", Temporary, Reason.REGISTRY_UNREACHABLE, "the git host 127.0.0.1", 503
    ),
    "git: 403": Case("x @ git+http://127.0.0.1:PORT/x.git", NodeError, Reason.INSTALL_FAILED, "credentials", 403),
    "git: password": Case("x @ git+http://127.0.0.1:PORT/x.git", NodeError, Reason.INSTALL_FAILED, "credentials", 401),
    "too many requests": Case("alpha<2", Temporary, Reason.REGISTRY_UNREACHABLE, status=429),
    "no credentials": Case("alpha<2", NodeError, Reason.INSTALL_FAILED, "credentials", 401),
    "forbidden": Case("alpha<2", NodeError, Reason.INSTALL_FAILED, "credentials", 403),
}


@pytest.fixture(scope="module")
def shared_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """For all cases, with packages that cannot be installed."""
    with small_index(tmp_path_factory.mktemp("index")) as index:
        packages.wheel(index.folder, "needs-nowhere", "1.0", requires=["nowhere-to-be-found"])
        packages.wheel(index.folder, "wants-old", "2.0", requires=["alpha<1.1"])
        packages.wheel(index.folder, "wants-new", "1.0", requires=["alpha>1.0"])
        packages.bundled_pip(index.folder)
        yield index


@pytest.fixture(scope="module")
def shared_node(tmp_path_factory: pytest.TempPathFactory, downloads: Path, shared_index: Index) -> Node:
    """For all cases; has pip from here on."""
    node = node_in(tmp_path_factory.mktemp("node"), downloads, shared_index)
    node.ready(node.spec("alpha", installer="pip"))
    return node


@pytest.mark.parametrize("installer", ["uv", "pip"])
@pytest.mark.parametrize("name", CASES)
def test_the_reason_of_a_real_failure(
    shared_node: Node, shared_index: Index, tmp_path: Path, name: str, installer: str
) -> None:
    if name.startswith("git"):
        needs.program("git", "apt-get install git")
    node, case = shared_node, CASES[name]
    node.said.clear()
    node.env |= {"PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1", "UV_CACHE_DIR": str(tmp_path / "uv")}
    lines = case.line.replace("PORT", str(shared_index.port)).replace("CLOSED", str(free_port())).splitlines()
    shared_index.fail = case.status
    with pytest.raises(case.kind) as caught:
        node.ready(node.spec(*lines, installer=installer))
    assert caught.value.reason is case.reason, node.log
    assert case.text in str(caught.value)
    assert str(caught.value).rstrip(")").endswith(case.end)


def test_a_folder_that_is_no_project(node: Node) -> None:
    (node.files / "code").mkdir()
    with pytest.raises(Permanent, match=r"line 5: .*/code: this folder has no pyproject\.toml or setup\.py") as caught:
        node.ready(node.spec("./code"))
    assert caught.value.reason is Reason.DEPENDENCY_INVALID


BACKEND = """def build_wheel(*_): exec(open("setup.py").read(), {})"""
BUILDS = {
    "an exception": (
        'print("checking\\n" * 40)\nraise RuntimeError("libfoo is missing")',
        "RuntimeError: libfoo is missing",
    ),
    "a message": (
        'import sys\nprint("ERROR: pg_config not found.")\nprint("Add it to PATH.\\n" * 9)\nsys.exit(1)',
        "ERROR: pg_config not found.",
    ),
    "a compiler": (
        'import sys\nprint("running build")\nprint("x.c:1:10: fatal error: foo.h: No such file")\n'
        'print("error: command gcc failed with exit code 1")\nsys.exit(1)',
        "x.c:1:10: fatal error: foo.h: No such file",
    ),
}


@pytest.mark.parametrize("installer", ["uv", "pip"])
@pytest.mark.parametrize("name", BUILDS)
def test_why_a_package_could_not_be_built(shared_node: Node, name: str, installer: str) -> None:
    """What setup.py said last, below all that it printed and above what the installer adds."""
    code, cause = BUILDS[name]
    node = shared_node
    source = node.files / f"broken-{installer}"
    source.mkdir(exist_ok=True)
    (source / "setup.py").write_text(code, encoding="utf-8")  # without setuptools, which the index does not have
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (source / "backend.py").write_text(BACKEND, encoding="utf-8")
    with pytest.raises(NodeError, match="a package could not be built") as caught:
        node.ready(node.spec(f"./broken-{installer}", installer=installer))
    assert caught.value.reason is Reason.INSTALL_FAILED
    assert str(caught.value).endswith(f": {cause}"), node.log
