"""A Python that the node lacks is installed by uv, where the node allows it: the real uv, our own list of releases."""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path

import pytest

from poltergust.base.errors import NodeError, Temporary
from poltergust.base.reasons import Reason
from tests import needs
from tests.integration.environments.conftest import Node, ask


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of downloads in uv's form, with one: pyenv's 3.8, packed as uv's are."""
    home = needs.pyenv_python("3.8").parents[1]
    folder = tmp_path_factory.mktemp("releases")
    left_out = ["__pycache__", "test", "idlelib", "*.a", "config-3*", "site-packages/*"]
    command = ["tar", "-C", str(home.parent), f"--transform=s,^{home.name},python,"]
    command += [*(f"--exclude={name}" for name in left_out), "-czf", str(folder / "python.tar.gz")]
    subprocess.run([*command, f"{home.name}/bin/python3.8", f"{home.name}/lib"], check=True, timeout=120)
    machine = platform.machine()
    release = {
        "name": "cpython",
        "arch": {"family": machine, "variant": None},
        "os": "linux",
        "libc": "gnu",
        "major": 3,
        "minor": 8,
        "patch": int(home.name.split(".")[2]),
        "prerelease": "",
        "url": (folder / "python.tar.gz").as_uri(),
        "sha256": None,
        "variant": None,
        "build": "1",
    }
    listing = folder / "releases.json"
    listing.write_text(json.dumps({f"cpython-{home.name}-linux-{machine}-gnu": release}))
    return listing


@pytest.fixture
def bare(node: Node, tmp_path: Path) -> Node:
    """A node without pyenv."""
    node.env |= {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home")}
    node.env.pop("PYENV_ROOT", None)
    return node


def test_a_python_that_is_missing_is_installed_once(bare: Node, releases: Path) -> None:
    bare.env["UV_PYTHON_DOWNLOADS_JSON_URL"] = str(releases)
    bare.install_pythons = True
    spec = bare.spec("alpha", virtualenv={"python": "python3.8"})
    environment = bare.ready(spec)
    assert environment.version.startswith("3.8.")
    assert Path(ask(environment, "import sys; print(sys.base_prefix)")).is_relative_to(bare.root / "pythons")
    assert bare.log.count("installing python3.8, which is not on this node") == 1
    again = bare.ready(spec)
    assert (again.built, again.key) == (False, environment.key)
    assert bare.log.count("installing python3.8") == 1


def test_where_it_is_not_allowed_the_message_says_how(bare: Node, releases: Path) -> None:
    bare.env["UV_PYTHON_DOWNLOADS_JSON_URL"] = str(releases)
    with pytest.raises(NodeError, match="start the node with --install-pythons") as raised:
        bare.ready(bare.spec(virtualenv={"python": "python3.8"}))
    assert raised.value.reason is Reason.INTERPRETER_MISSING
    assert not (bare.root / "pythons").exists()


@pytest.mark.parametrize("request_", ["python3.99", "--reinstall"])
def test_what_uv_has_not_either_is_missing(bare: Node, releases: Path, request_: str) -> None:
    bare.env["UV_PYTHON_DOWNLOADS_JSON_URL"] = str(releases)
    bare.install_pythons = True
    with pytest.raises(NodeError, match="is not on this node, and uv cannot install it: ") as raised:
        bare.ready(bare.spec(virtualenv={"python": request_}))
    assert raised.value.reason is Reason.INTERPRETER_MISSING


def test_a_path_is_not_installed(bare: Node) -> None:
    bare.install_pythons = True
    with pytest.raises(NodeError, match="/opt/nowhere/python is not on this node; here are: "):
        bare.ready(bare.spec(virtualenv={"python": "/opt/nowhere/python"}))


def test_downloads_that_cannot_be_reached_pass(bare: Node) -> None:
    bare.env |= {"UV_PYTHON_INSTALL_MIRROR": "http://127.0.0.1:9/", "UV_HTTP_RETRIES": "0"}
    bare.install_pythons = True
    with pytest.raises(Temporary, match="where uv downloads it cannot be reached") as raised:
        bare.ready(bare.spec(virtualenv={"python": "python3.8"}))
    assert raised.value.reason is Reason.REGISTRY_UNREACHABLE
