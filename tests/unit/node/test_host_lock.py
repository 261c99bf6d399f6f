"""One agent of a name on one machine."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest

from poltergust.base.errors import UsageError
from poltergust.node import host_lock
from poltergust.node.host_lock import only_agent_here
from poltergust.node.settings import Settings
from poltergust.path.layout import WatchedPath

SETTINGS = Settings(WatchedPath("gs://bucket/pipeline"), "box")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(host_lock, "FOLDER", tmp_path)
    return tmp_path / f"poltergust-{os.getuid()}"


def test_a_second_agent_of_one_name_is_refused_whatever_its_cache() -> None:
    with only_agent_here(SETTINGS, "one"):
        with pytest.raises(UsageError) as refused, only_agent_here(replace(SETTINGS, cache=Path("/other")), "two"):
            pass
        assert str(refused.value) == (
            f"another agent on this machine, process {os.getpid()}, listens to gs://bucket/pipeline as box; stop that "
            "one, or give this one a name of its own: --node box-2"
        )
        for other in (replace(SETTINGS, node="box-2"), replace(SETTINGS, path=WatchedPath("gs://bucket/other"))):
            with only_agent_here(other, "three"):
                pass


def test_the_next_agent_knows_which_ones_have_ended() -> None:
    seen = []
    for instance in ("one", "two", "three"):
        with only_agent_here(SETTINGS, instance) as ended:
            seen.append(ended)
    assert seen == [(), ("one",), ("two", "one")]


def _killed() -> None:
    with only_agent_here(SETTINGS, "killed"):
        os._exit(9)


def test_the_lock_of_an_agent_that_was_killed_is_free() -> None:
    process = multiprocessing.get_context("fork").Process(target=_killed)
    process.start()
    process.join(60)
    assert process.exitcode == 9
    with only_agent_here(SETTINGS, "next") as ended:
        assert ended == ("killed",)


def test_only_this_user_can_read_or_hold_it(folder: Path) -> None:
    with only_agent_here(SETTINGS, "one"):
        (lock,) = folder.iterdir()
        assert (folder.stat().st_mode & 0o777, lock.stat().st_mode & 0o777) == (0o700, 0o600)


@pytest.mark.parametrize("planted", ["link", "open"])
def test_a_folder_that_somebody_planted_is_not_used(
    folder: Path, tmp_path: Path, planted: str, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if planted == "link":
        folder.symlink_to(elsewhere)
    else:
        folder.mkdir()
        folder.chmod(0o777)
    with only_agent_here(SETTINGS, "one") as ended:
        assert ended == ()
    assert "is not a folder that only this user can write to" in caplog.text
    assert not list(folder.iterdir())
