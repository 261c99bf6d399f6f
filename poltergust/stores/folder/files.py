"""One file: its generation, reading it whole, writing it whole, and the operating system's errors as ours.

A generation is the inode change time in nanoseconds and a digest of the content. The change time because
`mv x.error.yaml x.config.yaml` must count as a new upload although content and modification time stay; the digest
because two writes may fall into one tick of the kernel's clock. So `chmod`, `chown` and a hard link make a new
generation too.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from poltergust.base.errors import PoltergustError
from poltergust.base.folders import is_disk_full
from poltergust.base.text import shown
from poltergust.stores import Denied, DiskFull, NameTooLong, NotFound, StoreError, Unavailable

HIDDEN_PREFIX = ".poltergust-"
"""How the folder store's own short-lived files begin: nothing so named, or below a folder so named, is listed."""

_DIGESTED = 1024 * 1024  # bytes; a longer file is no config, its size and change time tell it well enough


@dataclass(frozen=True)
class Snapshot:
    """What one `fstat` says of a file. Two equal looks around a read mean that nobody wrote meanwhile."""

    inode: int
    size: int
    modified: int  # ns
    changed: int  # ns

    @classmethod
    def at(cls, descriptor: int) -> Snapshot:
        found = os.fstat(descriptor)
        return cls(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def generation(self, digest: str) -> str:
        return f"{self.changed}-{digest}"


@contextlib.contextmanager
def opened(path: str, folder: int | None = None) -> Iterator[int]:
    """A descriptor to read a regular file. NotFound for anything else, pipes included. By a path links are followed;
    by a name in the folder of a descriptor they are not."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe would wait for its writer
    descriptor = os.open(path, flags if folder is None else flags | os.O_NOFOLLOW, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotFound(f"{shown(path)} is not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def read_bytes(descriptor: int, limit: int | None, start: int = 0) -> bytes:
    """From byte `start` to the end of the file, or the `limit` bytes from there."""
    data = bytearray()
    while limit is None or len(data) < limit:
        size = 1024 * 1024 if limit is None else min(limit - len(data), 1024 * 1024)
        chunk = os.pread(descriptor, size, start + len(data))
        if not chunk:
            break
        data += chunk
    return bytes(data)


def digest(descriptor: int) -> str:
    """Twelve hex digits over the first MiB, as they stand in a generation."""
    return hashlib.sha256(read_bytes(descriptor, _DIGESTED)).hexdigest()[:12]


def write_new(folder: int, data: bytes, *, durable: bool) -> str:
    """A new hidden file in the folder of that descriptor with these bytes; its name. With `durable` it outlives a power
    cut."""
    name = f"{HIDDEN_PREFIX}{secrets.token_hex(8)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o666, dir_fd=folder)  # the umask decides
    try:
        write_all(descriptor, data)
        if durable:
            os.fsync(descriptor)
    except BaseException:
        os.unlink(name, dir_fd=folder)
        raise
    finally:
        os.close(descriptor)
    return name


def write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def rename_new(source: str, source_folder: int, target: str, target_folder: int) -> bool:
    """Rename without replacing: False, and `source` stays, if something stands at `target`. Both are names in the
    folders of those descriptors."""
    folders = {"src_dir_fd": source_folder, "dst_dir_fd": target_folder}
    try:
        os.link(source, target, **folders, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without hard links (FAT, some network mounts): looking first leaves a moment in between.
        if target in os.listdir(target_folder):
            return False
        os.rename(source, target, **folders)
        return True
    os.unlink(source, dir_fd=source_folder)
    return True


@contextlib.contextmanager
def translated(path: str) -> Iterator[None]:
    """`OSError`s of the body as the store's errors, worded with `path`."""
    try:
        yield
    except PoltergustError:
        raise
    except OSError as error:
        raise _ours(error, shown(path)) from error
    except ValueError as error:  # an embedded null byte: there can be no such file
        raise NotFound(f"{shown(path)} is no file name: {error}") from error


def _ours(error: OSError, where: str) -> StoreError:
    why = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
        return NotFound(f"{where} does not exist")
    if is_disk_full(error):
        return DiskFull(f"{where}: {why}; make room on its file system")
    if error.errno == errno.ENAMETOOLONG:
        return NameTooLong(f"{where}: {why}; choose a shorter name")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTEMPTY):
        return Denied(f"{where}: {why}; the node's user needs to read and write there")
    return Unavailable(f"{where}: {why}")
