"""What the commands of `poltergust env` share: the cache, an environment file as given."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from poltergust.base.errors import UsageError
from poltergust.base.folders import absolute
from poltergust.base.urls import is_cloud
from poltergust.cli import exits
from poltergust.cli.options import option
from poltergust.node.settings import parse_cache
from poltergust.path import layout

if TYPE_CHECKING:
    from poltergust.documents import EnvironmentSpec
    from poltergust.environments.cache import EnvironmentCache
    from poltergust.environments.eviction import Cached, Limits
    from poltergust.stores import Stores

cache_option = option("--cache-dir", metavar="DIR", help="Where environments are kept; default: ~/.cache/poltergust.")
json_option = option("--json", "as_json", is_flag=True, envvar="POLTERGUST_JSON", help="One line of JSON, keys stable.")


def url_of(file: str) -> str:
    """An environment file as the node would name it: a gs:// object, or an absolute path."""
    return file if is_cloud(file) else str(absolute("FILE", file))


def open_cache(
    cache_dir: str | None, url: str | None = None, limits: Limits | None = None
) -> tuple[EnvironmentCache, Stores]:
    """The cache, and the stores from which it reads; `url` is the file that it will be asked about."""
    from poltergust.environments.cache import EnvironmentCache
    from poltergust.environments.cache_folder import examine, prepare
    from poltergust.environments.eviction import Limits
    from poltergust.processes.child import spawn
    from poltergust.stores import Stores

    folder = parse_cache(cache_dir)
    examine(folder) if url is None else prepare(folder)  # without a file nothing is built: it is only looked at
    # Nothing is written to a folder through these stores, so any path will do where none is named.
    stores = Stores(layout.WatchedPath((url or str(folder)).rpartition("/")[0] or "/").state_prefix)
    return EnvironmentCache(folder, spawn, objects=stores, limits=limits or Limits()), stores


def read(stores: Stores, url: str) -> EnvironmentSpec:
    """The checked environment file. Raises `UsageError` if it is not there, `errors.Permanent` if it is wrong."""
    from poltergust.documents import MAX_BYTES, parse_environment_file
    from poltergust.stores import NotFound

    try:
        blob = stores.read(url, limit=MAX_BYTES)
    except NotFound:
        raise UsageError(
            f"{url} does not exist; name an environment file: a path, or gs://bucket/…/name.yaml"
        ) from None
    return parse_environment_file(blob.data, url)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM end the build with all its processes; the value returns True once one of them came."""
    from poltergust.base.stopping import Stopping, signals_stop
    from poltergust.environments import Cancelled

    stopping = Stopping()
    with signals_stop(stopping):
        try:
            yield lambda: stopping.draining
        except Cancelled:
            click.echo("poltergust: interrupted; an unfinished environment is never used", err=True)
            raise click.exceptions.Exit(exits.INTERRUPTED) from None


def facts(cached: Cached, now: float) -> dict[str, Any]:
    """One environment as JSON has it; times and ages in seconds."""
    mark = cached.marker
    return {
        "key": cached.key,
        "ready": mark is not None,
        "url": mark.url if mark else None,
        "python": mark.version if mark else None,
        "size": mark.size if mark else None,
        "created": mark.created if mark else None,
        "last_used": cached.last_used,
        "idle": max(0.0, now - cached.last_used),
        "users": list(cached.users),
        "installer": mark.installer if mark else None,
        "lock": mark.lock if mark else None,
        "folder": str(cached.folder),
    }


def lines_to(write: Callable[[str], None]) -> Callable[[str], None]:
    """A build's lines, made safe for a terminal."""
    from poltergust.base.text import one_line

    return lambda text: write(one_line(text, 1000))


def home(path: str) -> str:
    """A path as a person would write it."""
    user = os.path.expanduser("~")  # a user without a home, whom `Path.home` refuses, has this very text
    return "~" + path[len(user) :] if path.startswith(user + "/") else path
