"""Every text of a file that has a name: what a redactor looks through for secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from poltergust.documents.model import EnvironmentSpec, TaskFile


def named_values(file: TaskFile | EnvironmentSpec) -> tuple[Mapping[str, str], ...]:
    """Name to value: variables, options of `luigi-config`, and arguments, with each text inside of a JSON one, by the
    argument's name or its key there."""
    found = [file.variables, *file.luigi_config.values()]
    if isinstance(file, TaskFile):
        for argument in file.arguments:
            if argument.text is not None:
                found.append({argument.name: argument.text})
                if argument.json:
                    found += [{name: text} for name, text in _inside(argument.name, json.loads(argument.text))]
    return tuple(found)


def _inside(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, list):
        for one in value:
            yield from _inside(name, one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _inside(name, one)
            yield from _inside(str(key), one)
