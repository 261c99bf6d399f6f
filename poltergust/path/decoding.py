"""Parsed JSON to frozen dataclasses, every field with the type that its annotation names: records may be of another
version, or have been written by anybody."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

from poltergust.base.json_text import is_plausible

T = TypeVar("T")


def decode(kind: type[T], value: object, where: str = "") -> T:
    """The dataclass `kind` in the JSON object `value`, which stands at `where` (``environment.``) in a larger one.

    Keys that it does not have are left out, missing ones take their defaults. An empty object is None where the field
    may be None. A type with a classmethod `decode` is read by that. Raises `ValueError` that names the field.
    """
    if not isinstance(value, Mapping):
        raise ValueError("it is no JSON object")
    hints = _hints(kind)  # type: ignore[arg-type]  # mypy does not see that a class is hashable
    found = {name: _field(hint, value[name], where + name) for name, hint in hints.items() if name in value}
    try:
        return kind(**found)
    except TypeError as error:  # a field without default is missing
        raise ValueError(str(error)) from None


@functools.cache
def _hints(kind: Hashable) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(typing.cast(Any, kind))}


def _field(hint: Any, value: object, name: str) -> object:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value == {} and types.NoneType in options:
        return None
    for option in options:
        if typing.get_origin(option) is tuple:
            if isinstance(value, list):
                return tuple(_field(typing.get_args(option)[0], one, name) for one in value)
        elif is_dataclass(option):
            if isinstance(value, Mapping):
                own = getattr(option, "decode", None)
                return own(value) if own is not None else decode(typing.cast(type[Any], option), value, f"{name}.")
        elif issubclass(option, Enum):
            if value in [one.value for one in option]:
                return option(value)
        elif (type(value) is option or (option is float and type(value) is int)) and (
            not isinstance(value, (int, float)) or is_plausible(value)
        ):
            return value
    raise ValueError(
        f"{name}: {value!r:.100} is not of the type {getattr(hint, '__name__', hint)}, or no likely number"
    )
