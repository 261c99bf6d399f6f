"""This machine: what is installed, which interpreters there are, room on the disk."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from poltergust import __version__
from poltergust.base import hints
from poltergust.base.checks import Check, fail, ok, skip, warn
from poltergust.base.errors import UsageError
from poltergust.base.folders import standing
from poltergust.base.text import size
from poltergust.environments import cache_folder
from poltergust.environments.cache import EnvironmentCache
from poltergust.node import working_directory
from poltergust.node.settings import Settings
from poltergust.processes.child import spawn

LITTLE_ROOM_BYTES = 2 * 1024**3
"""Bytes: an environment with pandas and matplotlib takes about 300 MB, and is built beside the ones there are."""
NO_ROOM_BYTES = 200 * 1024**2

_NEEDED = ("luigi", "virtualenv", "uv", "google-cloud-storage", "google-cloud-pubsub", "watchfiles")
_NEWEST_TESTED = (3, 13)  # of what the agent is tested on


def versions() -> Iterator[Check]:
    """Of Poltergust, its Python, and what it stands on."""
    found, missing = [], []
    for name in _NEEDED:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    text = f"poltergust {__version__}, Python {platform.python_version()}, {', '.join(found)}"
    if missing:
        yield fail("versions", f"{text}; missing: {', '.join(missing)}", "install Poltergust again")
    elif sys.version_info[:2] > _NEWEST_TESTED:
        remedy = "install Poltergust with Python 3.10 to 3.13; environments may have any"
        yield warn("versions", f"{text}; not tested on a Python this new", remedy)
    else:
        yield ok("versions", text)


def workdir(settings: Settings) -> Iterator[Check]:
    """The directory in which runs work."""
    try:
        yield ok("workdir", f"runs work in {working_directory.examine(settings)}")
    except UsageError as error:
        what, _, remedy = str(error).partition("; ")
        yield fail("workdir", what, remedy)


def disk(cache: Path) -> Iterator[Check]:
    """Room where environments are kept and runs work, and whether the node's user may write there."""
    try:
        cache_folder.examine(cache)
    except UsageError as error:
        what, _, remedy = str(error).partition("; ")
        yield fail("cache", what, remedy)
        return
    free = shutil.disk_usage(standing(cache)).free
    text = f"{size(free)} free at {cache}"
    prune = hints.command("env", "prune", cache_dir=str(cache))
    remedy = f"{prune}, a smaller --env-cache-size, or another --cache-dir"
    if free < NO_ROOM_BYTES:
        yield fail("disk", f"{text}: too little for any environment", remedy)
    elif free < LITTLE_ROOM_BYTES:
        yield warn("disk", f"{text}: little room for environments", remedy)
    else:
        yield ok("disk", text)


def interpreters(settings: Settings) -> Iterator[Check]:
    """Every Python that an environment may ask for."""
    try:
        found = EnvironmentCache(settings.cache, spawn).interpreters(settings.environ)
    except OSError:
        yield skip("interpreters", "not looked for: what is found is kept in the cache, which cannot be used")
        return
    if not found:
        remedy = "apt-get install python3, or pyenv install 3.12"
        yield fail("interpreters", "no Python that environments could use", remedy)
        return
    yield ok("interpreters", ", ".join(f"{each.version} ({each.path})" for each in found))
