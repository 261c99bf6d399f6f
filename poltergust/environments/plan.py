"""The plan: everything about an environment that is decided before anything is built, and the keys that name it.

Two keys. The *lock key* is equal on all nodes that read the same file with the same contents beside it, under the same
Python (major.minor) and platform: it names the exact versions they share. The *environment key* is this machine's: the
interpreter's own file and version, folders that stay where they are, and the node's index settings count too.
No expanded variable is ever part of either.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from poltergust.environments import EnvironmentSpec
from poltergust.environments.interpreters import Interpreter
from poltergust.environments.lines import Line, requirement_name
from poltergust.environments.origins import Placed, project_name
from poltergust.environments.uv_settings import UvSettings
from poltergust.environments.virtualenv_options import VirtualenvOptions

_FORMAT = 1  # of what a key means; a new number makes every node resolve and build again
LUIGI = "luigi"


@dataclass(frozen=True)
class Plan:
    """What to build. `placed` lines have no credentials."""

    spec: EnvironmentSpec
    interpreter: Interpreter
    options: VirtualenvOptions
    placed: tuple[Placed, ...]
    settings: UvSettings

    @property
    def lines(self) -> tuple[Line, ...]:
        """What one resolution takes: lines with options of pip's command line are installed after it, by themselves."""
        return tuple(item.line for item in self.placed if not item.line.command_options)

    @property
    def apart(self) -> tuple[Line, ...]:
        return tuple(item.line for item in self.placed if item.line.command_options)

    @property
    def added(self) -> tuple[str, ...]:
        """What every environment gets besides: luigi in whatever version the lines want, seeds that were asked for."""
        # not a second time: where hashes are demanded, a bare `luigi` would be refused
        named = {canonicalize_name(requirement_name(line) or "") for line in self.lines if ";" not in line.requirement}
        return (*((LUIGI,) if LUIGI not in named else ()), *self.options.seeds)

    @property
    def why_pip(self) -> tuple[str, ...]:
        """Why pip has to install everything; empty if uv can. (Lines that stand `apart` are pip's in any case.)"""
        if self.spec.installer == "pip":
            return ("installer: pip",)
        by_line = tuple(f"{line.origin}: {why}" for line in self.lines if (why := line.for_pip) is not None)
        return by_line + tuple(self.settings.unmapped)

    @property
    def refresh(self) -> tuple[str, ...]:
        """uv keeps what it built of a folder until its pyproject.toml changes; our key has seen the code change.
        https://docs.astral.sh/uv/concepts/cache/#dynamic-metadata"""
        folders = [item.folder for item in self.placed if item.folder is not None]
        names = [project_name(folder) for folder in folders]
        if None in names:
            return ("--refresh",)
        return tuple(f"--refresh-package={name}" for name in dict.fromkeys(names))

    @property
    def lock_key(self) -> str:
        content = {
            "format": _FORMAT,
            "python": self.interpreter.tag,
            "lines": [item.identity for item in self.placed],
            "added": self.added,
        }
        return f"py{self.interpreter.minor}-{_digest(content)}"

    @property
    def base_key(self) -> str:
        """Equal for all environments of this content on this machine, whatever lock they were built from."""
        content = {
            "format": _FORMAT,
            "lock": self.lock_key,
            "interpreter": [self.interpreter.executable, self.interpreter.version],
            "virtualenv": self.options.arguments,
            "installer": "pip" if self.why_pip else "uv",
            "places": [item.place for item in self.placed],
            "index": self.settings.fingerprint,
        }
        return f"py{self.interpreter.minor}-{_digest(content)}"


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]
