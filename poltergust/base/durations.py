"""Lengths of time as people write them, in files and in options: ``45s``, ``90m``, ``1h30m``, ``2d``, ``90``. Pure."""

from __future__ import annotations

import re

_SECONDS = r"[0-9]{1,12}(\.[0-9]{1,12})?"

PATTERN = rf"(?=.)([0-9]{{1,9}}d)?([0-9]{{1,9}}h)?([0-9]{{1,9}}m)?({_SECONDS}s)?|{_SECONDS}"
"""What `seconds_of` reads, as a regular expression that Python and JSON Schema take alike; not anchored.

A number without a unit stands alone: ``1h30`` could be an hour and a half, and is refused."""

_DURATION = re.compile(PATTERN)
_PART = re.compile(rf"({_SECONDS})([dhms]?)")
_SECONDS_IN = {"d": 86400, "h": 3600, "m": 60, "s": 1, "": 1}


def seconds_of(text: str) -> float | None:
    """Seconds, at least 0.0; None for what is no duration (the empty text is none)."""
    if not _DURATION.fullmatch(text):
        return None
    return sum((float(part[1]) * _SECONDS_IN[part[3]] for part in _PART.finditer(text)), 0.0)
