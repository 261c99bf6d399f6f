"""Planted locks, seen from the node that builds from them: nothing but what the environment file leads to gets in."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from poltergust.base.errors import NodeError
from poltergust.environments import resolve
from poltergust.environments.commands import CommandResult, CommandRunner
from tests import needs
from tests.integration.environments import packages
from tests.integration.environments.conftest import Node, ask, downloads, index, make_node, node
from tests.integration.environments.index_server import Index, serve
from tests.security.test_locks import Shared

__all__ = ["downloads", "index", "make_node", "node"]  # fixtures

DAMAGED = "is damaged"


def pinned(index: Index, name: str, version: str) -> str:
    """A lock's entry for a wheel of `index`."""
    wheel = (index.folder / f"{name}-{version}-py3-none-any.whl").read_bytes()
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel).hexdigest()}"


def lock_of(*entries: str) -> Shared:
    return Shared("# exact versions\n" + "".join(f"{entry}\n" for entry in entries))


def modules(node: Node, locks: Shared, *lines: str, installer: str = "uv") -> str:
    """Which of the modules that matter here an environment of `lines` has, with their versions."""
    environment = node.ready(node.spec(*lines, installer=installer), locks)
    code = "import importlib.metadata as m; print(*sorted(d.name + d.version for d in m.distributions()))"
    return ask(environment, code)


def test_a_lock_that_stands_is_what_is_installed(node: Node, index: Index, caplog: pytest.LogCaptureFixture) -> None:
    """What the attacks are measured by: an older release that the file allows is no attack, and stays."""
    packages.wheel(index.folder, "alpha", "1.2", requires=["beta"])
    packages.wheel(index.folder, "beta", "1.0")
    packages.wheel(index.folder, "beta", "2.0")
    locks = lock_of(pinned(index, "alpha", "1.2"), pinned(index, "beta", "1.0"), pinned(index, "luigi", "3.0"))
    before = locks.text
    assert modules(node, locks, "alpha") == "alpha1.2 beta1.0 luigi3.0"
    assert locks.text == before
    assert DAMAGED not in caplog.text


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_package_that_nothing_needs_is_neither_installed_nor_asked_for(
    node: Node, index: Index, installer: str
) -> None:
    """An sdist runs code when it is built, for its metadata already: it must not even be downloaded."""
    packages.bundled_pip(index.folder)
    ran = node.files / "ran"
    packages.sdist(index.folder, "evil", "1.0", backend=f"open({str(ran)!r}, 'w').close()\nraise SystemExit(1)\n")
    locks = lock_of(pinned(index, "alpha", "1.0"), pinned(index, "luigi", "3.0"), "evil==1.0")
    assert modules(node, locks, "alpha", installer=installer).startswith("alpha1.")
    assert not index.downloads("evil")
    assert "/simple/evil/" not in index.requests
    assert not ran.exists()
    if installer == "uv":  # pip takes a lock as constraints, which bring nothing in
        assert locks.text is not None
        assert resolve.versions(locks.text) == {"alpha": "1.1", "luigi": "3.0"}, "resolved again for all nodes"


@pytest.mark.parametrize("installer", ["uv", "pip"])
@pytest.mark.parametrize("version", ["2.0", "9.9"])
def test_a_release_that_the_file_does_not_allow_is_not_installed(
    node: Node, index: Index, installer: str, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    packages.bundled_pip(index.folder)
    packages.wheel(index.folder, "alpha", "2.0")
    locks = lock_of(f"alpha=={version}", pinned(index, "luigi", "3.0"))
    assert modules(node, locks, "alpha<2", installer=installer) == "alpha1.1 luigi3.0"
    assert locks.text is not None
    assert resolve.versions(locks.text)["alpha"] == "1.1"
    assert DAMAGED in caplog.text


def test_a_hash_that_no_index_gives_is_damage(node: Node, index: Index, caplog: pytest.LogCaptureFixture) -> None:
    locks = lock_of(f"alpha==1.0 --hash=sha256:{'0' * 64}", pinned(index, "luigi", "3.0"))
    assert modules(node, locks, "alpha") == "alpha1.1 luigi3.0"
    assert "has a file of alpha==1.0 with its hashes" in caplog.text
    assert locks.text is not None
    assert pinned(index, "alpha", "1.1") in locks.text


def test_a_file_that_was_exchanged_in_the_index_is_not_installed(make_node: Callable[..., Node], index: Index) -> None:
    """What a hash in the lock is for: the first node saw the real file."""
    locks = Shared(None)
    one, two = make_node("one", index), make_node("two", index)
    two.env["UV_CACHE_DIR"] = str(two.root / "uv")
    assert modules(one, locks, "alpha==1.1") == "alpha1.1 luigi3.0"
    real = pinned(index, "alpha", "1.1")
    assert locks.text is not None
    assert real in locks.text

    def exchange(path: str) -> None:
        """The index's page still names the real file's hash: the file itself is another."""
        if path.startswith("/files/alpha-1.1") and ".metadata" not in path:
            packages.wheel(index.folder, "alpha", "1.1", body="version = 'evil'\n")

    index.before = exchange
    with pytest.raises(NodeError, match="Hash mismatch"):
        two.ready(two.spec("alpha==1.1"), locks)


def test_a_published_lock_has_a_hash_of_everything_and_no_address(node: Node, index: Index, tmp_path: Path) -> None:
    """The address of an index may hold a password, and is each node's own."""
    with serve(tmp_path / "more", "user:tok3n") as more:
        packages.wheel(more.folder, "beta", "1.0")
        node.env["PIP_EXTRA_INDEX_URL"] = more.url(credentials="user:tok3n")
        node.env["UV_EMIT_INDEX_URL"] = "1"
        locks = Shared(None)
        assert modules(node, locks, "alpha", "beta") == "alpha1.1 beta1.0 luigi3.0"
    assert locks.text is not None
    entries = [line for line in locks.text.splitlines() if not line.startswith("#")]
    assert len(entries) == 3
    assert all("--hash=sha256:" in entry for entry in entries)
    for secret in ("tok3n", "http", "127.0.0.1", str(index.port)):
        assert secret not in "\n".join(entries)


@pytest.mark.parametrize(("lines", "demanded"), [(["alpha"], True), (["alpha", "./code"], False)])
def test_a_lock_without_hashes_is_installed_with_those_of_the_index(
    node: Node, lines: list[str], demanded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip's locks have none; whoever strips them from one of uv's gains nothing. A folder has none to demand."""
    packages.source(node.files / "code", "epsilon", "1.0")
    asked = []
    run = CommandRunner.__call__

    def watched(
        self: CommandRunner, argv: Sequence[str], *, env: Mapping[str, str] | None = None, quiet: bool = False
    ) -> CommandResult:
        if "install" in argv and any("locked.txt" in argument for argument in argv):
            asked.append((env or {}).get("UV_REQUIRE_HASHES") == "1")
            locked = next(node.root.glob("work/*/locked.txt")).read_text(encoding="utf-8")
            assert all("--hash=sha256:" in line for line in locked.splitlines() if "==" in line)
        return run(self, argv, env=env, quiet=quiet)

    monkeypatch.setattr(CommandRunner, "__call__", watched)
    node.env["UV_CONSTRAINT"] = str(node.files / "limits.txt")
    (node.files / "limits.txt").write_text("alpha<1.1\n", encoding="utf-8")
    assert modules(node, lock_of("alpha==1.0", "luigi==3.0"), *lines).startswith("alpha1.0 ")
    assert asked == [demanded]


@pytest.mark.parametrize("planted", ["0123456789012345678901234567890123456789", "other"])
def test_a_commit_that_is_not_the_files_is_not_installed(
    node: Node, index: Index, tmp_path: Path, planted: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One that the repository does not have, and one of it where the line itself names a commit."""
    needs.program("git", "apt-get install git")
    with serve(tmp_path / "forge") as forge:
        bare = packages.git_repository(forge.folder / "git" / "delta.git", "delta", "0.7", body="word = 'right'\n")
        work = bare.parent / "delta.git.work"
        right = (bare / "info" / "refs").read_text(encoding="utf-8").split()[0]
        (work / "delta.py").write_text("word = 'wrong'\n", encoding="utf-8")
        wrong = packages.commit(work, bare)
        url = f"git+http://127.0.0.1:{forge.port}/git/delta.git"
        locks = lock_of(f"delta @ {url}@{wrong if planted == 'other' else planted}", "luigi==3.0")
        environment = node.ready(node.spec(f"{url}@{right if planted == 'other' else 'main'}"), locks)
        expected = "right" if planted == "other" else "wrong"  # the newest of main
        assert ask(environment, "import delta; print(delta.word)") == expected
    assert DAMAGED in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


def test_another_folder_of_the_repository_is_not_the_files(node: Node, index: Index, tmp_path: Path) -> None:
    """A repository of the file holds more packages than the one that the file names."""
    needs.program("git", "apt-get install git")
    with serve(tmp_path / "forge") as forge:
        bare = packages.git_repository(forge.folder / "git" / "delta.git", "delta", "0.7")
        work = bare.parent / "delta.git.work"
        packages.source(work / "evil", "evil", "1.0")
        commit = packages.commit(work, bare)
        url = f"git+http://127.0.0.1:{forge.port}/git/delta.git"
        folder = f"evil @ {url}@{commit}#subdirectory=evil"
        locks = lock_of(f"delta @ {url}@{commit}", folder, "luigi==3.0")
        assert modules(node, locks, f"{url}@main") == "delta0.7 luigi3.0"
        assert locks.text is not None
        assert "evil" not in locks.text
