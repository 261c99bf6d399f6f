"""The store on a local folder (or a network mount shared by nodes): the same six operations on files.

Reading waits until a file has come to rest, writing goes through a hidden file and a rename, conditions are checked
under one lock beside the path, and the conditional rename claims the file first (see `claims`). A symbolic link is
read (an environment file may be one) but neither listed nor renamed: what it points to is not the store's. Beside the
path none is read either, and nothing is written through one (see `beneath`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from poltergust.base.text import shown
from poltergust.stores import ABSENT, Blob, Conflict, Denied, Entry, NotFound, Unavailable
from poltergust.stores.folder import claims
from poltergust.stores.folder.beneath import is_link, opened_folder
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
_MAX_WAIT_SECONDS = 5.0  # seconds to wait for that before the work queue's back-off takes over
_STALE = 3600.0  # seconds after which a hidden temporary file belongs to a process that died

_RENAME_SECONDS = 1.0
"""For which who only looks waits for the end of a rename that just began; it takes milliseconds."""

_Keyed = list[tuple[str, os.stat_result | None]]


class FolderStore:
    """See `poltergust.stores.Store`. `side` is the folder of the state prefix: it holds the lock, its files
    are the node's own (read without waiting, written without fsync), and folders emptied in it are removed.

    `recovers`: what a process that died left behind is finished and removed on the way. Without it, as in a command,
    reading and listing change nothing.
    """

    def __init__(self, side: Path, *, recovers: bool = False) -> None:
        self._side = f"{side}/"
        self._root = str(side).removesuffix(".poltergust") + "/"
        self._recovers = recovers
        self._lock = FolderLock(side / "lock")

    def list(self, prefix: str, *, suffix: str = "", since: str = "") -> Iterator[Entry]:
        folder = prefix[: prefix.rfind("/") + 1]
        with translated(folder):
            yield from self._walk(folder, prefix, suffix, since, top=True)

    def read(self, url: str, *, start: int = 0, limit: int | None = None) -> Blob:
        with translated(url):
            try:
                return self._read(url, start, limit)
            except FileNotFoundError:
                if not self._settled(url):
                    raise
                return self._read(url, start, limit)

    def write(self, url: str, data: bytes, *, if_generation: str | None = None) -> Entry:
        with translated(url):
            folder, new = self._write_new(url, data)
            name = os.path.basename(url)
            try:
                size_and_time = os.stat(new, dir_fd=folder)
                if if_generation is None:
                    os.replace(new, name, src_dir_fd=folder, dst_dir_fd=folder)
                else:
                    with self._lock.held():
                        self._write_if(folder, new, name, if_generation)
            finally:
                with contextlib.suppress(FileNotFoundError):  # as it should be: it was renamed
                    os.unlink(new, dir_fd=folder)
                os.close(folder)
            return Entry(url, size_and_time.st_size, size_and_time.st_ctime_ns / 1e9)

    def append(self, url: str, data: bytes) -> None:
        # Not blocking: a pipe would wait for its reader.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        with translated(url):
            while True:
                # FileNotFoundError: the folder was emptied and removed in between
                with contextlib.suppress(FileNotFoundError), self._folder(url, make=True) as folder:
                    if is_link(folder, os.path.basename(url)):
                        raise Denied(f"{shown(url)} is a symbolic link, which is not followed; remove the link")
                    descriptor = os.open(os.path.basename(url), flags, 0o666, dir_fd=folder)
                    break
            try:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode):
                    raise Denied(f"{shown(url)} is no regular file; remove it")
                try:
                    write_all(descriptor, data)
                except OSError:  # a full disk took a part of it, and whoever appends gives all of it again
                    os.ftruncate(descriptor, found.st_size)
                    raise
            finally:
                os.close(descriptor)

    def move(self, source: str, generation: str, target: str, *, since: float | None = None) -> bool:
        """Always True or an error: on a file system no answer is lost. Source and target are in one folder."""
        (where, name), (there, new) = os.path.split(source), os.path.split(target)
        if where != there:
            raise ValueError(f"{target} is not in the folder of {source}")
        with translated(source), self._lock.held(), self._folder(source) as folder:
            self._no_claim(folder, name)
            claims.move(folder, name, generation, new)
        return True

    def delete(self, url: str, *, if_generation: str | None = None) -> None:
        with translated(url), contextlib.suppress(FileNotFoundError, NotADirectoryError), self._folder(url) as folder:
            name = os.path.basename(url)
            if if_generation is None:
                os.unlink(name, dir_fd=folder)
            else:
                with self._lock.held():
                    if _generation(name, folder) != if_generation:
                        raise Conflict(f"{shown(url)} is another generation now")
                    os.unlink(name, dir_fd=folder)
            self._remove_emptied(os.path.dirname(url))

    @contextlib.contextmanager
    def _folder(self, url: str, *, make: bool = False) -> Iterator[int]:
        """The folder that the file at `url` is in; below the path and beside it no link is followed."""
        folder = os.path.dirname(url)
        if url.startswith(self._side):
            base = os.path.dirname(self._side[:-1])
        elif url.startswith(self._root):
            base = self._root
        else:
            base = folder
        with opened_folder(base, folder, make=make) as descriptor:
            yield descriptor

    @contextlib.contextmanager
    def _opened(self, url: str) -> Iterator[int]:
        if not url.startswith(self._side):
            with opened(url) as descriptor:
                yield descriptor
            return
        with self._folder(url) as folder, opened(os.path.basename(url), folder) as descriptor:
            yield descriptor

    def _read(self, url: str, start: int, limit: int | None) -> Blob:
        end = time.monotonic() + _MAX_WAIT_SECONDS
        own = url.startswith(self._side)
        before: Snapshot | None = None
        since = 0.0
        while True:
            with self._opened(url) as descriptor:
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

    def _write_new(self, url: str, data: bytes) -> tuple[int, str]:
        """The folder's descriptor, to be closed, and the hidden file's name in it. Configs and outcomes outlive a power
        cut, a node's own files need not: they may be deleted at any time."""
        while True:
            # FileNotFoundError: the folder was emptied and removed in between
            with contextlib.suppress(FileNotFoundError), self._folder(url, make=True) as folder:
                new = write_new(folder, data, durable=not url.startswith(self._side))
                return os.dup(folder), new

    def _write_if(self, folder: int, new: str, name: str, generation: str) -> None:
        self._no_claim(folder, name)
        if generation == ABSENT:
            if not rename_new(new, folder, name, folder):
                raise Conflict(f"{shown(name)} exists already")
            return
        try:
            standing = _generation(name, folder)
        except (FileNotFoundError, NotFound):
            standing = None
        if standing != generation:
            raise Conflict(f"{shown(name)} is another generation now")
        os.replace(new, name, src_dir_fd=folder, dst_dir_fd=folder)

    def _no_claim(self, folder: int, name: str) -> None:
        """No rename of that file is half done; the lock is held."""
        claim = claims.claim_of(name)
        if self._recovers:
            claims.recover(folder, claim)
        elif _exists(claim, folder):
            raise Unavailable(f"{shown(name)}: a rename of it was interrupted, which an agent of the path finishes")

    def _walk(self, folder: str, prefix: str, suffix: str, since: str, *, top: bool = False) -> Iterator[Entry]:
        for key, found in self._scan(folder, prefix, suffix, top):
            url = folder + key
            if url < since and not (found is None and since.startswith(url)):
                continue
            if found is not None:
                yield Entry(url, found.st_size, found.st_ctime_ns / 1e9)  # as `read` has it, to the last bit
            else:
                yield from self._walk(url, prefix, suffix, since)

    def _scan(self, folder: str, prefix: str, suffix: str, top: bool) -> _Keyed:
        """What is to be listed: files, and without a status folders (their key ends with a slash, so that sorting gives
        the order of whole URLs)."""
        end = time.monotonic() + _RENAME_SECONDS
        try:
            while True:
                with self._folder(folder) as descriptor, os.scandir(descriptor) as entries:
                    keys, again = self._keys(folder, descriptor, entries, prefix, suffix)
                if not again or time.monotonic() > end:
                    return sorted(keys, key=lambda pair: pair[0])
                time.sleep(0 if self._recovers else _REST / 10)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except PermissionError:
            if top:
                raise
            log.warning("%s cannot be read by this node's user, what is in it is not seen", shown(folder))
            return []

    def _keys(
        self, folder: str, descriptor: int, entries: Iterable[os.DirEntry[str]], prefix: str, suffix: str
    ) -> tuple[_Keyed, bool]:
        """See `_scan`, and whether a claim was found, so that the folder has to be looked at again."""
        keys: _Keyed = []
        again = False
        for entry in entries:
            url = folder + entry.name
            if entry.name.startswith(HIDDEN_PREFIX):
                again |= self._hidden(descriptor, entry)
            elif not url.startswith((self._root, self._side)) and not _unicode(entry.name):
                continue  # of source code and packages; a config so named is an error that says so
            elif entry.is_dir(follow_symlinks=False):
                if f"{url}/".startswith(prefix) or prefix.startswith(f"{url}/"):
                    keys.append((f"{entry.name}/", None))
            elif entry.is_file(follow_symlinks=False) and url.startswith(prefix) and url.endswith(suffix):
                with contextlib.suppress(FileNotFoundError):  # removed while listing
                    keys.append((entry.name, entry.stat(follow_symlinks=False)))
            elif self._recovers and suffix and entry.is_symlink() and url.startswith(prefix) and url.endswith(suffix):
                log.warning("%s is a symbolic link, which is left out; put a copy of the file there", shown(url))
        return keys, again

    def _hidden(self, folder: int, entry: os.DirEntry[str]) -> bool:
        """Whether it was a claim, which is settled by now or soon."""
        if claims.is_claim(entry.name):
            return self._settled_claim(folder, entry.name)
        if self._recovers and entry.name.endswith(".tmp"):
            with contextlib.suppress(OSError):  # gone, or not ours to remove: the next node's listing does it
                if time.time() - entry.stat(follow_symlinks=False).st_ctime > _STALE:
                    os.unlink(entry.name, dir_fd=folder)
        return False

    def _settled(self, url: str) -> bool:
        """The file at `url` is not there: whether a rename of it was going on and is over."""
        with self._folder(url) as folder:
            claim = claims.claim_of(os.path.basename(url))
            end = time.monotonic() + _RENAME_SECONDS
            found = False
            while _exists(claim, folder) and self._settled_claim(folder, claim) and time.monotonic() < end:
                found = True
                time.sleep(0 if self._recovers else _REST / 10)
            return found

    def _settled_claim(self, folder: int, claim: str) -> bool:
        """Finish it, as an agent; else whether it is so young that its own process does."""
        if not self._recovers:
            with contextlib.suppress(FileNotFoundError):
                began = os.stat(claim, dir_fd=folder, follow_symlinks=False).st_mtime
                return abs(time.time() - began) < _RENAME_SECONDS
            return True
        try:
            with self._lock.held():
                claims.recover(folder, claim)
        except (OSError, claims.NotAClaim) as error:  # a listing by somebody who may only read goes on without
            why = error.strerror if isinstance(error, OSError) else error
            log.warning("%s: a rename was interrupted and cannot be finished here: %s", claim, why)
            return False
        return True

    def _remove_emptied(self, folder: str) -> None:
        while folder.startswith(self._side):
            try:
                with self._folder(folder) as parent:
                    os.rmdir(os.path.basename(folder), dir_fd=parent)
            except OSError:  # not empty, or another node was quicker
                return
            folder = os.path.dirname(folder)


def _generation(name: str, folder: int) -> str:
    with opened(name, folder) as descriptor:
        return Snapshot.at(descriptor).generation(digest(descriptor))


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8 arrive as lone surrogates
        return False
    return True
