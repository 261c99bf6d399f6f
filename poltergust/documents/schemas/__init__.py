"""JSON Schemas (draft 2020-12) of both files, for editors and for other people's checks; `make schemas` writes them.

A schema sees values after a YAML reader: it cannot tell duplicates, places or verbatim text, so it is the weaker check.
"""

from __future__ import annotations

from importlib.resources import files

NAMES = ("task-file", "environment-file")


def text(name: str) -> str:
    """The schema `task-file` or `environment-file` as it is shipped, JSON text. Reads the package's own data."""
    if name not in NAMES:
        raise ValueError(f"no schema {name!r}; there are {NAMES}")
    return files(__package__).joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
