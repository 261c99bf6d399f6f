"""Planted claims and links: whoever can write to a folder cannot make others overwrite, empty or read another one."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poltergust.path.layout import WatchedPath
from poltergust.stores import Denied, NotFound, Store, Stores, Unavailable
from poltergust.stores.folder import claims, files
from tests.security.fuzz import fuzzed, json_values
from tests.security.users import NOBODY, acting_as, needs_root
from tests.unit.cli.calling import call


@pytest.fixture
def path(common: Path) -> Path:
    made = common / "pipeline"
    made.mkdir()
    made.chmod(0o777)
    return made


@pytest.fixture
def victim(common: Path) -> Path:
    """Another folder, whose files must stay as they are."""
    made = common / "victim"
    made.mkdir(mode=0o700)
    (made / "precious").write_bytes(b"precious")
    return made


def store_of(path: Path, *, recovers: bool = True) -> Store:
    return Stores(WatchedPath(str(path)).state_prefix, recovers=recovers).of(str(path))


def names(store: Store, path: Path) -> list[str]:
    return [entry.url.removeprefix(f"{path}/") for entry in store.list(f"{path}/")]


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below, links not followed: path to content, None for folders and links."""
    return {
        str(found.relative_to(folder)): found.read_bytes() if found.is_file() and not found.is_symlink() else None
        for found in folder.rglob("*")
    }


def plant(config: Path, target: object, *, content: bytes = b"evil") -> Path:
    """A claim on `config` that says that it is to be renamed to `target`; its folder."""
    claim = config.with_name(claims.claim_of(config.name))
    claim.mkdir()
    held = claim / config.name
    held.write_bytes(content)
    look = held.stat()
    with files.opened(str(held)) as descriptor:
        digest = files.digest(descriptor)
    intent = {
        "target": target,
        "digest": digest,
        "inode": look.st_ino,
        "size": look.st_size,
        "modified": look.st_mtime_ns,
    }
    (claim / "intent").write_text(json.dumps(intent))
    return claim


@pytest.mark.parametrize("target", ["../victim/precious", "/{victim}/precious", "sub/../../victim/precious", "..", ""])
def test_a_claim_whose_target_is_elsewhere_overwrites_nothing(path: Path, victim: Path, target: str) -> None:
    plant(path / "x.config.yaml", target.replace("/{victim}", str(victim)))
    before = tree(path.parent)
    store = store_of(path)
    assert names(store, path) == []
    with pytest.raises(NotFound):
        store.read(f"{path}/x.config.yaml")
    after = tree(path.parent)
    assert {name: after[name] for name in before} == before  # the lock file is new


def test_a_claim_that_is_a_link_empties_nothing(path: Path, victim: Path) -> None:
    (path / claims.claim_of("x.config.yaml")).symlink_to(victim)
    before = tree(victim)
    store = store_of(path)
    assert names(store, path) == []
    with pytest.raises(Denied, match="in the way"):
        store.write(f"{path}/x.config.yaml", b"new", if_generation="0")
    assert tree(victim) == before


def test_a_claim_that_holds_other_files_is_left_alone(path: Path) -> None:
    claim = plant(path / "x.config.yaml", "x.done.yaml")
    (claim / "y.config.yaml").write_bytes(b"another")
    before = tree(path)
    assert names(store_of(path), path) == []
    assert tree(path) == before


def test_a_link_inside_a_claim_is_not_read_through(path: Path, victim: Path) -> None:
    claim = plant(path / "x.config.yaml", "x.done.yaml")
    (claim / "x.config.yaml").unlink()
    (claim / "x.config.yaml").symlink_to(victim / "precious")
    assert names(store_of(path), path) == []
    assert (path / "x.config.yaml").is_symlink()  # put back as the link that it was, which no node runs
    assert (victim / "precious").read_bytes() == b"precious"


def test_commands_that_look_change_nothing(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path / "z.config.yaml").write_bytes(b"z")
    plant(path / "x.config.yaml", "x.done.yaml")
    old = path / ".poltergust-0123.tmp"
    old.write_bytes(b"half")
    os.utime(old, (0, 0))
    before = tree(path.parent)
    for command in (["status"], ["history"], ["logs", "x"], ["status", "x"]):
        assert "Traceback" not in call(capsys, *command, "--path", str(path)).err
        assert tree(path.parent) == before, command


def test_an_honest_leftover_is_finished_by_an_agent(path: Path) -> None:
    plant(path / "x.config.yaml", "x.done.yaml", content=b"ran")
    assert names(store_of(path, recovers=False), path) == []
    assert names(store_of(path), path) == ["x.done.yaml"]


@needs_root
def test_another_users_claim_is_not_finished(path: Path, victim: Path) -> None:
    with acting_as(NOBODY):
        (path / claims.claim_of("x.config.yaml")).mkdir()
    (path / "x.config.yaml").write_bytes(b"ran")
    store = store_of(path)
    assert names(store, path) == ["x.config.yaml"]
    generation = store.read(f"{path}/x.config.yaml").generation
    with pytest.raises(Denied, match="another user"):
        store.move(f"{path}/x.config.yaml", generation, f"{path}/x.done.yaml")
    assert (path / "x.config.yaml").read_bytes() == b"ran"


@needs_root
def test_an_agent_that_is_a_plain_user_finishes_its_own_and_not_roots(path: Path) -> None:
    plant(path / "x.config.yaml", "x.done.yaml")
    before = tree(path)
    with acting_as(NOBODY):
        plant(path / "y.config.yaml", "y.done.yaml")
        assert names(store_of(path), path) == ["y.done.yaml"]
    assert {name: content for name, content in tree(path).items() if not name.startswith("y.")} == before


# links beside the path


@pytest.mark.parametrize("at", ["{side}", "{side}/logs", "{side}/logs/x/1"])
def test_nothing_is_written_through_a_folder_that_is_a_link(path: Path, victim: Path, at: str) -> None:
    link = Path(at.format(side=f"{path}.poltergust"))
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(victim)
    before = tree(victim)
    store = store_of(path)
    url = f"{path}.poltergust/logs/x/1/node.log"
    for attempt in (lambda: store.append(url, b"line\n"), lambda: store.write(url, b"line\n")):
        with pytest.raises(Denied, match="symbolic link"):
            attempt()
    with pytest.raises(NotFound):
        store.read(url)
    store.delete(url)
    assert tree(victim) == before


def test_a_log_or_record_that_is_a_link_is_neither_written_nor_read_through(path: Path, victim: Path) -> None:
    side = Path(f"{path}.poltergust")
    (side / "runs/x/1").mkdir(parents=True)
    (side / "runs/x/1/node.json").symlink_to(victim / "precious")
    store = store_of(path)
    url = f"{side}/runs/x/1/node.json"
    with pytest.raises(NotFound):
        store.read(url)
    with pytest.raises(Denied, match="symbolic link"):
        store.append(url, b"more")
    store.write(url, b"{}")  # takes the link's place
    assert store.read(url).data == b"{}"
    assert tree(victim) == {"precious": b"precious"}


def test_a_lock_that_is_a_link_makes_no_file_elsewhere(path: Path, victim: Path) -> None:
    side = Path(f"{path}.poltergust")
    side.mkdir()
    (side / "lock").symlink_to(victim / "made")
    with pytest.raises(Denied, match="symbolic link"):
        store_of(path).write(f"{path}/x.config.yaml", b"new", if_generation="0")
    assert tree(victim) == {"precious": b"precious"}


@pytest.mark.parametrize("read", [False, True])
def test_a_log_that_is_a_pipe_holds_nobody_up(path: Path, read: bool) -> None:
    """A node writes logs and records in one line of calls: one that never ends would be the last."""
    log = Path(f"{path}.poltergust/logs/x/1/node.log")
    log.parent.mkdir(parents=True)
    os.mkfifo(log)
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK) if read else None
    with pytest.raises((Denied, Unavailable)):
        store_of(path).append(str(log), b"line\n")
    if reader is not None:
        assert os.read(reader, 10) == b""
        os.close(reader)


@needs_root
@pytest.mark.parametrize(("mode", "may"), [(0o755, False), (0o777, True)])
def test_who_may_only_read_the_folder_cannot_hold_its_lock(path: Path, mode: int, may: bool) -> None:
    """flock(2) asks for no more than an open file, and whoever holds this one stops every node of the path."""
    side = Path(f"{path}.poltergust")
    side.mkdir()
    side.chmod(mode)
    (side / "lock").touch(mode=0o644)  # as an older version made it
    store_of(path).write(f"{path}/x.config.yaml", b"new", if_generation="0")
    with acting_as(NOBODY), contextlib.nullcontext() if may else pytest.raises(PermissionError):
        os.close(os.open(side / "lock", os.O_RDONLY))


@pytest.mark.parametrize("command", ["retry", "cancel"])
@pytest.mark.parametrize("name", ["../victim/x", "sub/../../victim/x", ".", "./x"])
def test_a_name_that_leaves_the_path_is_refused(
    path: Path, victim: Path, command: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("config", "error"):
        (victim / f"x.{kind}.yaml").write_bytes(b"x")
    before = tree(victim)
    assert call(capsys, command, name, "--path", str(path)).code == 2
    assert tree(victim) == before


@given(st.binary(max_size=300) | json_values.map(lambda value: json.dumps({"target": value}).encode()))
@fuzzed
def test_no_intent_whatever_breaks_a_listing(intent: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder).resolve() / "pipeline"
        path.mkdir()
        claim = plant(path / "x.config.yaml", "x.done.yaml")
        (claim / "intent").write_bytes(intent)
        assert names(store_of(path), path) in (["x.config.yaml"], [])
