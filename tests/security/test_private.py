"""Nothing that a node keeps or starts is readable by other users of its machine."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from poltergust.base.errors import UsageError
from poltergust.environments import resolve
from poltergust.environments.lines import read_text
from poltergust.luigi_run.own_state import own_password
from poltergust.node.private_cache import make_private
from tests.security.users import NOBODY, acting_as, needs_root


def test_a_new_cache_is_closed_and_an_open_one_of_ours_too(tmp_path: Path) -> None:
    for cache in (tmp_path / "new" / "cache", tmp_path / "open"):
        if cache.name == "open":
            cache.mkdir(mode=0o777)
        make_private(cache)
        assert cache.stat().st_mode & 0o777 == 0o700


@needs_root
def test_a_cache_of_another_user_is_refused(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    os.chown(cache, NOBODY, NOBODY)
    with pytest.raises(UsageError, match="belongs to another user"):
        make_private(cache)


@needs_root
def test_another_user_reads_nothing_in_the_cache(common: Path) -> None:
    cache = common / "cache"
    make_private(cache)
    (cache / "variables").write_text("DB_PASSWORD=x")
    with acting_as(NOBODY), pytest.raises(PermissionError):
        (cache / "variables").read_text()


@needs_root
def test_a_volume_of_root_is_taken_by_a_plain_user_and_said(common: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = common / "volume"
    cache.mkdir()
    cache.chmod(0o777)
    with acting_as(NOBODY), caplog.at_level(logging.WARNING):
        make_private(cache)
    assert "everybody on this machine can write" in caplog.text


@pytest.mark.parametrize("at", [" @ ", "@", "@ "])
def test_no_credential_is_published_in_a_lock(at: str) -> None:
    line = f"alpha{at}http://user:tok3n@host/alpha-1.0.whl"
    lines = list(read_text(line, "dependencies"))
    resolved = f"{line}\nbeta==1.0 --hash=sha256:{'0' * 64}\nsneaky @ https://a:b@c/d.whl\n"
    lock = resolve.pins(resolve.choices(resolved, lines), lines)
    assert lock == f"beta==1.0 --hash=sha256:{'0' * 64}\n"


@needs_root
def test_a_folder_for_the_password_that_is_somebody_elses_is_one_line(common: Path) -> None:
    """`XDG_STATE_HOME` of another user, as `su` and `sudo` leave it."""
    (common / "closed").mkdir(mode=0o700)
    with acting_as(NOBODY), pytest.raises(UsageError, match="Permission denied; set XDG_STATE_HOME to a folder"):
        own_password(common / "closed" / "poltergust" / "scheduler-password")
