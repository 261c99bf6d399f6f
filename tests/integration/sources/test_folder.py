"""The folder source on real files: what it reports, and what the folder itself may go through."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poltergust.sources.folder import FolderSource
from tests.emulators.servers import wait_until


@contextmanager
def watching(root: Path, *, force_polling: bool | None = None) -> Iterator[tuple[FolderSource, list[str]]]:
    heard: list[str] = []
    source = FolderSource(root, force_polling=force_polling)
    source.start(heard.append)
    try:
        yield source, heard
    finally:
        source.stop()
    count = len(heard)
    if root.is_dir():
        (root / "after-stop.yaml").touch()
    assert len(heard) == count
    assert "poltergust-folder-source" not in {thread.name for thread in threading.enumerate()}


def wait_for(heard: list[str], path: Path) -> None:
    wait_until(lambda: str(path) in heard, f"{path.name} to be reported")
    heard.clear()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "pipeline"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("force_polling", [None, True])
def test_written_renamed_removed(root: Path, tmp_path: Path, force_polling: bool | None) -> None:
    config = root / "ünï code.config.yaml"
    with watching(root, force_polling=force_polling) as (source, heard):
        assert source.state().alive
        assert source.state().last_event is None
        config.write_text("a")
        wait_for(heard, config)
        assert source.state().last_event is not None
        config.write_text("changed, and longer")
        os.utime(config, (time.time() + 10,) * 2)  # polling would not see a second write in the same second
        wait_for(heard, config)
        done = config.with_name("ünï code.done.yaml")
        config.rename(done)
        wait_until(lambda: {str(config), str(done)} <= set(heard), "both names of the rename")
        heard.clear()
        done.unlink()
        wait_for(heard, done)
        # As editors and careful programs write: beside it, then renamed into place.
        (tmp_path / "elsewhere").write_text("b")
        (tmp_path / "elsewhere").rename(config)
        wait_for(heard, config)


def test_a_name_that_is_not_utf8_is_no_folder_that_cannot_be_watched(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with watching(root) as (source, heard):
        (root / os.fsdecode(b"caf\xe9.txt")).write_text("")
        wait_until(lambda: "caf" in caplog.text, "the warning")
        assert source.state().alive
        (root / "next.config.yaml").write_text("")
        wait_for(heard, root / "next.config.yaml")
    (said,) = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert said.startswith(f"folder {root}: a name in it is not UTF-8 (")
    assert said.endswith("; rename it")


def test_a_folder_whose_name_is_not_utf8_keeps_no_change_from_being_heard(root: Path) -> None:
    """It stands there before: opening it is a change that watchfiles ends with, at every start."""
    odd = root / os.fsdecode(b"caf\xe9")
    odd.mkdir()
    with watching(root) as (source, heard):
        wait_until(lambda: source.state().alive, "the folder to be watched")
        (root / "next.config.yaml").write_text("")
        wait_for(heard, root / "next.config.yaml")
        odd.rename(root / "cafe")
        (root / "last.config.yaml").write_text("")
        wait_for(heard, root / "last.config.yaml")
        assert source.state().alive


def test_other_files_are_not_reported(root: Path, tmp_path: Path) -> None:
    side = tmp_path / "pipeline.poltergust"
    side.mkdir()
    with watching(root) as (_, heard):
        for name in ("a.txt", ".a.config.yaml.swp", "a.yaml~", "a.YAML"):
            (root / name).write_text("")
        (side / "b.yaml").write_text("")
        (root / "last.config.yaml").write_text("")
        wait_until(lambda: heard, "the last file")
        assert set(heard) == {str(root / "last.config.yaml")}


def test_files_of_new_sub_folders(root: Path, tmp_path: Path) -> None:
    """Made quicker than a watch can be: every file is reported all the same."""
    with watching(root) as (_, heard):
        expected = set()
        for number in range(30):
            folder = root / f"sub{number}" / "deep" / "er"
            folder.mkdir(parents=True)
            for file in (folder / "x.config.yaml", folder.parent / "y.config.yaml"):
                file.touch()
                expected.add(str(file))
        wait_until(lambda: expected <= set(heard), "all files of new folders")
        moved = tmp_path / "moved"
        (moved / "in").mkdir(parents=True)
        (moved / "in" / "z.config.yaml").touch()
        moved.rename(root / "moved")
        wait_for(heard, root / "moved" / "in" / "z.config.yaml")
        (root / "moved" / "in" / "later.config.yaml").touch()
        wait_for(heard, root / "moved" / "in" / "later.config.yaml")


def test_a_folder_that_comes_later(tmp_path: Path) -> None:
    root = tmp_path / "not" / "yet"
    with watching(root) as (source, heard):
        assert not source.state().alive
        assert source.state().problem == f"folder {root} does not exist; create it, it is looked for all the time"
        root.mkdir(parents=True)
        (root / "a.config.yaml").touch()
        wait_for(heard, root / "a.config.yaml")
        wait_until(lambda: source.state().alive, "the watch")
        assert source.state().problem == ""


@pytest.mark.parametrize("how", ["removed", "renamed", "removed and made at once", "renamed and made at once"])
def test_a_folder_that_goes_and_comes_back(root: Path, tmp_path: Path, how: str) -> None:
    with watching(root) as (source, heard):
        for round_ in range(3):
            if how.startswith("renamed"):
                root.rename(tmp_path / f"old{round_}")
            else:
                shutil.rmtree(root)
            if not how.endswith("at once"):
                wait_until(lambda: source.state().problem, "the loss to be noticed")
                assert not source.state().alive
            root.mkdir()
            config = root / f"{round_}.config.yaml"
            config.touch()
            wait_for(heard, config)
            wait_until(lambda: source.state().alive, "the watch")
            (root / "later.config.yaml").touch()
            wait_for(heard, root / "later.config.yaml")


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    root = tmp_path / "pipeline"
    root.touch()
    with watching(root) as (source, heard):
        root.unlink()
        root.mkdir()
        (root / "a.config.yaml").touch()
        wait_for(heard, root / "a.config.yaml")
        wait_until(lambda: source.state().alive, "the watch")


def test_a_burst_of_files(root: Path) -> None:
    with watching(root) as (_, heard):
        expected = {str(root / f"{number}.config.yaml") for number in range(2000)}
        for path in expected:
            Path(path).touch()
        wait_until(lambda: expected <= set(heard), "all of them")


def test_watching_again_leaves_no_descriptor(root: Path) -> None:
    counts = []
    with watching(root) as (source, heard):
        for round_ in range(6):
            wait_until(lambda: source.state().alive, "the watch")
            counts.append(len(os.listdir("/proc/self/fd")))
            shutil.rmtree(root)
            root.mkdir()
            (root / f"{round_}.config.yaml").touch()
            wait_for(heard, root / f"{round_}.config.yaml")
    assert max(counts[2:]) <= max(counts[:2]), counts
