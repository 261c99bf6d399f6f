"""The completion marker: written last and atomically, so that a folder with a good one is a finished environment."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from poltergust.base.folders import replace_file

NAME = "poltergust.json"
LOCK_NAME = "poltergust.lock.txt"
_FORMAT = 1


@dataclass(frozen=True)
class Marker:
    """What is known of a finished environment. `created` in seconds since the epoch, `seconds` what building took,
    `size` in bytes, `installed` name to version, `url` the environment file it was first built for."""

    key: str
    url: str
    python: str
    version: str
    lock: str
    installer: str
    installed: dict[str, str]
    created: float
    seconds: float
    size: int
    format: int = _FORMAT


def write(folder: Path, marker: Marker) -> None:
    """Atomic: a crash leaves the old marker, or none."""
    write_text(folder / NAME, json.dumps(asdict(marker), indent=1, sort_keys=True) + "\n")


def read(folder: Path) -> Marker | None:
    """None if there is none, or it is damaged, or of another format: build again."""
    try:
        values = json.loads((folder / NAME).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(values, dict) or values.get("format") != _FORMAT:
        return None
    try:
        return Marker(**values)
    except TypeError:
        return None


def write_text(path: Path, text: str) -> None:
    """Replace `path` with `text` in one step, on disk before it is visible."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, text.encode(), durable=True)
