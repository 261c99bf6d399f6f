"""The media type of an object, by its name."""

from __future__ import annotations

_TYPES = {
    ".yaml": "text/yaml; charset=utf-8",
    ".json": "application/json",
    ".log": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}


def content_type(name: str) -> str:
    """The media type by the end of the name, so that a browser shows configs, records and logs."""
    dot = name.rfind(".")
    return _TYPES.get(name[dot:], "application/octet-stream") if dot >= 0 else "application/octet-stream"
