"""Downloads: objects that dependencies name (`gs://…/x.whl`), kept by generation; the reader is handed in."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from poltergust.base.errors import Missing, NodeError
from poltergust.base.folders import replace_file
from poltergust.base.reasons import Reason
from poltergust.base.text import size
from poltergust.environments import Objects, marker
from poltergust.stores import Denied, Entry, NotFound

MAX_DOWNLOAD_BYTES = 2 * 1024**3
"""Of one object, which is held in memory once."""

_SEEN = "seen.json"
_SUPERSEDED_SECONDS = 86400.0  # for which an object's older generation is kept: a build may be under way with it


@dataclass(frozen=True)
class Fetched:
    """An object as a file of its own name, and the generation it is."""

    path: Path
    generation: str


class Downloads:
    """`root/<digest of the URL>/<generation>/<file name>`. An object is read again only when its listing changed."""

    def __init__(self, root: Path, objects: Objects) -> None:
        self._root = root
        self._objects = objects

    def file(self, url: str, origin: str) -> Fetched:
        """Raises `Missing(PACKAGE_NOT_FOUND)` naming `origin`, `NodeError(ENVIRONMENT_DENIED)`."""
        with _storage_errors(url, origin):
            for entry in self._objects.list(url):
                if entry.url == url:
                    return self._fetch(entry, origin)
                break  # listed in order: what is not first is only a longer name
        raise _not_found(url, origin)

    def folder(self, url: str, suffixes: Sequence[str], origin: str) -> list[Fetched]:
        """All objects directly in the folder whose names end with one of `suffixes`."""
        prefix = url.rstrip("/") + "/"
        with _storage_errors(url, origin):
            entries = [
                entry
                for entry in self._objects.list(prefix)
                if entry.url.endswith(tuple(suffixes)) and "/" not in entry.url[len(prefix) :]
            ]
            return [self._fetch(entry, origin) for entry in entries]

    def prune(self, max_age: float) -> None:
        """Remove what was not asked for during the last `max_age` seconds, and generations replaced a day ago."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for home in self._root.iterdir():
                if _age(home) > max_age:
                    shutil.rmtree(home, ignore_errors=True)
                else:
                    _drop_superseded(home, min(max_age, _SUPERSEDED_SECONDS))

    def _fetch(self, entry: Entry, origin: str) -> Fetched:
        home = self._root / hashlib.sha256(entry.url.encode()).hexdigest()[:24]
        name = entry.url.rsplit("/", 1)[1]
        generation = _remembered(home, entry)
        if generation is not None and (path := home / generation / name).is_file():
            os.utime(home)
            return Fetched(path, generation)
        blob = self._objects.read(entry.url, limit=MAX_DOWNLOAD_BYTES)
        if len(blob.data) > MAX_DOWNLOAD_BYTES:
            text = f"{entry.url} is larger than {size(MAX_DOWNLOAD_BYTES)}, the most that a dependency may be"
            raise Missing(Reason.PACKAGE_NOT_FOUND, f"dependencies, {origin}: {text}", entry.url)
        path = home / blob.generation / name
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, blob.data, aside=home)
        # As it was listed: a bucket's listing has milliseconds, what it answers a read with whole seconds.
        seen = {"size": entry.size, "updated": entry.updated, "generation": blob.generation}
        marker.write_text(home / _SEEN, json.dumps(seen))
        return Fetched(path, blob.generation)


def _remembered(home: Path, entry: Entry) -> str | None:
    """The generation this listing entry is known to be."""
    seen = _seen(home)
    if (seen.get("size"), seen.get("updated")) != (entry.size, entry.updated):
        return None
    return str(seen["generation"])


def _seen(home: Path) -> dict[str, object]:
    """What is known of the newest generation in `home`; empty if nothing is."""
    try:
        seen = json.loads((home / _SEEN).read_bytes())
    except (OSError, ValueError):
        return {}
    return seen if isinstance(seen, dict) and "generation" in seen else {}


def _drop_superseded(home: Path, age: float) -> None:
    """Older generations, and what a download that was killed left, once they are that old."""
    current = _seen(home).get("generation")
    for entry in home.iterdir():
        if entry.name not in (_SEEN, current) and _age(entry) > age:
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def _age(path: Path) -> float:
    """Seconds since it was last written or asked for."""
    return time.time() - path.stat().st_mtime


@contextlib.contextmanager
def _storage_errors(url: str, origin: str) -> Iterator[None]:
    try:
        yield
    except NotFound:
        raise _not_found(url, origin) from None
    except Denied as error:
        raise NodeError(Reason.ENVIRONMENT_DENIED, f"dependencies, {origin}: {error}") from None


def _not_found(url: str, origin: str) -> Missing:
    return Missing(Reason.PACKAGE_NOT_FOUND, f"dependencies, {origin}: {url}: there is no such object", url)
