"""The `virtualenv:` part of an environment file: options of the virtualenv command, checked against the command itself.

Environments are created without seed packages (virtualenv's bundled pip serves no Python below 3.9, and nothing needs
it); where an option asks for one (`pip: 24.0`) it is one more line of the installation, which works for every Python.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from poltergust.base.errors import NodeError, Permanent
from poltergust.base.reasons import Reason
from poltergust.environments import marker
from poltergust.environments.commands import CommandRunner

Values = Mapping[str, str | bool | tuple[str, ...]]

_SEEDS = ("pip", "setuptools", "wheel")
_NO_VERSION = frozenset({"embed", "bundle", "latest"})
# with --no-seed there is nothing left for these to say
_SAID_BY_NO_SEED = frozenset(
    {
        "no-seed",
        "without-pip",
        "no-pip",
        "no-setuptools",
        "no-wheel",
        "no-download",
        "never-download",
        "no-periodic-update",
    }
)
# these ask for virtualenv's own way to seed
_OWN_SEEDER = frozenset({"seeder", "download", "extra-search-dir", "symlink-app-data"})
# these do something else than create, or move where we put things
_REFUSED = frozenset(
    {
        "help",
        "version",
        "upgrade-embed-wheels",
        "reset-app-data",
        "app-data",
        "read-only-app-data",
        "dest",
        "venv-redirect",
    }
)
# what we act on ourselves; `wheel` is gone from virtualenv 21
_UNDERSTOOD = frozenset({"python", "p", *_SEEDS, "no-wheel", "no-seed", "without-pip", "no-pip", "no-setuptools"})
_OPTION = re.compile(r"--([a-z][a-z0-9-]*)")


@dataclass(frozen=True)
class VirtualenvOptions:
    """`python` requests in order (first found wins), what goes to virtualenv, what is to be installed as seed."""

    python: tuple[str, ...]
    arguments: tuple[str, ...]
    seeds: tuple[str, ...]


def known(memory: Path, run: CommandRunner) -> frozenset[str]:
    """The long options of the installed virtualenv, from its own `--help`, remembered per version in `memory`."""
    path = memory / f"virtualenv-{metadata.version('virtualenv')}.txt"
    try:
        return frozenset(path.read_text(encoding="ascii").split())
    except OSError:
        pass
    ended = run([sys.executable, "-m", "virtualenv", "--help"], quiet=True)
    names = frozenset(_OPTION.findall("\n".join(ended.lines)))
    if not ended.ok or "python" not in names:
        raise NodeError(
            Reason.INSTALL_FAILED, f"virtualenv does not run on this node ({ended.exit}): {' '.join(ended.lines[-2:])}"
        )
    marker.write_text(path, "\n".join(sorted(names)))
    return names


def read(values: Values, ask: Callable[[], frozenset[str]]) -> VirtualenvOptions:
    """Raises `Permanent(UNKNOWN_VIRTUALENV_OPTION)` with a near miss. `ask` (see `known`) is only called if needed."""
    python: list[str] = []
    arguments: list[str] = []
    seeds: list[str] = []
    chosen = {_normal(key): value for key, value in values.items()}
    own_seeder = any(name in _OWN_SEEDER and value is not False for name, value in chosen.items())
    for name, value in chosen.items():
        if name not in _UNDERSTOOD and (name in _REFUSED or name not in ask()):
            raise _unknown(name, ask())
        if value is False:
            continue
        given = value if isinstance(value, tuple) else (value,)
        if name in ("python", "p"):
            python += [str(item) for item in given]
        elif name in _SEEDS and not own_seeder:
            seeds += [_seed(name, item) for item in given if item != "none"]
        elif own_seeder or name not in _SAID_BY_NO_SEED:
            arguments += [f"--{name}" if item is True else f"--{name}={item}" for item in given]
    if not own_seeder:
        arguments.append("--no-seed")
    return VirtualenvOptions(tuple(python), tuple(arguments), tuple(seeds))


def _normal(name: str) -> str:
    return name.strip().lstrip("-").replace("_", "-")


def _seed(name: str, value: str | bool) -> str:
    return name if value is True or value in _NO_VERSION else f"{name}=={value}"


def _unknown(name: str, names: frozenset[str]) -> Permanent:
    if name in _REFUSED:
        return Permanent(
            Reason.UNKNOWN_VIRTUALENV_OPTION, f"virtualenv: {name}: this option cannot be used in an environment file"
        )
    near = difflib.get_close_matches(name, sorted(names - _REFUSED), n=1)
    hint = f"; did you mean {near[0]}?" if near else "; see virtualenv --help"
    return Permanent(Reason.UNKNOWN_VIRTUALENV_OPTION, f"virtualenv: {name}: virtualenv has no such option{hint}")
