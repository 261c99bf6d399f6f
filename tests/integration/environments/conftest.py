"""Parts for the tests of environments: a node with its cache and variables, an index of small packages."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from poltergust.environments import Dependency, Environment, EnvironmentSpec, Locks, Objects
from poltergust.environments.cache import EnvironmentCache
from poltergust.environments.eviction import Limits
from poltergust.processes.child import spawn
from tests.integration.environments import packages
from tests.integration.environments.index_server import Index, serve


@dataclass
class Node:
    """One machine: its cache, its variables, what its builds said."""

    root: Path
    env: dict[str, str]
    files: Path  # the folder of its environment files
    said: list[str] = field(default_factory=list)
    objects: Objects | None = None
    limits: Limits = field(default_factory=Limits)
    install_pythons: bool = False
    _cache: EnvironmentCache | None = None

    @property
    def cache(self) -> EnvironmentCache:
        if self._cache is None:
            self._cache = EnvironmentCache(
                self.root, spawn, objects=self.objects, limits=self.limits, install_pythons=self.install_pythons
            )
        return self._cache

    def spec(
        self,
        *lines: str,
        virtualenv: Mapping[str, str | bool | tuple[str, ...]] | None = None,
        url: str = "",
        installer: str = "uv",
    ) -> EnvironmentSpec:
        """Dependencies stand on lines 5, 6, … of the file."""
        dependencies = tuple(Dependency(text, number) for number, text in enumerate(lines, 5))
        return EnvironmentSpec(url or str(self.files / "env.yaml"), virtualenv or {}, dependencies, {}, installer)

    def ready(self, spec: EnvironmentSpec, locks: Locks | None = None) -> Environment:
        """Build or find; not held afterwards."""
        with self.cache.ready(
            spec, node_env=self.env, on_line=self.said.append, cancelled=lambda: False, locks=locks
        ) as environment:
            return environment

    @property
    def log(self) -> str:
        return "\n".join(self.said)


def ask(environment: Environment, code: str) -> str:
    """What the environment's Python prints for `code`."""
    done = subprocess.run(
        [str(environment.python), "-I", "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """uv's cache, one for all tests that install from the public registry: nothing is downloaded twice."""
    return tmp_path_factory.mktemp("uv")


@contextlib.contextmanager
def small_index(folder: Path) -> Iterator[Index]:
    """An index that has a stand-in for luigi (every environment gets luigi) and `alpha` 1.0 and 1.1."""
    with serve(folder) as server:
        packages.wheel(server.folder, "luigi", "3.0", body="name = 'stand-in'\n")
        for version in ("1.0", "1.1"):
            packages.wheel(server.folder, "alpha", version)
        yield server


def node_in(home: Path, downloads: Path, index: Index | None = None) -> Node:
    """A node with the machine's own settings, or with only those of `index`."""
    (home / "files").mkdir(parents=True)
    env = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
    env |= {"UV_CACHE_DIR": str(downloads)}
    if index is not None:
        env = {key: value for key, value in env.items() if not key.startswith(("PIP_", "UV_"))}
        env |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index.url(), "HOME": str(home)}
        if "PYENV_ROOT" not in env:
            env["PYENV_ROOT"] = str(Path.home() / ".pyenv")
    return Node(home / "cache", env, home / "files")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with small_index(tmp_path / "index") as server:
        yield server


@pytest.fixture
def make_node(tmp_path: Path, downloads: Path) -> Callable[..., Node]:
    """Makes nodes: see `node_in`."""

    def make(name: str = "node", index: Index | None = None, **more: object) -> Node:
        node = node_in(tmp_path / name, downloads, index)
        for key, value in more.items():
            setattr(node, key, value)
        return node

    return make


@pytest.fixture
def node(make_node: Callable[..., Node], index: Index) -> Node:
    """A node that knows nothing but the tests' own index."""
    return make_node("node", index)


def contains(folder: Path, secret: str) -> list[str]:
    """Files below `folder` whose name or bytes contain `secret`."""
    wanted = secret.encode()
    return [
        str(path)
        for path in folder.rglob("*")
        if secret in path.name or (path.is_file() and not path.is_symlink() and wanted in path.read_bytes())
    ]
