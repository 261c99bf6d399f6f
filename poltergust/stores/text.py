"""Wording that both stores share: how a URL looks in a message, and what type an object's content has."""

from __future__ import annotations

from poltergust.base.text import cut, escaped

_TYPES = {
    ".yaml": "text/yaml; charset=utf-8",
    ".json": "application/json",
    ".log": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}


def shown(text: str, limit: int = 300) -> str:
    """`text` on one line and safe on a terminal: what cannot be printed is escaped, what is too long is cut."""
    return escaped(cut(text, limit))


def content_type(name: str) -> str:
    """The media type by the end of the name, so that a browser shows configs, records and logs."""
    dot = name.rfind(".")
    return _TYPES.get(name[dot:], "application/octet-stream") if dot >= 0 else "application/octet-stream"
