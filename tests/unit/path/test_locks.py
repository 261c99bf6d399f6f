"""Exact versions, agreed on through a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from poltergust.path import layout
from poltergust.path.locks import StoreLocks
from poltergust.path.state import PathState


@pytest.fixture
def path(tmp_path: Path) -> layout.WatchedPath:
    return layout.WatchedPath(str(tmp_path / "pipeline"))


@pytest.fixture
def locks(path: layout.WatchedPath) -> StoreLocks:
    return PathState.open(path).locks


def test_who_publishes_first_decides_for_everybody(locks: StoreLocks) -> None:
    assert locks.get("key") is None
    assert locks.publish("key", "alpha==1\n") == "alpha==1\n"
    assert locks.publish("key", "alpha==2\n") == "alpha==1\n"
    assert locks.get("key") == "alpha==1\n"
    locks.replace("key", "alpha==3\n")
    assert locks.get("key") == "alpha==3\n"


def test_a_damaged_lock_is_replaced(locks: StoreLocks, path: layout.WatchedPath) -> None:
    Path(path.lock("key")).parent.mkdir(parents=True)
    Path(path.lock("key")).write_bytes(b"\xff\xfe\x00")
    assert locks.get("key") is None
    assert locks.publish("key", "alpha==1\n") == "alpha==1\n"
    assert locks.get("key") == "alpha==1\n"
