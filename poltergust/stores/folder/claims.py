"""The conditional rename on folders: claim, compare, then rename on, or put back.

A plain `rename` cannot be made conditional on what is renamed: between a look at the file and its rename a `cp` may
replace it. So, under the lock, the file is first renamed into a hidden folder beside it (the claim), which nobody else
writes to, then compared with what was looked at, and only then renamed to its target; what differs goes back.

The claim describes itself: it holds the file under its own name and an `intent` (target and what the file must be).
Whoever comes by after a crash finishes what was begun if the claimed file is the intended one, and otherwise puts it
back, unless a newer file stands there, which replaced it. A config is at no moment anywhere but at its name, in its
claim, or at its target. A program that still holds the file open may write to it after all that; nothing on a file
system can keep it from doing so, and its bytes then end up in the outcome.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict, dataclass

from poltergust.base.text import shown
from poltergust.stores import Conflict, Denied, NotFound
from poltergust.stores.folder.files import HIDDEN_PREFIX, Snapshot, digest, opened, rename_new, write_all

_INTENT = "intent"
_MARK = f"{HIDDEN_PREFIX}claim-"


@dataclass(frozen=True)
class _Intent:
    """What a claim is for: the file it has to be, and where it goes (from the file's folder on: nodes that share a
    network mount may have it at different places)."""

    target: str
    digest: str
    inode: int
    size: int
    modified: int

    def meets(self, path: str) -> bool:
        with opened(path) as descriptor:
            look = Snapshot.at(descriptor)
            return (self.digest, self.inode, self.size, self.modified) == (
                digest(descriptor),
                look.inode,
                look.size,
                look.modified,
            )


def is_claim(name: str) -> bool:
    return name.startswith(_MARK)


def claim_of(source: str) -> str:
    """Where a file is while it is renamed: one place for each name, so that a leftover is found without a search."""
    folder, name = os.path.split(source)
    return os.path.join(folder, _MARK + hashlib.sha256(os.fsencode(name)).hexdigest()[:16])


def move(source: str, generation: str, target: str) -> None:
    """Rename on condition; the lock is held. Raises `Conflict`, `NotFound`, `Denied` and `OSError`."""
    claim = claim_of(source)
    recover(claim)
    if os.path.islink(source):
        raise Denied(f"{shown(source)} is a symbolic link, which is not renamed; put a copy of the file there")
    with opened(source) as descriptor:
        look, content = Snapshot.at(descriptor), digest(descriptor)
    if look.generation(content) != generation:
        raise Conflict(f"{shown(source)} is another generation now")
    folder, name = os.path.split(source)
    intent = _Intent(os.path.relpath(target, folder), content, look.inode, look.size, look.modified)
    held = os.path.join(claim, name)
    os.mkdir(claim)
    try:
        _write_intent(claim, intent)
        os.rename(source, held)
        if not intent.meets(held):
            raise Conflict(f"{shown(source)} is another generation now")
        os.replace(held, target)
    except FileNotFoundError as error:
        raise NotFound(f"{shown(source)} does not exist") from error
    finally:
        _put_back(claim)


def recover(claim: str) -> None:
    """Finish, or undo, what a process that died left behind; the lock is held. Nothing there: nothing to do."""
    try:
        names = os.listdir(claim)
    except FileNotFoundError:
        return
    intent = _read_intent(claim)
    for name in names:
        held = os.path.join(claim, name)
        if name != _INTENT and intent is not None and intent.meets(held):
            os.replace(held, os.path.join(os.path.dirname(claim), intent.target))
    _put_back(claim)


def _put_back(claim: str) -> None:
    """Everything that is still in the claim goes back to its name, unless something newer stands there."""
    folder = os.path.dirname(claim)
    for name in os.listdir(claim):
        held = os.path.join(claim, name)
        if name == _INTENT or not rename_new(held, os.path.join(folder, name)):
            os.unlink(held)
    os.rmdir(claim)


def _write_intent(claim: str, intent: _Intent) -> None:
    """On disk before the file is claimed: after a power cut the claim must not be there without it."""
    descriptor = os.open(os.path.join(claim, _INTENT), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        write_all(descriptor, json.dumps(asdict(intent)).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_intent(claim: str) -> _Intent | None:
    """None if it is missing or was not written to its end; the claimed file then goes back."""
    with contextlib.suppress(OSError, ValueError, TypeError), open(os.path.join(claim, _INTENT), "rb") as file:
        return _Intent(**json.loads(file.read()))
    return None
