"""Preconditions: which generation and metageneration a call insists on.

The rules, from https://cloud.google.com/storage/docs/request-preconditions and the parameter tables of
https://cloud.google.com/storage/docs/json_api/v1/objects:

- a `...Match` that does not hold answers 412, a `...NotMatch` that does not hold answers 304, on writes too;
- `ifGenerationMatch=0` holds only while there is no live object;
- where there is no live object, every other precondition on it fails;
- both `ifGenerationMatch` and `ifGenerationNotMatch` (or both metageneration ones) in one request are an error.

Whether a missing object is a 404 or a failed precondition depends on its part in the call: an object that the call
reads, changes or removes must exist (404); one that the call creates need not (412 or 304).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tests.emulators.gcs.errors import ApiError, invalid
from tests.emulators.gcs.model import StoredObject

_CONDITION = re.compile(r"if[A-Z]\w*")
TARGET = ("ifGenerationMatch", "ifGenerationNotMatch", "ifMetagenerationMatch", "ifMetagenerationNotMatch")
SOURCE = (
    "ifSourceGenerationMatch",
    "ifSourceGenerationNotMatch",
    "ifSourceMetagenerationMatch",
    "ifSourceMetagenerationNotMatch",
)


def number(query: Mapping[str, str], key: str) -> int | None:
    """A 64-bit number of the query, None where it is not given; 400 if it is not a number."""
    text = query.get(key)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise invalid(f"Invalid value for {key}: {text!r} is not a number.") from None


def refuse_unknown(query: Mapping[str, str], known: Collection[str]) -> None:
    """400 for a precondition that the call does not have: one that is ignored in silence protects nothing."""
    for key in query:
        if _CONDITION.fullmatch(key) and key not in known:
            raise invalid(f"{key} is not a parameter of this call.")


@dataclass(frozen=True)
class Preconditions:
    """The conditions on one object; None is no condition."""

    generation: int | None = None
    not_generation: int | None = None
    metageneration: int | None = None
    not_metageneration: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, str], *, source: bool = False) -> Preconditions:
        made = cls(*(number(query, key) for key in (SOURCE if source else TARGET)))
        if None not in (made.generation, made.not_generation):
            raise invalid("A generation cannot be asked both to match and not to match.")
        if None not in (made.metageneration, made.not_metageneration):
            raise invalid("A metageneration cannot be asked both to match and not to match.")
        return made

    def check(self, live: StoredObject | None) -> None:
        """Raise 412 or 304 unless every condition holds for what is `live` now."""
        generation = live.generation if live else 0
        metageneration = live.metageneration if live else None
        if self.generation is not None and self.generation != generation:
            raise _failed(412)
        if self.metageneration is not None and self.metageneration != metageneration:
            raise _failed(412)
        if self.not_generation is not None and (live is None or self.not_generation == generation):
            raise _failed(304)
        if self.not_metageneration is not None and (live is None or self.not_metageneration == metageneration):
            raise _failed(304)


def _failed(status: int) -> ApiError:
    return ApiError(status, "At least one of the pre-conditions you specified did not hold.")


NONE = Preconditions()
