"""Downloads: objects that dependencies name (`gs://…/x.whl`), kept by generation; the reader is handed in."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from poltergust.environments import Objects, marker
from poltergust.errors import Permanent, Temporary
from poltergust.reasons import Reason
from poltergust.stores import Denied, Entry, NotFound

_SEEN = "seen.json"


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
        """Raises `Permanent(PACKAGE_NOT_FOUND)` naming `origin`, `Temporary(STORAGE_DENIED, …)`."""
        with _storage_errors(url, origin):
            for entry in self._objects.list(url):
                if entry.url == url:
                    return self._fetch(entry)
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
            return [self._fetch(entry) for entry in entries]

    def prune(self, max_age: float) -> None:
        """Remove what was not asked for during the last `max_age` seconds."""
        with contextlib.suppress(FileNotFoundError):
            for folder in self._root.iterdir():
                if time.time() - folder.stat().st_mtime > max_age:
                    shutil.rmtree(folder, ignore_errors=True)

    def _fetch(self, entry: Entry) -> Fetched:
        home = self._root / hashlib.sha256(entry.url.encode()).hexdigest()[:24]
        name = entry.url.rsplit("/", 1)[1]
        generation = _remembered(home, entry)
        if generation is not None and (path := home / generation / name).is_file():
            os.utime(home)
            return Fetched(path, generation)
        blob = self._objects.read(entry.url)
        path = home / blob.generation / name
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=home)
        with os.fdopen(descriptor, "wb") as file:
            file.write(blob.data)
        os.replace(temporary, path)
        seen = {"size": len(blob.data), "updated": blob.updated, "generation": blob.generation}
        marker.write_text(home / _SEEN, json.dumps(seen))
        return Fetched(path, blob.generation)


def _remembered(home: Path, entry: Entry) -> str | None:
    """The generation this listing entry is known to be."""
    try:
        seen = json.loads((home / _SEEN).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(seen, dict) or (seen.get("size"), seen.get("updated")) != (entry.size, entry.updated):
        return None
    return str(seen["generation"])


@contextlib.contextmanager
def _storage_errors(url: str, origin: str) -> Iterator[None]:
    try:
        yield
    except NotFound:
        raise _not_found(url, origin) from None
    except Denied as error:
        raise Temporary(Reason.STORAGE_DENIED, f"dependencies, {origin}: {url}: {error}") from None


def _not_found(url: str, origin: str) -> Permanent:
    return Permanent(Reason.PACKAGE_NOT_FOUND, f"dependencies, {origin}: {url}: there is no such object")
