"""Which directory runs work in, by default and where it cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from poltergust.base.errors import UsageError
from poltergust.node import working_directory
from poltergust.node.settings import Settings
from poltergust.path import layout

FOLDER = layout.WatchedPath("/srv/pipeline")
BUCKET = layout.WatchedPath("gs://mybucket/team a/pipeline")


def test_of_a_folder_it_is_where_the_agent_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert working_directory.prepare(Settings(FOLDER, "n", cache=tmp_path / "cache")) == tmp_path


def test_of_a_bucket_it_is_the_paths_own_for_every_agent_that_shares_the_cache(tmp_path: Path) -> None:
    folder = working_directory.prepare(Settings(BUCKET, "one", cache=tmp_path))
    assert folder == working_directory.prepare(Settings(BUCKET, "two", cache=tmp_path))
    assert folder.is_dir()
    assert folder.name.startswith("mybucket-team-a-pipeline-")
    other = layout.WatchedPath("gs://mybucket/team-a/pipeline")
    assert folder != Settings(other, "one", cache=tmp_path).working_directory


def test_looking_makes_none(tmp_path: Path) -> None:
    settings = Settings(BUCKET, "n", cache=tmp_path / "cache")
    assert not working_directory.examine(settings).exists()


def test_a_directory_that_is_gone_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UsageError, match="the directory in which this was started is gone"):
        working_directory.prepare(Settings(FOLDER, "n", cache=tmp_path))


def test_a_socket_fits_into_a_runs_private_folder() -> None:
    """multiprocessing makes `pymp-xxxxxxxx/listener-xxxxxxxx` in TMPDIR, and unix(7) takes 107 bytes."""
    scratch = Settings(BUCKET, "n" * 100, cache=Path("/home/somebody-with-a-long-name/.cache/poltergust")).scratch
    assert len(f"{scratch}/xxxxxxxx/tmp/pymp-xxxxxxxx/listener-xxxxxxxx") <= 107
