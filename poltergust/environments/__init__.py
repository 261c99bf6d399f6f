"""Environments: from the text of an environment file to a Python interpreter with everything installed.

Cached by content on each machine, built in place under a lock with the completion marker written last, in use by many
runs at once, never removed while any process uses one. The cache is a folder; several agents may share it.

The way through this room, one file each: `lines` reads the dependencies, `origins` finds what they name beside the
file, `interpreters` finds the Python, `python_installs` gets one that is missing, `plan` decides and names the
environment, `leases` guards it, `resolve` pins exact versions once for all nodes, `agreement` takes the lock of others
as far as the file's own lines lead to it (`checked_locks`), `build` creates and installs (`virtualenv_options`,
`installers`, `pip_settings`, `uv_settings`, `git_credentials`), `installer_output` reads what the tools print and
`failures` says in one line what went wrong, `eviction` keeps the disk in bounds;
`code` is about source that is not installed. `cache.EnvironmentCache` is the front door.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from poltergust.documents import Dependency, EnvironmentSpec
from poltergust.environments.marker import LOCK_NAME
from poltergust.stores import Blob, Entry

__all__ = [
    "Cancelled",
    "Dependency",
    "Environment",
    "EnvironmentSpec",
    "Environments",
    "Locks",
    "Objects",
]


@dataclass(frozen=True)
class Environment:
    """A ready environment. `seconds` is what this call took, `built` whether it had to build. `lock` names the exact
    versions that are installed: equal names on two nodes mean the same resolution. `size` in bytes, 0 where it is
    not known."""

    key: str
    folder: Path
    python: Path
    version: str  # of its Python, such as "3.8.18"
    built: bool
    seconds: float
    lock: str = ""
    size: int = 0

    def lock_text(self) -> bytes:
        """What `lock` names: the lines that are installed; empty where they cannot be read."""
        try:
            return (self.folder / LOCK_NAME).read_bytes()
        except OSError:
            return b""


class Locks(Protocol):
    """Where the nodes of a path agree on exact versions. Kept by the caller, on the store; `key` is one safe name."""

    def get(self, key: str) -> str | None: ...

    def publish(self, key: str, text: str) -> str:
        """Create if absent (generation 0); the text that stands there now, this one or another node's."""
        ...

    def replace(self, key: str, text: str) -> None:
        """Take new releases: `poltergust env lock --refresh`."""
        ...


class Objects(Protocol):
    """What this room needs of a store, for `gs://` dependencies: any `stores.Store` will do."""

    def read(self, url: str, *, limit: int | None = None) -> Blob: ...

    def list(self, prefix: str, *, suffix: str = "") -> Iterator[Entry]: ...


class Environments(Protocol):
    def ready(
        self,
        spec: EnvironmentSpec,
        *,
        node_env: Mapping[str, str],
        on_line: Callable[[str], None],
        cancelled: Callable[[], bool],
        locks: Locks | None = None,
    ) -> AbstractContextManager[Environment]:
        """Find or build it, and keep it from eviction while the context is open.

        Raises `errors.Permanent` (the file asks for the impossible), `errors.NodeError` (this node cannot),
        `errors.Temporary` (registry unreachable), `Cancelled` once `cancelled()` is true (polled at least every 0.5 s).
        `locks` None: exact versions are remembered on this machine only.
        """
        ...


class Cancelled(Exception):
    """The caller no longer wants the environment."""
