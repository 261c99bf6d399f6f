"""Eviction: keep the cache in bounds by count, size and age, least recently used first, never one that is in use.

An environment is in use while any process on the machine holds its lease. What a killed build left behind (a folder
without a marker that nobody holds) goes too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from poltergust.environments import leases, marker
from poltergust.environments.marker import Marker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What the cache may keep. None: no limit. `max_bytes` in bytes, `max_age` in seconds since last use."""

    max_count: int | None = 100
    max_bytes: int | None = 20 * 1024**3
    max_age: float | None = 30 * 86400.0


@dataclass(frozen=True)
class Cached:
    """One environment in the cache. `marker` is None for one that is being built, or was left half-built. `last_used`
    in seconds since the epoch, `users` are the ids of the processes that hold its lease."""

    key: str
    folder: Path
    marker: Marker | None
    last_used: float
    users: tuple[int, ...]

    @property
    def size(self) -> int:
        return self.marker.size if self.marker else 0


@dataclass(frozen=True)
class Evicted:
    """What was removed, and the bytes it took."""

    keys: tuple[str, ...] = ()
    size: int = 0


def used(folder: Path) -> None:
    """Remember that it was used just now: the marker's time."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(folder / marker.NAME)


def everything(environments: Path, lease_folder: Path) -> list[Cached]:
    """All environments, most recently used first."""
    found = []
    try:
        folders = [entry for entry in environments.iterdir() if entry.is_dir()]
    except FileNotFoundError:
        return []
    for folder in folders:
        mark = marker.read(folder)
        try:
            last_used = (folder / marker.NAME if mark else folder).stat().st_mtime
        except FileNotFoundError:  # evicted by another process between two looks
            continue
        found.append(Cached(folder.name, folder, mark, last_used, leases.holders(lease_folder / folder.name)))
    return sorted(found, key=lambda cached: cached.last_used, reverse=True)


def over(cached: Iterable[Cached], limits: Limits, now: float) -> list[Cached]:
    """Those that `limits` leave no room for, least recently used first; half-built ones are always among them."""
    count, size, result = 0, 0, []
    for one in cached:
        count += 1
        size += one.size
        if (
            one.marker is None
            or (limits.max_count is not None and count > limits.max_count)
            or (limits.max_bytes is not None and size > limits.max_bytes)
            or (limits.max_age is not None and now - one.last_used > limits.max_age)
        ):
            result.append(one)
            count -= 1
            size -= one.size
    return result[::-1]


def evict(cached: Iterable[Cached], lease_folder: Path) -> Evicted:
    """Remove those of `cached` that nobody uses. One that this user may not remove, because another one built it, is in
    nobody's way."""
    keys, size = [], 0
    for one in cached:
        try:
            removed = _remove(one, lease_folder / one.key)
        except OSError as error:
            where = error.filename or one.folder
            log.warning("the environment %s cannot be removed: %s: %s", one.key, where, error.strerror)
            continue
        if removed:
            keys.append(one.key)
            size += one.size
    return Evicted(tuple(keys), size)


def _remove(one: Cached, lease: Path) -> bool:
    """Whether it is gone; the marker goes first, so that a crash leaves no half that looks whole."""
    with leases.lease(lease) as held:
        if not held.try_exclusive():
            return False
        (one.folder / marker.NAME).unlink(missing_ok=True)
        shutil.rmtree(one.folder, ignore_errors=True)
        if one.folder.exists():
            return False
        held.remove()
        return True


def keep_within(environments: Path, lease_folder: Path, limits: Limits) -> Evicted:
    return evict(over(everything(environments, lease_folder), limits, time.time()), lease_folder)
