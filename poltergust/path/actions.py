"""What a person does to a config: submit it, run it again, cancel it. Each is one conditional step of the store, so
that beside running nodes and other people exactly one thing comes of it.

Raises `Refused` where what was asked for does not fit what stands there; the text says what does.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

from poltergust.base.errors import PoltergustError, RunError, UsageError
from poltergust.documents import MAX_BYTES, TaskFile, parse_environment_file, parse_task_file
from poltergust.path.layout import OUTCOMES, Kind, WatchedPath, resolve
from poltergust.path.outcome import Config, Outcomes, RenameResult
from poltergust.path.reading.reader import digest
from poltergust.stores import ABSENT, Blob, Conflict, Denied, NotFound, Store

log = logging.getLogger(__name__)

_LONGEST_GENERATION = "0" * 32
_LONGEST_NODE = "n" * 40  # of a name that is likely; a node with a longer one says so itself

_WORDS = {Kind.DONE: "done", Kind.ERROR: "an error", Kind.CANCELLED: "cancelled"}


class Refused(PoltergustError):
    """What was asked for does not fit what stands at that name."""


@dataclass(frozen=True)
class CheckedTaskFile:
    """A task file that a node would take, and where the environment file that it names is."""

    name: str
    data: bytes
    task: TaskFile
    environment: str


def check(path: WatchedPath, name: str, data: bytes, source: str) -> CheckedTaskFile:
    """Read `data` as the task file that would stand at `name`. Raises `DocumentError` that names `source`."""
    path.check(name, _LONGEST_GENERATION, _LONGEST_NODE)
    if path.name_of(path.of(name, Kind.CONFIG)) != name:
        raise UsageError(
            f"--name {name!r} is no name below {path.prefix}; write for example nightly or reports/nightly"
        )
    task = parse_task_file(data, source)
    return CheckedTaskFile(name, data, task, resolve(task.environment, path.of(name, Kind.CONFIG)))


def check_environment(store: Store, checked: CheckedTaskFile) -> None:
    """Read the environment file as a node would. One that may not be read from here is a warning."""
    url = checked.environment
    try:
        blob = store.read(url, limit=MAX_BYTES)
    except NotFound:
        text = f"{url}: no such environment file, and the config names it; put it there first (or add --no-check)"
        raise Refused(text) from None
    except Denied as error:
        log.warning("the environment file is not checked: %s", error)
        return
    parse_environment_file(blob.data, url)


def submit(store: Store, path: WatchedPath, checked: CheckedTaskFile, *, by: str, replace: bool = False) -> None:
    """Put the config in its place, only if none stands there unless `replace`. Raises `Refused`."""
    url = path.of(checked.name, Kind.CONFIG)
    try:
        store.write(url, checked.data, if_generation=None if replace else ABSENT)
    except Conflict:
        text = f"{url} waits or runs already; add --replace to stop that run and start this, or choose a --name"
        raise Refused(text) from None
    _sign(store, path, checked.name, checked.data, by)


def retry(store: Store, path: WatchedPath, name: str, *, by: str, force: bool = False) -> Blob:
    """Put the config that ended as an error back, as a new generation; what stood there. `force`: however it ended.

    Created only if no config stands there, then the outcome is removed if it is still the one read: a move back would
    overwrite what somebody uploaded at this moment. What a crash between the two leaves, the next outcome removes.
    """
    kind, blob = _outcome(store, path, name)
    if kind is not Kind.ERROR and not force:
        raise Refused(f"{name} is {_WORDS[kind]}, not an error; add --force to run it again all the same")
    url = path.of(name, Kind.CONFIG)
    try:
        store.write(url, blob.data, if_generation=ABSENT)
    except Conflict:
        raise Refused(f"{name} waits or runs already: {url}") from None
    try:
        store.delete(blob.url, if_generation=blob.generation)
    except RunError as error:  # written anew meanwhile, or not ours to remove: the new run's outcome replaces it
        log.warning("the old outcome stays until the new one: %s", error)
    _sign(store, path, name, blob.data, by)
    return blob


def cancel(store: Store, path: WatchedPath, name: str, nonce: str) -> bool:
    """Rename the config to `.cancelled.yaml`, as a node renames to an outcome. False: it is cancelled already."""
    config = _read(store, path.of(name, Kind.CONFIG))
    if config is not None:
        ending, words = Outcomes(store, path, nonce).finish(
            Config(name, config.generation, config.data), Kind.CANCELLED
        )
        if ending is RenameResult.WON:
            return True
        if ending is RenameResult.NEWER:
            raise Refused(f"{name} was replaced at this moment; run the command again to cancel the new one")
        if ending is RenameResult.REFUSED:
            raise Refused(f"{name} cannot be cancelled: {words}")
    kind, _ = _outcome(store, path, name)
    if kind is not Kind.CANCELLED:
        raise Refused(f"{name} is {_WORDS[kind]} already, nothing to cancel")
    return False


def _outcome(store: Store, path: WatchedPath, name: str) -> tuple[Kind, Blob]:
    """The latest outcome, where no config stands. Raises `Refused`."""
    if _read(store, path.of(name, Kind.CONFIG)) is not None:
        raise Refused(f"{name} waits or runs already: {path.of(name, Kind.CONFIG)}")
    found = [(kind, blob) for kind in OUTCOMES if (blob := _read(store, path.of(name, kind))) is not None]
    if not found:
        raise Refused(f"nothing of the name {name} below {path.prefix}; see: poltergust status {path.root}")
    return max(found, key=lambda one: one[1].updated)


def _read(store: Store, url: str) -> Blob | None:
    try:
        return store.read(url, limit=MAX_BYTES)
    except NotFound:
        return None


def _sign(store: Store, path: WatchedPath, name: str, data: bytes, by: str) -> None:
    """Who did it, beside the path. Not having the right to write there takes nothing from the deed."""
    note = {"format": 1, "by": by, "digest": digest(data)}
    try:
        store.write(path.submitted(name), json.dumps(note, ensure_ascii=False).encode())
    except RunError as error:
        log.warning("cannot note who submitted it: %s", error)
