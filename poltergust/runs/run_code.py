"""What a run executes of `code`, fixed when it begins: the first node publishes it, every node verifies it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from poltergust.base.errors import NodeError, Temporary
from poltergust.base.folders import is_disk_full
from poltergust.base.reasons import Reason
from poltergust.environments import EnvironmentSpec, Objects
from poltergust.environments.code import bundle, places
from poltergust.environments.code.local import LocalCode
from poltergust.path.code import PublishedCode
from poltergust.path.outcome import Config

MAX_TURNS = 5
"""Of asking which bundle is fixed: each turn but the last means that other nodes changed it meanwhile."""


@dataclass(frozen=True)
class RunCode:
    """For all runs of one node. `objects_of` gives what reads a place that an environment file names."""

    published: PublishedCode
    local: LocalCode
    objects_of: Callable[[str], Objects]

    def fix(self, config: Config, spec: EnvironmentSpec, note: Callable[[str], None]) -> str:
        """The digest of what the run executes, whose bundle is on this machine then; empty without any `code`.

        Raises what `places.read` raises, and what the storage raises. `note` gets a line for the run log.
        """
        if not spec.code:
            return ""
        for _ in range(MAX_TURNS):
            digest = self.published.fixed(config)
            if digest is not None and self._files(digest) is not None:
                return digest
            files = places.read(spec, self.objects_of)
            own, archive = bundle.digest(files), bundle.pack(files)
            if digest not in (None, own):
                note(f"the code {digest} that this run began with is gone from beside the path: it is read again")
            self.published.publish(own, archive, replace=digest == own)
            self._keep(own, archive)
            if self.published.fix(config, own, instead_of=digest) == own:
                return own
        raise Temporary(Reason.STORAGE_UNAVAILABLE, "nodes do not agree which code this run executes")

    def write(self, digest: str, folder: Path) -> list[Path]:
        """Write that bundle into `folder`; what goes on PYTHONPATH. Raises `Temporary` if it has gone since `fix`."""
        if not digest:
            return []
        files = self._files(digest)
        if files is None:
            raise Temporary(Reason.STORAGE_UNAVAILABLE, f"the code {digest} of this run has just gone")
        try:
            return bundle.write(files, folder)
        except OSError as error:
            raise _node_error(error, folder) from error

    def _files(self, digest: str) -> bundle.Files | None:
        """Verified; from this machine, else from beside the path."""
        files = _verified(digest, self.local.get(digest))
        if files is None:
            archive = self.published.get(digest)
            files = _verified(digest, archive)
            if files is not None and archive is not None:
                self._keep(digest, archive)
        return files

    def _keep(self, digest: str, archive: bytes) -> None:
        try:
            self.local.put(digest, archive)
        except OSError as error:
            raise _node_error(error, Path(error.filename or "the cache")) from error


def _verified(digest: str, archive: bytes | None) -> bundle.Files | None:
    try:
        files = None if archive is None else bundle.unpack(archive)
    except bundle.Unusable:
        return None
    return files if files is not None and bundle.digest(files) == digest else None


def _node_error(error: OSError, where: Path) -> NodeError:
    reason = Reason.DISK_FULL if is_disk_full(error) else Reason.START_FAILED
    return NodeError(reason, f"the code cannot be written to {where}: {error.strerror}; make room, or make it writable")
