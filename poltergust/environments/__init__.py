"""Environments: from the text of an environment file to a Python interpreter with everything installed.

Cached by content on each machine, built in place under a lock with the completion marker written last, in use by many
runs at once, never removed while any process uses one. The cache is a folder; several agents may share it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Dependency:
    """One entry of `dependencies`, verbatim, and the line of the file it stands on (1-based)."""

    text: str
    line: int = 0


@dataclass(frozen=True)
class EnvironmentSpec:
    """What an environment file asks for. `url` is where the file was read: relative paths start from its folder.

    `virtualenv`: option name (as written, without `--`) to its value, verbatim text, or True for a bare flag; a list
    of values repeats the option.
    """

    url: str
    virtualenv: Mapping[str, str | bool | tuple[str, ...]]
    dependencies: tuple[Dependency, ...]
    variables: Mapping[str, str]
    installer: str = "uv"
    preload: tuple[str, ...] = ()


@dataclass(frozen=True)
class Environment:
    """A ready environment. `seconds` is what this call took, `built` whether it had to build."""

    key: str
    folder: Path
    python: Path
    version: str  # of its Python, such as "3.8.18"
    built: bool
    seconds: float


class Environments(Protocol):
    def ready(
        self,
        spec: EnvironmentSpec,
        *,
        node_env: Mapping[str, str],
        on_line: Callable[[str], None],
        cancelled: Callable[[], bool],
    ) -> AbstractContextManager[Environment]:
        """Find or build it, and keep it from eviction while the context is open.

        Raises `errors.Permanent` (the file asks for the impossible), `errors.NodeError` (this node cannot),
        `errors.Temporary` (registry unreachable), `Cancelled` once `cancelled()` is true (polled at least every 0.5 s).
        """
        ...


class Cancelled(Exception):
    """The caller no longer wants the environment."""
