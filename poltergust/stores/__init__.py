"""The store: where configs, outcomes and records live. One small interface over Cloud Storage and local folders.

Objects are addressed by URL text: ``gs://bucket/key`` or an absolute file path (``/data/pipeline/x.config.yaml``).
A *generation* is opaque text that is safe as one path component and differs whenever the object was written again:
Cloud Storage's generation number, or for files one made of the inode change time and a digest of the content. Times
are seconds since the epoch by the *storage server's* clock, so that ages compare without trusting nodes' clocks.

Errors are the same for every store, and all of them a `StoreError`: `NotFound`, `Conflict` (a precondition did not
hold), `Denied`, and `Unavailable` (429, 5xx, network) once the store's own short retries (about 30 s in all) are spent.
Folders add what only they can have: `DiskFull` and `NameTooLong`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from poltergust.base.errors import PoltergustError
from poltergust.base.urls import is_cloud

ABSENT = "0"
"""As `if_generation`: only if no object of that name exists (Cloud Storage's generation 0)."""


class StoreError(PoltergustError):
    """Root of what a store raises. What it means for a run is for `runs` to say."""


class NotFound(StoreError):
    """No such object, or no such bucket."""


class Conflict(StoreError):
    """The object is not (or no longer) the generation that was named."""


class Denied(StoreError):
    """The storage refuses: permissions, a retention policy, a hold, a read-only folder."""


class Unavailable(StoreError):
    """No answer, or none that is any good, after the store's own short retries. Passes by itself.

    `delay` is the least number of seconds until it is worth another try; None: the caller's own backoff.
    """

    def __init__(self, message: str, delay: float | None = None) -> None:
        super().__init__(message)
        self.delay = delay


class DiskFull(StoreError):
    """Folders only: no room on the file system, or the user's quota is spent."""


class NameTooLong(StoreError):
    """Folders only: the file system has no room for a name of that length."""


@dataclass(frozen=True)
class Entry:
    """One object of a listing. `size` in bytes, `updated` in seconds since the epoch by the server's clock. Two of one
    `digest` have the same content; empty where the listing says nothing of it."""

    url: str
    size: int
    updated: float
    digest: str = field(default="", compare=False)


@dataclass(frozen=True)
class Blob:
    """An object that was read: its bytes and the generation they belong to. `served` is when it was read, by the same
    clock as `updated`, so that the difference is its age; None where the store cannot tell. Cloud Storage gives it in
    whole seconds, and `updated` not to the same digit as an `Entry` of the same object."""

    url: str
    data: bytes
    generation: str
    updated: float
    served: float | None = None


class Store(Protocol):
    """Six operations; every one may raise `Denied` and `Unavailable`. Safe to use from several threads."""

    def list(self, prefix: str, *, suffix: str = "", since: str = "") -> Iterator[Entry]:
        """Every object whose URL starts with `prefix` (text, matched to the letter) and ends with `suffix`, by URL;
        only those from the URL `since` on, so that what stands before it costs nothing.

        A missing folder or an empty bucket is an empty listing. Folders: regular files only, recursively, names that
        are not valid Unicode skipped; symbolic links to directories are not followed.
        """
        ...

    def read(self, url: str, *, start: int = 0, limit: int | None = None) -> Blob:
        """The object's bytes from byte `start` on (at most `limit` + 1 of them, so that a caller sees that it is too
        large); none where it ends before `start`.

        Raises `NotFound`. On folders a file still being written (size or time moving) is left to settle first.
        """
        ...

    def write(self, url: str, data: bytes, *, if_generation: str | None = None) -> Entry:
        """Create or replace, atomically. With `if_generation` only that one (`ABSENT`: only create): `Conflict`."""
        ...

    def append(self, url: str, data: bytes) -> None:
        """Add to the end, creating it if missing, without sending again what is there. One writer per object."""
        ...

    def move(self, source: str, generation: str, target: str, *, since: float | None = None) -> bool:
        """Rename `source` to `target`, replacing it, only if `source` is still that `generation`. One atomic step
        where the server has one (see the implementations for what happens where it has not).

        True: this call did it. False: an answer was lost on the way, the source is gone and the target stands newly
        made (after `since`, by the server's clock; None: after the call began, which costs a look at it), so this call
        or another did it. Raises `Conflict` when another generation stands there, `NotFound` when
        the source is gone.
        """
        ...

    def delete(self, url: str, *, if_generation: str | None = None) -> None:
        """Remove; missing is fine (another node was quicker), another generation raises `Conflict`."""
        ...


class Stores:
    """The store for a URL: one for folders, one for Cloud Storage, each made when the first URL needs it.

    `state_prefix` is the watched path's (`WatchedPath.state_prefix`): the folder store keeps its lock there. Google's
    client is imported only for `gs://`: it costs half a second. Safe to use from several threads.

    `recovers`, for agents: renames that a dead process left half done are finished by whoever comes by. A command that
    only looks changes nothing.
    """

    def __init__(self, state_prefix: str, *, recovers: bool = False) -> None:
        self._state_prefix = state_prefix
        self._recovers = recovers
        self._lock = threading.Lock()
        self._cloud: Store | None = None
        self._folder: Store | None = None

    def of(self, url: str) -> Store:
        """Raises `errors.UsageError` where Google's credentials are missing."""
        with self._lock:
            if is_cloud(url):
                if self._cloud is None:
                    from poltergust.stores.gs import GsStore

                    self._cloud = GsStore.connect()
                return self._cloud
            if self._folder is None:
                from poltergust.stores.folder import FolderStore

                self._folder = FolderStore(Path(self._state_prefix), recovers=self._recovers)
            return self._folder

    # `environments.Objects`, for dependencies that name objects

    def read(self, url: str, *, limit: int | None = None) -> Blob:
        return self.of(url).read(url, limit=limit)

    def list(self, prefix: str, *, suffix: str = "") -> Iterator[Entry]:
        return self.of(prefix).list(prefix, suffix=suffix)
