"""The outcome protocol: rename the config to its outcome, once in the whole cluster, and know who did it.

The rename is one conditional operation of the store; exactly one caller wins. Around it stand the three things a rename
alone does not settle: a success that comes after another node's error supersedes it, an answer lost on the way leaves
open who won, and older outcomes of the same name have to go.
"""

from __future__ import annotations

import functools
import logging
import math
from dataclasses import dataclass
from enum import Enum

from poltergust.path.background import Background
from poltergust.path.layout import OUTCOMES, Kind
from poltergust.path.stored import StoredPath
from poltergust.stores import ABSENT, Blob, Conflict, Denied, NameTooLong, NotFound, StoreError

log = logging.getLogger(__name__)


class RenameResult(Enum):
    """What came of the try to rename."""

    WON = "won"  # this node did it
    LOST = "lost"  # another node did, or somebody removed the config: a normal outcome
    NEWER = "newer"  # another generation stands there now
    REFUSED = "refused"  # the storage does not allow it, for now


@dataclass(frozen=True)
class Config:
    """The very config a run belongs to."""

    name: str
    generation: str
    data: bytes
    updated: float | None = None  # when it was written, by the storage server's clock; None where that is not known

    def became(self, outcome: Blob) -> bool:
        """Whether that outcome took this very config's place: of the same bytes, and no older. A run before may have
        had the same."""
        return outcome.data == self.data and (self.updated is None or outcome.updated >= self.updated)


class Outcomes:
    """Renames configs below one path as one node. Its marks name node and instance: nobody else makes the same."""

    def __init__(self, at: StoredPath, background: Background) -> None:
        self._store = at.store
        self._background = background
        self._path = at.path
        self._nonce = f"{at.node}/{at.instance}".encode()

    def finish(self, config: Config, kind: Kind) -> tuple[RenameResult, str]:
        """Rename `config` to its outcome; the ending and, where refused, the storage's words.

        Raises `Unavailable` if the storage does not answer: nothing is decided then, call again.
        """
        older = self._older_outcomes(config.name, kind)
        source = self._path.of(config.name, Kind.CONFIG)
        target = self._path.of(config.name, kind)
        try:
            sure = self._store.move(source, config.generation, target, since=config.updated)
        except Conflict:
            return RenameResult.NEWER, ""
        except NotFound:
            if kind is Kind.DONE:
                return self._supersede_error(config)
            return RenameResult.LOST, ""
        except Denied as error:
            return RenameResult.REFUSED, str(error)
        if not self._renamed_it(config, kind, sure):
            return RenameResult.LOST, ""
        self._remove(config.name, older)
        return RenameResult.WON, ""

    def outcome_of(self, config: Config) -> Kind | None:
        """The outcome that took this very config's place, None if there is none."""
        found: list[tuple[float, Kind]] = []
        for kind in OUTCOMES:
            try:
                blob = self._store.read(self._path.of(config.name, kind), limit=len(config.data))
            except (NotFound, NameTooLong):  # NameTooLong: the config's name leaves no room for that outcome's
                continue
            if config.became(blob):
                found.append((blob.updated, kind))
        return max(found, key=lambda outcome: outcome[0])[1] if found else None

    def _supersede_error(self, config: Config) -> tuple[RenameResult, str]:
        """Success is never lost: the error another node gave this very config becomes done. But not where a newer
        generation is done already, whose winner has yet to remove that error, or died before it could."""
        url, done = self._path.of(config.name, Kind.ERROR), self._path.of(config.name, Kind.DONE)
        try:
            error = self._store.read(url, limit=len(config.data))
            if not config.became(error) or error.updated < self._written(done):
                return RenameResult.LOST, ""
            sure = self._store.move(url, error.generation, done)
        except (NotFound, Conflict):
            return RenameResult.LOST, ""
        except Denied as refusal:
            return RenameResult.REFUSED, str(refusal)
        return (RenameResult.WON if self._renamed_it(config, Kind.DONE, sure) else RenameResult.LOST), ""

    def _written(self, url: str) -> float:
        """When, by the server's clock; minus infinity for what is not there."""
        try:
            return self._store.read(url, limit=0).updated
        except NotFound:
            return -math.inf

    def _renamed_it(self, config: Config, kind: Kind, sure: bool) -> bool:
        """Whether this node is the one that renamed. An answer lost on the way leaves it to a mark that can be made
        only once: everybody who may have renamed tries to make it."""
        url = f"{self._path.runs(config.name, config.generation)}.{kind.value}-by"
        try:
            self._store.write(url, self._nonce, if_generation=ABSENT)
            return True
        except Conflict:
            try:
                return self._store.read(url, limit=len(self._nonce)).data == self._nonce
            except StoreError as error:
                log.warning("cannot read who renamed %s: %s", config.name, error)
        except StoreError as error:
            log.warning("cannot note who renamed %s: %s", config.name, error)
        return sure

    def _older_outcomes(self, name: str, kind: Kind) -> dict[str, str]:
        """Outcomes of an earlier run that the new one does not overwrite: URL to generation. Seen before the rename,
        so that nothing newer can be among them; side by side, because the rename waits for it."""
        urls = [self._path.of(name, other) for other in OUTCOMES if other is not kind]
        begun = {url: self._background.begin(url, functools.partial(self._generation, url)) for url in urls}
        found = {url: reading.result() for url, reading in begun.items()}
        return {url: generation for url, generation in found.items() if generation is not None}

    def _generation(self, url: str) -> str | None:
        try:
            return self._store.read(url, limit=0).generation
        except (NotFound, NameTooLong):
            return None

    def _remove(self, name: str, older: dict[str, str]) -> None:
        for url, generation in older.items():
            try:
                self._store.delete(url, if_generation=generation)
            except Conflict:
                log.info("%s was replaced meanwhile and stays", url)
            except StoreError as error:
                log.warning("the older outcome %s of %s could not be removed: %s", url, name, error)
