"""One resolution for the cluster: nodes agree on exact versions, whatever is released meanwhile."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from poltergust.base.errors import NodeError, Permanent
from poltergust.environments import resolve
from tests.integration.environments import packages
from tests.integration.environments.conftest import Node, ask
from tests.integration.environments.index_server import Index


class SharedLocks:
    """What the caller makes of a store, here of a folder: create-if-absent is `open` with O_EXCL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._lock = threading.Lock()

    def get(self, key: str) -> str | None:
        with self._lock, contextlib.suppress(FileNotFoundError):
            return (self.folder / key).read_text(encoding="utf-8")
        return None

    def publish(self, key: str, text: str) -> str:
        with self._lock, contextlib.suppress(FileExistsError), (self.folder / key).open("x", encoding="utf-8") as file:
            file.write(text)
        standing = self.get(key)
        assert standing is not None
        return standing

    def replace(self, key: str, text: str) -> None:
        with self._lock:
            (self.folder / key).write_text(text, encoding="utf-8")


@pytest.fixture
def locks(tmp_path: Path) -> SharedLocks:
    return SharedLocks(tmp_path / "locks")


def version(node: Node, locks: SharedLocks, *lines: str, installer: str = "uv") -> str:
    environment = node.ready(node.spec(*lines, installer=installer), locks)
    return ask(environment, "import alpha; print(alpha.version)")


@pytest.mark.parametrize(("first", "second"), [("uv", "uv"), ("uv", "pip"), ("pip", "uv")])
def test_a_release_between_two_builds_changes_neither_node(
    make_node: Callable[..., Node], index: Index, locks: SharedLocks, first: str, second: str
) -> None:
    if "pip" in (first, second):
        packages.bundled_pip(index.folder)
    one, two = make_node("one", index), make_node("two", index)
    assert version(one, locks, "alpha", installer=first) == "1.1"
    packages.wheel(index.folder, "alpha", "2.0")
    assert version(two, locks, "alpha", installer=second) == "1.1"
    one.cache.prune(everything=True)
    assert version(one, locks, "alpha", installer=first) == "1.1"
    assert one.cache.contents()[0].marker is not None


def test_refresh_takes_new_releases_for_all(make_node: Callable[..., Node], index: Index, locks: SharedLocks) -> None:
    one, two = make_node("one", index), make_node("two", index)
    assert version(one, locks, "alpha") == "1.1"
    before = one.ready(one.spec("alpha"), locks)
    packages.wheel(index.folder, "alpha", "2.0")
    text = two.cache.refresh(
        two.spec("alpha"), node_env=two.env, on_line=two.said.append, cancelled=lambda: False, locks=locks
    )
    assert resolve.versions(text) == {"alpha": "2.0", "luigi": "3.0"}
    assert version(one, locks, "alpha") == "2.0"
    assert version(two, locks, "alpha") == "2.0"
    after = one.ready(one.spec("alpha"), locks)
    assert before.lock.split("@")[0] == after.lock.split("@")[0]
    assert before.lock != after.lock == two.ready(two.spec("alpha"), locks).lock


def test_a_refresh_that_fails_leaves_nothing(node: Node) -> None:
    """It says in one line what is wrong, also where no build can begin."""

    def refresh(line: str) -> None:
        node.cache.refresh(node.spec(line), node_env=node.env, on_line=node.said.append, cancelled=lambda: False)

    with pytest.raises(Permanent):
        refresh("alpha==99")
    assert list((node.root / "leases").iterdir()) == []
    (node.root / "work").rmdir()
    (node.root / "work").write_text("in the way")
    with pytest.raises(NodeError, match=r"environment cache: .*work: File exists"):
        refresh("alpha")


def test_nodes_that_resolve_at_the_same_moment_agree(
    make_node: Callable[..., Node], index: Index, locks: SharedLocks
) -> None:
    """Every look at the index sees a newer release, and nobody gets past the resolution before all have looked."""
    nodes = [make_node(f"node-{number}", index) for number in range(4)]
    together = threading.Barrier(len(nodes), timeout=120)
    releases = iter(range(2, 100))
    turn = threading.Lock()

    def release(path: str) -> None:
        if path == "/simple/alpha/" and len(locks_seen) < len(nodes):
            with turn:
                locks_seen.append(path)
                packages.wheel(index.folder, "alpha", f"{next(releases)}.0")
            together.wait()

    locks_seen: list[str] = []
    index.before = release
    with ThreadPoolExecutor(len(nodes)) as pool:
        environments = list(pool.map(lambda node: node.ready(node.spec("alpha"), locks), nodes))
    assert len({environment.lock for environment in environments}) == 1
    assert len({ask(environment, "import alpha; print(alpha.version)") for environment in environments}) == 1


def test_an_edit_of_the_file_is_a_new_resolution(node: Node, index: Index, locks: SharedLocks) -> None:
    assert version(node, locks, "alpha") == "1.1"
    packages.wheel(index.folder, "alpha", "2.0")
    assert version(node, locks, "alpha>0") == "2.0"


def test_a_lock_says_nothing_of_this_machine(node: Node, locks: SharedLocks) -> None:
    packages.source(node.files / "code", "epsilon", "1.0")
    packages.wheel(node.files, "zeta", "1.0")
    node.ready(node.spec("./code", "./zeta-1.0-py3-none-any.whl", "alpha"), locks)
    [published] = [path.read_text(encoding="utf-8") for path in locks.folder.iterdir()]
    assert sorted(resolve.versions(published)) == ["alpha", "luigi"]
    body = "\n".join(line for line in published.splitlines() if not line.startswith("#"))
    assert re.search(r"/|file:", body) is None
