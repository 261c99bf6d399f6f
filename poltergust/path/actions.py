"""What a person does to a config: submit it, run it again, cancel it. Each is one conditional step of the store, so
that beside running nodes and other people exactly one thing comes of it.

Raises `Refused` where what was asked for does not fit what stands there; the text says what does.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from poltergust.base import hints
from poltergust.base.errors import PoltergustError, UsageError
from poltergust.base.json_text import json_bytes
from poltergust.documents import MAX_BYTES, TaskFile, parse_environment_file, parse_task_file
from poltergust.path.layout import OUTCOMES, Kind, resolve
from poltergust.path.outcome import Config, Outcomes, RenameResult
from poltergust.path.reading.reader import digest
from poltergust.path.stored import StoredPath
from poltergust.stores import ABSENT, Blob, Conflict, Denied, NotFound, Store, StoreError

log = logging.getLogger(__name__)

_LONGEST_GENERATION = "0" * 32
_LONGEST_LIKELY_NODE = "n" * 40  # a node with a longer name says itself that it cannot take the config

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


class Actions:
    """On the configs of one path, by the person whom `at.node` names."""

    def __init__(self, at: StoredPath, outcomes: Outcomes) -> None:
        self._at = at
        self._store = at.store
        self._path = at.path
        self._outcomes = outcomes

    def check(self, name: str, data: bytes, source: str) -> CheckedTaskFile:
        """Read `data` as the task file that would stand at `name`. Raises `DocumentError` that names `source`."""
        path = self._path
        path.check(name, _LONGEST_GENERATION, _LONGEST_LIKELY_NODE)
        if path.name_of(path.of(name, Kind.CONFIG)) != name:
            raise UsageError(
                f"--name {name!r} is no name below {path.prefix}; write for example nightly or reports/nightly"
            )
        task = parse_task_file(data, source)
        return CheckedTaskFile(name, data, task, resolve(task.environment, path.of(name, Kind.CONFIG)))

    def submit(self, checked: CheckedTaskFile, *, replace: bool = False) -> None:
        """Put the config in its place, only if none stands there unless `replace`. Raises `Refused`."""
        url = self._path.of(checked.name, Kind.CONFIG)
        try:
            self._store.write(url, checked.data, if_generation=None if replace else ABSENT)
        except Conflict:
            text = f"{url} waits or runs already; add --replace to stop that run and start this, or choose a --name"
            raise Refused(text) from None
        self._note_submitter(checked.name, checked.data)

    def retry(self, name: str, *, force: bool = False) -> Blob:
        """Put the config that ended as an error back, as a new generation; what stood there. `force`: however it ended.

        Created only if no config stands there, then the outcome is removed if it is still the one read: a move back
        would overwrite what somebody uploaded at this moment. What a crash between the two leaves, the next outcome
        removes.
        """
        blob = self.to_retry(name, force=force)
        url = self._path.of(name, Kind.CONFIG)
        try:
            self._store.write(url, blob.data, if_generation=ABSENT)
        except Conflict:
            raise Refused(f"{name} waits or runs already: {url}") from None
        try:
            self._store.delete(blob.url, if_generation=blob.generation)
        except StoreError as error:  # replaced meanwhile, or not ours to remove: the new run's outcome replaces it
            log.warning("the old outcome stays until the new one: %s", error)
        self._note_submitter(name, blob.data)
        return blob

    def to_retry(self, name: str, *, force: bool = False) -> Blob:
        """What `retry` would put back as it stands now. Raises `Refused` where there is nothing to."""
        kind, blob = self._outcome(name)
        if kind is not Kind.ERROR and not force:
            raise Refused(f"{name} is {_WORDS[kind]}, not an error; add --force to run it again all the same")
        return blob

    def cancel(self, name: str) -> bool:
        """Rename the config to `.cancelled.yaml`, as a node renames to an outcome. False: it is cancelled already."""
        config = self._read(name, Kind.CONFIG)
        if config is not None:
            result, words = self._outcomes.finish(
                Config(name, config.generation, config.data, config.updated), Kind.CANCELLED
            )
            if result is RenameResult.WON:
                self._note_canceller(name, config)
                return True
            if result is RenameResult.NEWER:
                raise Refused(f"{name} was replaced at this moment; run the command again to cancel the new one")
            if result is RenameResult.REFUSED:
                raise Refused(f"{name} cannot be cancelled: {words}")
        kind, _ = self._outcome(name)
        if kind is not Kind.CANCELLED:
            raise Refused(f"{name} is {_WORDS[kind]} already, nothing to cancel")
        return False

    def _outcome(self, name: str) -> tuple[Kind, Blob]:
        """The latest outcome, where no config stands. Raises `Refused`."""
        if self._read(name, Kind.CONFIG) is not None:
            raise Refused(f"{name} waits or runs already: {self._path.of(name, Kind.CONFIG)}")
        found = [(kind, blob) for kind in OUTCOMES if (blob := self._read(name, kind)) is not None]
        if not found:
            see = hints.command("status", path=self._path.root)
            raise Refused(f"nothing of the name {name} below {self._path.prefix}; see: {see}")
        return max(found, key=lambda one: one[1].updated)

    def _read(self, name: str, kind: Kind) -> Blob | None:
        return self._at.read(self._path.of(name, kind), limit=MAX_BYTES)

    def _note_submitter(self, name: str, data: bytes) -> None:
        """Write down beside the path who did it. The action counts even where that may not be written."""
        note = {"format": 1, "by": self._at.node, "digest": digest(data)}
        try:
            self._store.write(self._path.submitted(name), json_bytes(note))
        except StoreError as error:
            log.warning("cannot note who submitted it: %s", error)

    def _note_canceller(self, name: str, config: Blob) -> None:
        """The same for a cancelled run: about this very outcome and run, so that nobody is named for a later one."""
        try:
            outcome = self._at.read(self._path.of(name, Kind.CANCELLED), limit=0)
            if outcome is not None:
                run = {"run": config.generation, "digest": digest(config.data)}
                note = {"format": 1, "by": self._at.node, "generation": outcome.generation, **run}
                self._store.write(self._path.cancelled(name), json_bytes(note))
        except StoreError as error:
            log.warning("cannot note who cancelled it: %s", error)


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
