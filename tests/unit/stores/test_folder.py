"""The folder store beside programs that know nothing of it: files being written, links, crashes, full disks."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import threading
import time
from pathlib import Path

import pytest

from poltergust.stores import Conflict, Denied, DiskFull, NameTooLong, NotFound, StoreError, Unavailable
from poltergust.stores.folder import FolderStore, claims, files, lock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path.resolve() / "pipeline"
    made.mkdir()
    return made


@pytest.fixture
def side(path: Path) -> Path:
    return path.with_name("pipeline.poltergust")


@pytest.fixture
def store(side: Path) -> FolderStore:
    return FolderStore(side, recovers=True)


@pytest.fixture
def config(path: Path) -> Path:
    made = path / "x.config.yaml"
    made.write_bytes(b"ran")
    return made


def listed(store: FolderStore, path: Path) -> list[str]:
    return [entry.url.removeprefix(f"{path}/") for entry in store.list(f"{path}/")]


def done(config: Path) -> str:
    return str(config).replace(".config.", ".done.")


# reading


def test_a_file_that_grows_is_read_when_it_has_come_to_rest(
    store: FolderStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poltergust.stores.folder._REST", 1.0)  # much longer than the writer's pauses
    monkeypatch.setattr("poltergust.stores.folder._MAX_WAIT_SECONDS", 60.0)
    file = path / "x.config.yaml"
    started = threading.Event()

    def grow() -> None:
        with file.open("wb", buffering=0) as out:
            for _ in range(20):
                out.write(b"line\n")
                started.set()
                time.sleep(0.02)

    writer = threading.Thread(target=grow)
    writer.start()
    started.wait(60)
    data = store.read(str(file)).data
    writer.join()
    assert data == b"line\n" * 20


def test_a_file_that_changes_while_it_is_read_is_read_again(
    store: FolderStore, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed_meanwhile(descriptor: int, limit: int | None, *more: int) -> bytes:
        data = files.read_bytes(descriptor, limit, *more)
        monkeypatch.setattr("poltergust.stores.folder.read_bytes", files.read_bytes)
        config.write_bytes(b"new")
        return data

    store.read(str(config))  # so that it has come to rest
    monkeypatch.setattr("poltergust.stores.folder.read_bytes", changed_meanwhile)
    assert store.read(str(config)).data == b"new"


def test_a_file_that_never_rests_is_left_for_later(
    store: FolderStore, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poltergust.stores.folder._MAX_WAIT_SECONDS", 0.3)
    monkeypatch.setattr("poltergust.stores.folder._REST", 10.0)
    with pytest.raises(Unavailable, match="still being written"):
        store.read(str(config))


def test_a_file_of_a_clock_that_is_ahead_is_read_all_the_same(
    store: FolderStore, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poltergust.stores.folder.time.time", lambda: 0.0)
    assert store.read(str(config)).data == b"ran"


def test_a_renamed_error_is_a_new_generation(store: FolderStore, config: Path) -> None:
    first = store.read(str(config)).generation
    error = config.with_name("x.error.yaml")
    config.rename(error)
    error.rename(config)
    assert store.read(str(config)).generation != first


@pytest.mark.parametrize("kind", ["folder", "pipe", "nowhere", "below-a-file", "loop", "null"])
def test_what_is_no_file_does_not_exist(store: FolderStore, path: Path, config: Path, kind: str) -> None:
    name = str(path / "odd.config.yaml")
    if kind == "folder":
        os.mkdir(name)
    elif kind == "pipe":
        os.mkfifo(name)
    elif kind == "loop":
        os.symlink(name, name)
    elif kind == "below-a-file":
        name = str(config / "odd.config.yaml")
    elif kind == "null":
        name += "\0"
    with pytest.raises(NotFound):
        store.read(name)
    assert listed(store, path) == ["x.config.yaml"]


def test_nothing_is_written_beside_a_path_whose_folder_is_gone(store: FolderStore, side: Path, path: Path) -> None:
    """Unmounted, or removed by somebody: the write says so, and does not wait for the folder to come back."""
    path.rmdir()
    path.parent.rename(path.parent.with_name("elsewhere"))
    for write in (store.write, store.append):
        with pytest.raises(Unavailable, match="is gone"):
            write(f"{side}/nodes/n.json", b"{}")


def test_links_are_read_but_neither_listed_nor_renamed(store: FolderStore, path: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "y.config.yaml").write_bytes(b"y")
    (path / "l.config.yaml").symlink_to(real / "y.config.yaml")
    (path / "sub").symlink_to(real)
    assert listed(store, path) == []
    blob = store.read(str(path / "l.config.yaml"))
    assert blob.data == b"y"
    with pytest.raises(Denied, match="symbolic link"):
        store.move(blob.url, blob.generation, done(path / "l.config.yaml"))
    assert (path / "l.config.yaml").is_symlink()


def test_an_agent_that_lists_configs_says_which_it_leaves_out(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (path / "l.config.yaml").symlink_to("real.yaml")
    (path / "environment.yaml").symlink_to("real.yaml")
    side = Path(f"{path}.poltergust")
    for recovers in (False, True):
        assert list(FolderStore(side, recovers=recovers).list(f"{path}/", suffix=".config.yaml")) == []
    text = f"{path}/l.config.yaml is a symbolic link, which is left out; put a copy of the file there"
    assert [each.getMessage() for each in caplog.records] == [text]


def test_names_that_are_not_unicode_are_listed_on_the_path_and_nowhere_else(
    store: FolderStore, path: Path, config: Path, tmp_path: Path
) -> None:
    odd = os.fsdecode(b"\xff\xfe.config.yaml")
    (path / odd).touch()
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / odd).touch()
    assert listed(store, path) == ["x.config.yaml", odd]
    assert list(store.list(f"{tmp_path}/code/")) == []


# the rename


def test_what_replaces_the_file_before_it_is_claimed_stays(
    store: FolderStore, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = store.read(str(config)).generation
    write_intent = claims._write_intent

    def replaced_meanwhile(claim: int, intent: claims._Intent) -> None:
        write_intent(claim, intent)
        config.write_bytes(b"new")  # same length, same inode

    monkeypatch.setattr(claims, "_write_intent", replaced_meanwhile)
    with pytest.raises(Conflict):
        store.move(str(config), generation, done(config))
    assert os.listdir(config.parent) == ["x.config.yaml"]
    assert config.read_bytes() == b"new"


def test_what_is_uploaded_while_it_is_claimed_stays_beside_the_outcome(
    store: FolderStore, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = store.read(str(config)).generation
    meets = claims._Intent.meets

    def uploaded_meanwhile(intent: claims._Intent, name: str, folder: int) -> bool:
        config.write_bytes(b"next")
        return meets(intent, name, folder)

    monkeypatch.setattr(claims._Intent, "meets", uploaded_meanwhile)
    assert store.move(str(config), generation, done(config))
    assert config.read_bytes() == b"next"
    assert Path(done(config)).read_bytes() == b"ran"


def test_a_target_that_is_a_folder_leaves_the_config_where_it_was(store: FolderStore, config: Path) -> None:
    os.mkdir(done(config))
    with pytest.raises(Denied):
        store.move(str(config), store.read(str(config)).generation, done(config))
    assert config.read_bytes() == b"ran"
    assert sorted(os.listdir(config.parent)) == ["x.config.yaml", "x.done.yaml"]


def leftover(config: Path, intent: bytes | None) -> None:
    """A claim as a process leaves it that died right after claiming."""
    claim = config.with_name(claims.claim_of(config.name))
    claim.mkdir()
    if intent is not None:
        (claim / "intent").write_bytes(intent)
    config.rename(claim / config.name)


def intent_for(config: Path, **changed: object) -> bytes:
    found = config.stat()
    with files.opened(str(config)) as descriptor:
        content = files.digest(descriptor)
    made: dict[str, object] = {
        "target": "x.done.yaml",
        "digest": content,
        "inode": found.st_ino,
        "size": found.st_size,
        "modified": found.st_mtime_ns,
    }
    return json.dumps(made | changed).encode()


@pytest.mark.parametrize("look", ["list", "read", "move"])
def test_a_rename_that_was_begun_is_finished_by_who_comes_next(store: FolderStore, config: Path, look: str) -> None:
    generation = store.read(str(config)).generation
    leftover(config, intent_for(config))
    if look == "list":
        assert listed(store, config.parent) == ["x.done.yaml"]
    else:
        with pytest.raises(NotFound):
            store.read(str(config)) if look == "read" else store.move(str(config), generation, done(config))
    assert os.listdir(config.parent) == ["x.done.yaml"]


@pytest.mark.parametrize("broken", [None, b"", b'{"target": "/x', b"[]", b'{"target": 1}'])
def test_a_claim_without_a_whole_intent_is_undone(store: FolderStore, config: Path, broken: bytes | None) -> None:
    leftover(config, broken)
    assert listed(store, config.parent) == ["x.config.yaml"]
    assert store.read(str(config)).data == b"ran"
    assert os.listdir(config.parent) == ["x.config.yaml"]


@pytest.mark.parametrize("changed", [{"digest": "0" * 12}, {"inode": 1}, {"modified": 1}, {"size": 1}])
def test_a_claim_on_another_file_is_undone(store: FolderStore, config: Path, changed: dict[str, object]) -> None:
    leftover(config, intent_for(config, **changed))
    assert store.read(str(config)).data == b"ran"
    assert os.listdir(config.parent) == ["x.config.yaml"]


def test_a_newer_file_is_never_overwritten_by_what_goes_back(store: FolderStore, config: Path) -> None:
    leftover(config, None)
    config.write_bytes(b"newer")
    assert listed(store, config.parent) == ["x.config.yaml"]
    assert config.read_bytes() == b"newer"
    assert os.listdir(config.parent) == ["x.config.yaml"]


def test_who_may_only_read_lists_in_spite_of_a_leftover(
    store: FolderStore, config: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    leftover(config, None)
    (config.parent / "y.config.yaml").write_bytes(b"")

    def refuse(_folder: int, _claim: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(claims, "recover", refuse)
    assert listed(store, config.parent) == ["y.config.yaml"]
    assert "cannot be finished here" in caplog.text


def test_a_file_system_without_hard_links_still_puts_back(
    store: FolderStore, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    leftover(config, None)
    assert store.read(str(config)).data == b"ran"
    with pytest.raises(Conflict):
        store.write(str(config), b"second", if_generation="0")
    store.write(str(config.with_name("n")), b"new", if_generation="0")
    assert sorted(os.listdir(config.parent)) == ["n", "x.config.yaml"]


# the lock


def test_a_lock_that_is_not_given_back_is_a_passing_failure(
    store: FolderStore, side: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_MAX_WAIT_SECONDS", 0.2)
    generation = store.read(str(config)).generation
    side.mkdir()
    with (side / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="held for too long"):
            store.move(str(config), generation, done(config))
    assert store.move(str(config), generation, done(config))


def test_a_lock_file_that_is_deleted_while_waiting_is_taken_anew(store: FolderStore, side: Path, config: Path) -> None:
    side.mkdir()
    with (side / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        os.unlink(side / "lock")
        os.rmdir(side)
        assert store.move(str(config), store.read(str(config)).generation, done(config))
    assert (side / "lock").exists()


# writing


def test_a_file_appears_whole_or_not_at_all(store: FolderStore, path: Path) -> None:
    stop = threading.Event()
    seen: set[bytes] = set()

    def watch() -> None:
        while not stop.is_set():
            for entry in os.scandir(path):
                if not entry.name.startswith("."):
                    seen.add(Path(entry.path).read_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in range(50):
        store.write(str(path / "x"), bytes([number]) * 100_000)
    stop.set()
    watcher.join()
    assert all(len(data) == 100_000 and len(set(data)) == 1 for data in seen)
    assert os.listdir(path) == ["x"]


def test_a_new_file_has_the_mode_the_umask_says(store: FolderStore, path: Path) -> None:
    before = os.umask(0o027)
    try:
        store.write(str(path / "x"), b"")
    finally:
        os.umask(before)
    assert (path / "x").stat().st_mode & 0o777 == 0o640


def test_a_dead_writers_hidden_file_is_cleaned_away_later(
    store: FolderStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = path / ".poltergust-0123.tmp"
    hidden.write_bytes(b"half")
    assert listed(store, path) == []
    assert hidden.exists()
    monkeypatch.setattr("poltergust.stores.folder._STALE", -1.0)
    assert listed(store, path) == []
    assert not hidden.exists()


def test_folders_emptied_beside_the_path_go_and_the_users_stay(store: FolderStore, path: Path, side: Path) -> None:
    store.write(f"{side}/runs/sub/x/1/n.json", b"{}")
    store.write(f"{path}/sub/x.config.yaml", b"")
    store.delete(f"{side}/runs/sub/x/1/n.json")
    store.delete(f"{path}/sub/x.config.yaml")
    assert not (side / "runs").exists()
    assert (path / "sub").exists()


def test_what_a_full_disk_takes_of_an_append_is_not_there_twice(store: FolderStore, path: Path) -> None:
    log = str(path / "x.log")
    store.append(log, b"first\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9, limits[1]))  # a write up to there is taken in part, as by a full disk
    try:
        with pytest.raises(Unavailable, match="File too large"):
            store.append(log, b"second\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    store.append(log, b"second\n")
    assert Path(log).read_bytes() == b"first\nsecond\n"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EACCES, Denied),
        (errno.EROFS, Denied),
        (errno.ESTALE, Unavailable),
        (errno.EIO, Unavailable),
        (errno.EMFILE, Unavailable),
        (errno.ENAMETOOLONG, NameTooLong),
    ],
)
def test_each_failure_of_the_system_has_its_error(
    store: FolderStore, path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[StoreError]
) -> None:
    def fail(*_arguments: object, **_options: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(kind, match="x"):
        store.write(str(path / "x"), b"data")
    assert os.listdir(path) == []


def test_a_name_that_no_file_can_have_says_so(store: FolderStore, path: Path) -> None:
    with pytest.raises(NameTooLong, match="shorter name"):
        store.write(str(path / ("x" * 256)), b"")


def test_a_listing_and_a_read_say_the_same_time(store: FolderStore, side: Path) -> None:
    """To the last bit: whoever remembers what a listing said must not take the file for another."""
    for number in range(200):
        store.write(str(side / "p" / f"{number}.json"), b"x")
    for entry in store.list(f"{side}/p/"):
        assert store.read(entry.url).updated == entry.updated
