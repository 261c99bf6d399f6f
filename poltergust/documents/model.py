"""The values that documents become: what every other room reads instead of YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Argument:
    """One key below `task:` besides name and module. `name` as written; `text` is the scalar exactly as written, or
    JSON when `json` is set, or None for YAML's null (leave the default)."""

    name: str
    text: str | None
    json: bool = False


LuigiConfig = Mapping[str, Mapping[str, str]]
"""Sections of a luigi.cfg, each its options with the text that they are to have."""


@dataclass(frozen=True)
class TaskFile:
    """A task file. `environment` as written (may be relative), `timeout` in seconds; `nodes` are labels, all of which a
    node must have; of two runs that wait on a node the one with the higher `priority` goes first."""

    environment: str
    name: str
    module: str
    arguments: tuple[Argument, ...]
    variables: Mapping[str, str]
    timeout: float | None = None
    retries: int | None = None
    nodes: tuple[str, ...] = ()
    priority: int = 0
    luigi_config: LuigiConfig = field(default_factory=dict)


@dataclass(frozen=True)
class Dependency:
    """One entry of `dependencies`, verbatim, and the line of the file it stands on (1-based)."""

    text: str
    line: int = 0


@dataclass(frozen=True)
class CodePlace:
    """One entry of `code`, verbatim, and the line of the file it stands on (1-based)."""

    text: str
    line: int = 0


@dataclass(frozen=True)
class EnvironmentSpec:
    """What an environment file asks for. `url` is where the file was read: relative paths start from its folder.

    `virtualenv`: option name (without `--`, underscores made dashes) to its value, verbatim text, or True for a bare
    flag; a tuple of values repeats the option. A flag set to false is left out.
    """

    url: str
    virtualenv: Mapping[str, str | bool | tuple[str, ...]]
    dependencies: tuple[Dependency, ...]
    variables: Mapping[str, str]
    installer: str = "uv"
    preload: tuple[str, ...] = ()
    code: tuple[CodePlace, ...] = ()
    luigi_config: LuigiConfig = field(default_factory=dict)
