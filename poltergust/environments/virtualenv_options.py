"""The `virtualenv:` part of an environment file as arguments of the virtualenv command.

Which options there are and which are refused is decided where the file is read (`documents.known`). Environments are
created without seed packages (virtualenv's bundled pip serves no Python below 3.9, and nothing needs it); where an
option asks for one (`pip: 24.0`) it is one more line of the installation, which works for every Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_SEEDS = ("pip", "setuptools", "wheel")
_NO_VERSION = frozenset({"embed", "bundle", "latest"})
_IMPLIED_BY_NO_SEED = frozenset(
    """
    no-seed without-pip no-pip no-setuptools no-wheel no-download never-download no-periodic-update
    """.split()  # noqa: SIM905
)
# these ask for virtualenv's own way to seed
_OWN_SEEDER = frozenset({"seeder", "download", "extra-search-dir", "symlink-app-data"})


@dataclass(frozen=True)
class VirtualenvOptions:
    """`python` requests in order (first found wins), what goes to virtualenv, what is to be installed as seed."""

    python: tuple[str, ...]
    arguments: tuple[str, ...]
    seeds: tuple[str, ...]


def read(values: Mapping[str, str | bool | tuple[str, ...]]) -> VirtualenvOptions:
    """`values` as in `EnvironmentSpec.virtualenv`; False leaves an option out."""
    python: list[str] = []
    arguments: list[str] = []
    seeds: list[str] = []
    chosen = {name: value for name, value in values.items() if value is not False}
    own_seeder = not _OWN_SEEDER.isdisjoint(chosen)
    for name, value in chosen.items():
        given = value if isinstance(value, tuple) else (value,)
        if name == "python":
            python += [str(item) for item in given]
        elif name in _SEEDS and not own_seeder:
            seeds += [_seed(name, item) for item in given if item != "none"]
        elif own_seeder or name not in _IMPLIED_BY_NO_SEED:
            arguments += [f"--{name}" if item is True else f"--{name}={item}" for item in given]
    if not own_seeder:
        arguments.append("--no-seed")
    return VirtualenvOptions(tuple(python), tuple(arguments), tuple(seeds))


def _seed(name: str, value: str | bool) -> str:
    return name if value is True or value in _NO_VERSION else f"{name}=={value}"
