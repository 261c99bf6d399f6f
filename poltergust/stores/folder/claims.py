"""The conditional rename on folders: claim, compare, then rename on, or put back.

A plain `rename` cannot be made conditional on what is renamed: between a look at the file and its rename a `cp` may
replace it. So, under the lock, the file is first renamed into a hidden folder beside it (the claim), which nobody else
writes to, then compared with what was looked at, and only then renamed to its target; what differs goes back.

The claim describes itself: it holds the file under its own name and an `intent` (target and what the file must be).
An agent that comes by after a crash finishes what was begun if the claimed file is the intended one, and otherwise puts
it back, unless a newer file stands there, which replaced it. A config is at no moment anywhere but at its name, in its
claim, or at its target. A program that still holds the file open may write to it after all that; nothing on a file
system can keep it from doing so, and its bytes then end up in the outcome.

Whoever can write to the folder can put something there that looks like a claim. So only a real folder of the same user
is one, with one file whose name fits, and the target is a name in the same folder: finishing it moves nothing that this
user could not have been asked to move by its config.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from poltergust.base.text import shown
from poltergust.stores import Conflict, Denied, NotFound
from poltergust.stores.folder.beneath import is_link
from poltergust.stores.folder.files import HIDDEN_PREFIX, Snapshot, digest, opened, read_bytes, rename_new, write_all

_INTENT = "intent"
_MARK = f"{HIDDEN_PREFIX}claim-"
_MAX_INTENT_BYTES = 64 * 1024


class NotAClaim(Denied):
    """What stands where a claim would stand was not made by this user's agents."""


@dataclass(frozen=True)
class _Intent:
    """What a claim is for: the file it has to be, and the name that it gets in the folder it is in."""

    target: str
    digest: str
    inode: int
    size: int
    modified: int

    def meets(self, name: str, folder: int) -> bool:
        """Whether what has that name in the folder of that descriptor is the file."""
        if is_link(folder, name):
            return False
        with contextlib.suppress(NotFound), opened(name, folder) as descriptor:
            look = Snapshot.at(descriptor)
            return (self.digest, self.inode, self.size, self.modified) == (
                digest(descriptor),
                look.inode,
                look.size,
                look.modified,
            )
        return False


def is_claim(name: str) -> bool:
    return name.startswith(_MARK)


def claim_of(name: str) -> str:
    """The folder beside the file of that name that it is in while it is renamed: one for each name, so that a leftover
    is found without a search."""
    return _MARK + hashlib.sha256(os.fsencode(name)).hexdigest()[:16]


def move(folder: int, source: str, generation: str, target: str) -> None:
    """Rename `source` to `target`, names in the folder of that descriptor, on condition; the lock is held and no claim
    of that name is there. Raises `Conflict`, `NotFound`, `Denied` and `OSError`."""
    if is_link(folder, source):
        raise Denied(f"{shown(source)} is a symbolic link, which is not renamed; put a copy of the file there")
    with opened(source, folder) as descriptor:
        look, content = Snapshot.at(descriptor), digest(descriptor)
    if look.generation(content) != generation:
        raise Conflict(f"{shown(source)} is another generation now")
    intent = _Intent(target, content, look.inode, look.size, look.modified)
    name = claim_of(source)
    os.mkdir(name, 0o700, dir_fd=folder)
    with _opened_claim(folder, name) as claim:
        try:
            _write_intent(claim, intent)
            os.rename(source, source, src_dir_fd=folder, dst_dir_fd=claim)
            if not intent.meets(source, claim):
                raise Conflict(f"{shown(source)} is another generation now")
            os.replace(source, target, src_dir_fd=claim, dst_dir_fd=folder)
        except FileNotFoundError as error:
            raise NotFound(f"{shown(source)} does not exist") from error
        finally:
            _put_back(folder, claim, name)


def recover(folder: int, name: str) -> None:
    """Finish, or undo, what a process that died left in the claim `name`; the lock is held. Nothing there: nothing to
    do. Raises `NotAClaim`, and then has changed nothing."""
    try:
        with _opened_claim(folder, name) as claim:
            held = _held(claim, name)
            intent = _read_intent(claim, name)
            if held is not None and intent is not None and intent.meets(held, claim):
                os.replace(held, intent.target, src_dir_fd=claim, dst_dir_fd=folder)
            _put_back(folder, claim, name)
    except FileNotFoundError:
        return


@contextlib.contextmanager
def _opened_claim(folder: int, name: str) -> Iterator[int]:
    try:
        claim = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EACCES):
            raise _not_a_claim(name, "it is no folder of this user") from error
        raise
    try:
        if os.fstat(claim).st_uid != os.geteuid():
            raise _not_a_claim(name, "it belongs to another user")
        yield claim
    finally:
        os.close(claim)


def _held(claim: int, name: str) -> str | None:
    """The one file that the claim `name` may hold; None if there is none."""
    names = [found for found in os.listdir(claim) if found != _INTENT]
    if not names:
        return None
    if len(names) > 1 or claim_of(names[0]) != name:
        raise _not_a_claim(name, "it holds other files than the one that it is for")
    return names[0]


def _not_a_claim(name: str, why: str) -> NotAClaim:
    return NotAClaim(f"{name} is in the way and left as it is: {why}; take out of it what is yours, then remove it")


def _put_back(folder: int, claim: int, name: str) -> None:
    """The file that is still in the claim goes back to its name, unless something newer stands there."""
    held = _held(claim, name)
    if held is not None and not rename_new(held, claim, held, folder):
        os.unlink(held, dir_fd=claim)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_INTENT, dir_fd=claim)
    os.rmdir(name, dir_fd=folder)


def _write_intent(claim: int, intent: _Intent) -> None:
    """On disk before the file is claimed: after a power cut the claim must not be there without it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(_INTENT, flags, 0o600, dir_fd=claim)
    try:
        write_all(descriptor, json.dumps(asdict(intent)).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_intent(claim: int, name: str) -> _Intent | None:
    """None if it is missing or was not written to its end; the claimed file then goes back."""
    with contextlib.suppress(OSError, NotFound, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        with opened(_INTENT, claim) as descriptor:
            found = json.loads(read_bytes(descriptor, _MAX_INTENT_BYTES))
        target = found["target"]
        if "/" in target or target in ("", ".", "..") or target.startswith(HIDDEN_PREFIX):
            raise _not_a_claim(name, "its target is no name in the same folder")
        return _Intent(**found)
    return None
