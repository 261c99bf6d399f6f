"""Builds: from the public registry, for every Python, with virtualenv's options, from a bucket; and failing ones."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from poltergust.base.errors import NodeError, Permanent, RunError, Temporary
from poltergust.base.reasons import Reason
from poltergust.stores import Blob, Entry, NotFound
from tests import needs
from tests.emulators.servers import free_port
from tests.integration.environments import packages
from tests.integration.environments.conftest import Node, ask
from tests.integration.environments.index_server import Index


def test_from_the_registry_with_the_machines_own_settings(make_node: Callable[..., Node]) -> None:
    node = make_node()
    environment = node.ready(node.spec("six<1.17", "tenacity>=8 ; python_version >= '3'"))
    assert ask(environment, "import six, tenacity, luigi; print(six.__version__)") == "1.16.0"
    assert ask(environment, "import sys; print(sys.prefix)") == str(environment.folder)
    again = node.ready(node.spec("six<1.17", "tenacity>=8 ; python_version >= '3'"))
    assert (again.built, again.key, again.lock) == (False, environment.key, environment.lock)


def test_the_version_of_luigi_that_the_lines_ask_for_wins(make_node: Callable[..., Node]) -> None:
    node = make_node()
    environment = node.ready(node.spec("luigi==3.7.3"))
    assert ask(environment, "from importlib.metadata import version; print(version('luigi'))") == "3.7.3"


@pytest.mark.parametrize("layout", ["pyenv", "path"])
def test_python_3_8(make_node: Callable[..., Node], tmp_path: Path, layout: str) -> None:
    """`python: python3.8` is found in pyenv's folders, where its shim does not answer, and on PATH."""
    python = needs.pyenv_python("3.8")
    node = make_node()
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    node.env = {key: value for key, value in node.env.items() if not key.startswith("PYENV")} | {"HOME": str(tmp_path)}
    if layout == "pyenv":
        shim = bin_folder / "python3.8"
        shim.write_text("#!/bin/sh\necho 'pyenv: python3.8: command not found' >&2\nexit 127\n", encoding="utf-8")
        shim.chmod(0o755)
        versions = tmp_path / "pyenv" / "versions"
        versions.mkdir(parents=True)
        (versions / python.parents[1].name).symlink_to(python.parents[1])
        node.env["PYENV_ROOT"] = str(tmp_path / "pyenv")
    else:
        (bin_folder / "python3.8").symlink_to(python)
    node.env["PATH"] = f"{bin_folder}:/usr/bin:/bin"
    environment = node.ready(node.spec("luigi", virtualenv={"python": "python3.8"}))
    assert environment.version.startswith("3.8.")
    assert ask(environment, "import sys, luigi; print(sys.version_info[:2])") == "(3, 8)"


@pytest.mark.parametrize("minor", ["3.7", "3.9", "3.10", "3.12", "3.13"])
def test_other_pythons(node: Node, minor: str) -> None:
    needs.pyenv_python(minor)
    environment = node.ready(node.spec("alpha", virtualenv={"python": minor}))
    assert ask(environment, "import sys, alpha; print('%d.%d' % sys.version_info[:2], alpha.version)") == f"{minor} 1.1"
    started = subprocess.run(
        [str(environment.python), "-c", ""], capture_output=True, text=True, check=True, timeout=60
    )
    assert started.stderr == ""


def test_a_python_that_is_too_old_is_passed_over_in_a_list(node: Node) -> None:
    ready = node.ready(node.spec("alpha", virtualenv={"python": ("python2.7", platform.python_version())}))
    assert ready.version == platform.python_version()
    with pytest.raises(Permanent, match=r"python: 3\.6\.1 is too old"):
        node.ready(node.spec(virtualenv={"python": ("python2.7", "3.6.1")}))
    with pytest.raises(NodeError, match=r"python: python3\.99 is not on this node"):
        node.ready(node.spec(virtualenv={"python": ("python3.99", "python2.7")}))


def test_a_python_that_is_not_here_is_answered_with_what_is(node: Node) -> None:
    with pytest.raises(NodeError) as caught:
        node.ready(node.spec(virtualenv={"python": "python3.99"}))
    assert caught.value.reason is Reason.INTERPRETER_MISSING
    assert str(caught.value).startswith("virtualenv: python: python3.99 is not on this node; here are: 3.")


@pytest.mark.parametrize("python", ["3.8", "3.11"])
def test_seed_packages_that_are_asked_for(make_node: Callable[..., Node], python: str) -> None:
    needs.pyenv_python(python)
    node = make_node()
    environment = node.ready(node.spec(virtualenv={"python": python, "pip": "24.0"}))
    assert ask(environment, "import pip; print(pip.__version__)") == "24.0"


def test_options_of_virtualenv_pass_through(node: Node) -> None:
    environment = node.ready(node.spec(virtualenv={"prompt": "mine", "system-site-packages": True}))
    configuration = (environment.folder / "pyvenv.cfg").read_text(encoding="utf-8")
    assert "mine" in (environment.folder / "bin" / "activate").read_text(encoding="utf-8")
    assert "include-system-site-packages = true" in configuration


def test_lines_apart_are_installed_without_their_dependencies(node: Node, index: Index) -> None:
    packages.bundled_pip(index.folder)
    packages.wheel(index.folder, "needy", "1.0", requires=["nowhere-to-be-found"])
    environment = node.ready(node.spec("needy --no-deps", "alpha"))
    assert ask(environment, "import needy, alpha; print(needy.version)") == "1.0"
    assert "pip installs line 5 by itself (needy --no-deps)" in node.log


@dataclass
class Bucket:
    """Objects of a store, with generations, counting reads."""

    objects: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)

    def put(self, url: str, data: bytes) -> None:
        self.objects[url] = (data, self.objects.get(url, (b"", 0))[1] + 1)

    def read(self, url: str, *, limit: int | None = None) -> Blob:
        if url not in self.objects:
            raise NotFound(url)
        self.reads.append(url)
        data, generation = self.objects[url]
        return Blob(url, data, str(generation), float(generation))

    def list(self, prefix: str, *, suffix: str = "") -> Iterator[Entry]:
        for url, (data, generation) in sorted(self.objects.items()):
            if url.startswith(prefix) and url.endswith(suffix):
                yield Entry(url, len(data), float(generation))


def test_wheels_and_sdists_from_a_bucket(make_node: Callable[..., Node], index: Index, tmp_path: Path) -> None:
    bucket = Bucket()
    node = make_node("cloud", index, objects=bucket)
    made = tmp_path / "made"
    bucket.put("gs://b/code/zeta-1.0-py3-none-any.whl", packages.wheel(made, "zeta", "1.0").read_bytes())
    bucket.put("gs://b/environment/eta-2.0.tar.gz", packages.sdist(made, "eta", "2.0").read_bytes())
    bucket.put("gs://b/links/theta-3.0-py3-none-any.whl", packages.wheel(made, "theta", "3.0").read_bytes())
    bucket.put("gs://b/links/theta-3.1-py3-none-any.whl", packages.wheel(made, "theta", "3.1").read_bytes())
    bucket.put("gs://b/environment/reqs.txt", b"alpha==1.0\n")
    lines = (
        "gs://b/code/zeta-1.0-py3-none-any.whl",
        "./eta-2.0.tar.gz",
        "--find-links gs://b/links",
        "theta",
        "-r reqs.txt",
    )
    spec = node.spec(*lines, url="gs://b/environment/env.yaml")
    first = node.ready(spec)
    code = "import zeta, eta, theta, alpha; print(zeta.version, eta.version, theta.version, alpha.version)"
    assert ask(first, code) == "1.0 2.0 3.1 1.0"
    bucket.reads.clear()
    assert not node.ready(spec).built
    assert bucket.reads == []
    body = "version = 'again'\n"
    bucket.put("gs://b/code/zeta-1.0-py3-none-any.whl", packages.wheel(made, "zeta", "1.0", body=body).read_bytes())
    second = node.ready(spec)
    assert second.built
    assert ask(second, code) == "again 2.0 3.1 1.0"
    assert bucket.reads == ["gs://b/code/zeta-1.0-py3-none-any.whl"]


def test_an_object_that_is_not_there(make_node: Callable[..., Node], index: Index) -> None:
    node = make_node("cloud", index, objects=Bucket())
    with pytest.raises(Permanent) as caught:
        node.ready(node.spec("gs://b/code/zeta-1.0-py3-none-any.whl"))
    assert caught.value.reason is Reason.PACKAGE_NOT_FOUND
    assert str(caught.value) == ("dependencies, line 5: gs://b/code/zeta-1.0-py3-none-any.whl: there is no such object")


@dataclass(frozen=True)
class Wrong:
    lines: tuple[str, ...]
    kind: type[RunError]
    reason: Reason
    says: str


BROKEN = "def build_wheel(*a, **k):\n    raise SystemExit('error: command cc failed: no such header zlib.h')\n"
FAILURES = {
    "no such package": Wrong(
        ("nowhere-to-be-found",), Permanent, Reason.PACKAGE_NOT_FOUND, "line 5 (nowhere-to-be-found)"
    ),
    "no such version": Wrong(("alpha==9",), Permanent, Reason.PACKAGE_NOT_FOUND, "line 5 (alpha==9)"),
    "contradiction": Wrong(("alpha<1.1", "alpha>1.0"), Permanent, Reason.RESOLUTION_IMPOSSIBLE, "alpha"),
    "contradiction through others": Wrong(
        ("wants-old", "alpha>1.0"), Permanent, Reason.RESOLUTION_IMPOSSIBLE, "wants-old"
    ),
    "unreadable": Wrong(("alpha=>1.0",), Permanent, Reason.DEPENDENCY_INVALID, "line 5"),
    "build fails": Wrong(("broken",), NodeError, Reason.INSTALL_FAILED, "no such header zlib.h"),
}


@pytest.mark.parametrize(
    ("case", "installer"), [*((case, "uv") for case in FAILURES), ("no such package", "pip"), ("build fails", "pip")]
)
def test_failures_explain_themselves(node: Node, index: Index, case: str, installer: str) -> None:
    wrong = FAILURES[case]
    if installer == "pip":
        packages.bundled_pip(index.folder)
    packages.wheel(index.folder, "wants-old", "1.0", requires=["alpha<1.1"])
    packages.sdist(index.folder, "broken", "1.0", backend=BROKEN)
    with pytest.raises(wrong.kind) as caught:
        node.ready(node.spec(*wrong.lines, installer=installer))
    message = str(caught.value)
    assert (caught.value.reason, "\n" in message) == (wrong.reason, False), message
    assert wrong.says in message, node.log
    assert node.cache.contents() == []


@pytest.mark.parametrize("installer", ["uv", "pip"])
@pytest.mark.parametrize("how", ["refused", "503"])
def test_an_unreachable_registry_passes(node: Node, index: Index, how: str, installer: str) -> None:
    if installer == "pip":
        packages.bundled_pip(index.folder)
        node.ready(node.spec("alpha", installer="pip"))  # has pip from here on
    node.env["PIP_RETRIES"] = "0"
    if how == "503":
        index.fail = 503
    else:
        node.env["PIP_INDEX_URL"] = f"http://127.0.0.1:{free_port()}/simple/"
    with pytest.raises(Temporary) as caught:
        node.ready(node.spec("alpha<2", installer=installer))
    assert caught.value.reason is Reason.REGISTRY_UNREACHABLE, node.log


def test_the_node_without_a_home(make_node: Callable[..., Node], index: Index) -> None:
    node = make_node("homeless", index)
    del node.env["HOME"]
    assert ask(node.ready(node.spec("alpha")), "import alpha; print(alpha.version)") == "1.1"


def test_variables_that_would_bend_the_build_are_left_out(node: Node, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('not the one')\n", encoding="utf-8")
    node.env |= {"PYTHONPATH": str(tmp_path), "VIRTUAL_ENV": "/nowhere", "UV_PYTHON": "3.2", "PIP_TARGET": "/nowhere"}
    node.env |= {"VIRTUALENV_SYSTEM_SITE_PACKAGES": "1"}
    environment = node.ready(node.spec("alpha"))
    assert "include-system-site-packages = false" in (environment.folder / "pyvenv.cfg").read_text(encoding="utf-8")


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_lines_with_hashes(node: Node, index: Index, installer: str) -> None:
    """Where one line has a hash pip demands one of all: luigi is not added a second time without."""
    packages.bundled_pip(index.folder)
    lines = []
    for name, version in (("alpha", "1.0"), ("Luigi", "3.0")):  # a name is the same in capitals
        wheel = (index.folder / f"{name.lower()}-{version}-py3-none-any.whl").read_bytes()
        lines.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel).hexdigest()}")
    environment = node.ready(node.spec("--require-hashes", *lines, installer=installer))
    assert ask(environment, "import alpha, luigi; print(alpha.version)") == "1.0"
