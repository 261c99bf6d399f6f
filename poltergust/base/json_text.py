"""JSON of and for others. What a pipeline raises, prints or is called may hold half a character: Python reads the byte
0xE9 of a file's name as the lone surrogate ``\\udce9``, which no UTF-8 can hold. It is taken in and given out as those
six characters, so that nothing that is written, sent or shown can break on it.
"""

from __future__ import annotations

import json
import re

MAX_NUMBER = 253_402_300_799
"""The last second of the year 9999. No time, duration, count or size that a node writes is larger."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def read_json(data: str | bytes) -> object:
    """As `json.loads`, each lone surrogate written out as its escape. Raises `ValueError`, also for what
    is nested too deep."""
    try:
        value = json.loads(data)
        text = json.dumps(value, ensure_ascii=False)
        whole = _SURROGATE.sub(lambda found: f"\\\\u{ord(found.group()):04x}", text)
        return value if whole == text else json.loads(whole)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def is_plausible(number: float) -> bool:
    """Whether a node may have written that time, duration, count or size. JSON of others may hold NaN, infinities,
    and whole numbers that no float can hold: whoever calculates with them, or shows them, would fail."""
    return 0 <= number <= MAX_NUMBER


def plausible_number(value: object) -> float | None:
    """`value` of JSON, if it is such a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not is_plausible(value):
        return None
    return float(value)


def json_bytes(value: object, indent: int | None = None) -> bytes:
    """`value` as UTF-8; a lone surrogate in it is a JSON escape."""
    return json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "backslashreplace")
