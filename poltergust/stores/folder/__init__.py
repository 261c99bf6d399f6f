"""The store on a local folder (or a network mount shared by nodes): the same six operations on files.

Reading waits until a file has come to rest, writing goes through a hidden file and a rename, conditions are checked
under one lock beside the path, and the conditional rename claims the file first (see `claims`). A symbolic link is
read (an environment file may be one) but neither listed nor renamed: what it points to is not the store's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from poltergust.base.text import shown
from poltergust.stores import ABSENT, Blob, Conflict, Entry, NotFound, Unavailable
from poltergust.stores.folder import claims
from poltergust.stores.folder.files import (
    HIDDEN_PREFIX,
    Snapshot,
    digest,
    opened,
    read_bytes,
    rename_new,
    translated,
    write_all,
    write_new,
)
from poltergust.stores.folder.lock import FolderLock

log = logging.getLogger(__name__)

_REST = 0.1  # seconds without a change after which a file counts as written to its end
_PATIENCE = 5.0  # seconds to wait for that before the work queue's back-off takes over
_STALE = 3600.0  # seconds after which a hidden temporary file belongs to a process that died

_Keyed = list[tuple[str, os.DirEntry[str]]]


class FolderStore:
    """See `poltergust.stores.Store`. `side` is the folder of the state prefix: it holds the lock, its files
    are the node's own (read without waiting, written without fsync), and folders emptied in it are removed.
    """

    def __init__(self, side: Path) -> None:
        self._side = f"{side}/"
        self._lock = FolderLock(side / "lock")

    def list(self, prefix: str, *, suffix: str = "") -> Iterator[Entry]:
        folder = prefix[: prefix.rfind("/") + 1]
        with translated(folder):
            yield from self._walk(folder, prefix, suffix, top=True)

    def read(self, url: str, *, start: int = 0, limit: int | None = None) -> Blob:
        with translated(url):
            try:
                return self._read(url, start, limit)
            except FileNotFoundError:
                if not os.path.isdir(claims.claim_of(url)):
                    raise
                self._recover(claims.claim_of(url))
                return self._read(url, start, limit)

    def write(self, url: str, data: bytes, *, if_generation: str | None = None) -> Entry:
        with translated(url):
            new = self._write_new(url, data)
            try:
                size_and_time = os.stat(new)
                if if_generation is None:
                    os.replace(new, url)
                else:
                    with self._lock.held():
                        self._write_if(new, url, if_generation)
            finally:
                with contextlib.suppress(FileNotFoundError):  # as it should be: it was renamed
                    os.unlink(new)
            return Entry(url, size_and_time.st_size, size_and_time.st_ctime)

    def append(self, url: str, data: bytes) -> None:
        with translated(url):
            while True:
                os.makedirs(os.path.dirname(url), exist_ok=True)
                with contextlib.suppress(FileNotFoundError):  # the folder was emptied and removed in between
                    descriptor = os.open(url, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
                    break
            try:
                write_all(descriptor, data)
            finally:
                os.close(descriptor)

    def move(self, source: str, generation: str, target: str) -> bool:
        """Always True or an error: on a file system no answer is lost."""
        with translated(source), self._lock.held():
            claims.move(source, generation, target)
        return True

    def delete(self, url: str, *, if_generation: str | None = None) -> None:
        with translated(url), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if if_generation is None:
                os.unlink(url)
            else:
                with self._lock.held():
                    if _generation(url) != if_generation:
                        raise Conflict(f"{shown(url)} is another generation now")
                    os.unlink(url)
            self._remove_emptied(os.path.dirname(url))

    def _read(self, url: str, start: int, limit: int | None) -> Blob:
        end = time.monotonic() + _PATIENCE
        own = url.startswith(self._side)
        before: Snapshot | None = None
        since = 0.0
        while True:
            with opened(url) as descriptor:
                look = Snapshot.at(descriptor)
                now = time.monotonic()
                if look != before:
                    before, since = look, now
                # Either its age shows that it rests, or watching it for as long does: clocks of a network mount and
                # of this machine may differ.
                if own or time.time() - look.changed / 1e9 >= _REST or now - since >= _REST:
                    data = read_bytes(descriptor, None if limit is None else limit + 1, start)
                    content = digest(descriptor)
                    if own or Snapshot.at(descriptor) == look:
                        return Blob(url, data, look.generation(content), look.changed / 1e9, time.time())
            if now > end:
                raise Unavailable(f"{shown(url)} is still being written to", delay=1.0)
            time.sleep(_REST / 4)

    def _write_new(self, url: str, data: bytes) -> str:
        """Configs and outcomes outlive a power cut, a node's own files need not: they may be deleted at any time."""
        folder = os.path.dirname(url)
        while True:
            os.makedirs(folder, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # the folder was emptied and removed in between
                return write_new(folder, data, durable=not url.startswith(self._side))

    def _write_if(self, new: str, url: str, generation: str) -> None:
        claims.recover(claims.claim_of(url))
        if generation == ABSENT:
            if not rename_new(new, url):
                raise Conflict(f"{shown(url)} exists already")
            return
        try:
            standing = _generation(url)
        except (FileNotFoundError, NotFound):
            standing = None
        if standing != generation:
            raise Conflict(f"{shown(url)} is another generation now")
        os.replace(new, url)

    def _walk(self, folder: str, prefix: str, suffix: str, *, top: bool = False) -> Iterator[Entry]:
        for key, entry in self._scan(folder, top):
            url = folder + key
            if key.endswith("/"):
                if url.startswith(prefix) or prefix.startswith(url):
                    yield from self._walk(url, prefix, suffix)
            elif url.startswith(prefix) and url.endswith(suffix):
                with contextlib.suppress(FileNotFoundError):  # removed while listing
                    found = entry.stat(follow_symlinks=False)
                    yield Entry(url, found.st_size, found.st_ctime)

    def _scan(self, folder: str, top: bool) -> _Keyed:
        """Files and folders (their key ends with a slash, so that sorting gives the order of whole URLs)."""
        try:
            with os.scandir(folder) as found:
                entries = list(found)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except PermissionError:
            if top:
                raise
            log.warning("%s cannot be read by this node's user, what is in it is not seen", shown(folder))
            return []
        if self._clean(entries):
            return self._scan(folder, top)
        keys = []
        for entry in entries:
            if entry.name.startswith(HIDDEN_PREFIX) or not _unicode(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                keys.append((entry.name + "/", entry))
            elif entry.is_file(follow_symlinks=False):
                keys.append((entry.name, entry))
        return sorted(keys, key=lambda pair: pair[0])

    def _clean(self, entries: Iterable[os.DirEntry[str]]) -> bool:
        """Whether a claim was found: after it is settled the folder has to be looked at again."""
        found = False
        for entry in entries:
            if claims.is_claim(entry.name):
                found |= self._settled(entry.path)
            elif entry.name.startswith(HIDDEN_PREFIX) and entry.name.endswith(".tmp"):
                with contextlib.suppress(OSError):  # gone, or not ours to remove: the next node's listing does it
                    if time.time() - entry.stat(follow_symlinks=False).st_ctime > _STALE:
                        os.unlink(entry.path)
        return found

    def _settled(self, claim: str) -> bool:
        try:
            self._recover(claim)
        except OSError as error:  # a listing by somebody who may only read goes on without
            log.warning("%s: a rename was interrupted and cannot be finished here: %s", shown(claim), error.strerror)
            return False
        return True

    def _recover(self, claim: str) -> None:
        with self._lock.held():
            claims.recover(claim)

    def _remove_emptied(self, folder: str) -> None:
        while folder.startswith(self._side):
            try:
                os.rmdir(folder)
            except OSError:  # not empty, or another node was quicker
                return
            folder = os.path.dirname(folder)


def _generation(url: str) -> str:
    with opened(url) as descriptor:
        return Snapshot.at(descriptor).generation(digest(descriptor))


def _unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8 arrive as lone surrogates
        return False
    return True
