"""`make schemas`: write the JSON Schemas again from what `known.py` says; a test fails where they differ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from poltergust.base import durations
from poltergust.documents import known
from poltergust.documents.expand import OWN
from poltergust.documents.known import FileKind, Key, Option, Takes
from poltergust.documents.schemas import NAMES

Schema = dict[str, Any]
"""A part of a JSON document: JSON's own types."""

_KINDS: dict[str, FileKind] = {"task-file": known.TASK_FILE, "environment-file": known.ENVIRONMENT_FILE}

_TEXT_AS_WRITTEN = {"type": ["string", "number", "boolean"]}
"""What arrives verbatim although a YAML reader makes a number or a truth value of it."""

_MODULE = {"type": "string", "pattern": f"^{known.MODULE_NAME}$"}

_VALUES: dict[str, Schema] = {
    "environment": {
        "type": "string",
        "minLength": 1,
        "pattern": "^(gs://[^/]+/.*[^/]|(?!gs:|[A-Za-z][A-Za-z0-9+.-]*:/).*[^/])$",
    },
    "name": {"type": "string", "pattern": f"^{known.TASK_NAME}$"},
    "module": _MODULE,
    "variables": {
        "type": ["object", "null"],
        "propertyNames": {"pattern": f"^{known.VARIABLE_NAME}$"},
        "additionalProperties": _TEXT_AS_WRITTEN,
    },
    "timeout": {
        "oneOf": [
            {"type": "string", "pattern": f"^({durations.PATTERN})$"},
            {"type": "number", "exclusiveMinimum": 0, "maximum": known.MAX_TIMEOUT_SECONDS},
            {"type": "null"},
        ]
    },
    "retries": {"type": ["integer", "null"], "minimum": 0, "maximum": known.MAX_RETRIES},
    "dependencies": {
        "type": ["array", "null"],
        "items": {**_TEXT_AS_WRITTEN, "minLength": 1, "pattern": r"^[^\r\n]*[^\s\\]\s*$"},
    },
    "installer": {"enum": [*known.INSTALLERS, None]},
    "preload": {"type": ["array", "null"], "items": _MODULE},
    "code": {
        "type": ["array", "null"],
        "maxItems": known.MAX_CODE_PLACES,
        "items": {
            "type": "string",
            "minLength": 1,
            "pattern": "^(gs://[^/]+/.|(?!gs:|[A-Za-z][A-Za-z0-9+.-]*:/))",
            "not": {"pattern": f"({'|'.join(map(re.escape, known.PACKAGE_SUFFIXES))})$"},
        },
    },
    "nodes": {"type": ["array", "null"], "items": {**_TEXT_AS_WRITTEN, "pattern": f"^{known.LABEL}$"}},
    "priority": {"type": ["integer", "null"], "minimum": -known.MAX_PRIORITY, "maximum": known.MAX_PRIORITY},
    "luigi-config": {
        "type": ["object", "null"],
        "propertyNames": {"pattern": f"^{known.SECTION_NAME}$"},
        "additionalProperties": {
            "type": ["object", "null"],
            "propertyNames": {"pattern": f"^{known.OPTION_NAME}$"},
            "additionalProperties": {
                "type": ["string", "number", "boolean", "array", "object"],
                "pattern": r"^(\S|\S[^\r\n]*\S)?$",
            },
        },
    },
}


def schema(name: str) -> Schema:
    """The schema `task-file` or `environment-file`. Raises KeyError for a key that `_value` does not describe."""
    kind = _KINDS[name]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:poltergust:{name}",
        "title": f"Poltergust {kind.title}",
        "description": kind.description,
        "type": "object",
        **_properties(kind.keys),
        "patternProperties": {f"^{OWN}": {"description": "Your own: ignored, whatever it holds"}},
        "additionalProperties": False,
    }


def text(name: str) -> str:
    """That schema as the file holds it."""
    return json.dumps(schema(name), indent=2) + "\n"


def _properties(keys: Iterable[Key]) -> Schema:
    required = [key.name for key in keys if key.required]
    properties = {
        key.name: {"description": key.description, **_value(key.name), "examples": [yaml.safe_load(key.example)]}
        for key in keys
    }
    return {**({"required": required} if required else {}), "properties": properties}


def _value(name: str) -> Schema:
    """What a key of that name takes, in either file."""
    if name == "task":
        return _task()
    if name == "virtualenv":
        return _virtualenv()
    return _VALUES[name]


def _task() -> Schema:
    refused = "|".join(name.replace("-", "[-_]") for name in sorted(known.REFUSED_ARGUMENTS))
    return {
        "type": "object",
        **_properties(known.TASK_KEYS),
        "propertyNames": {"pattern": f"^{known.ARGUMENT_NAME}$", "not": {"pattern": f"^({refused})$"}},
        "additionalProperties": {
            "description": "An argument of the luigi command: a scalar arrives as written, a list or mapping as JSON, "
            "null leaves the default"
        },
    }


def _virtualenv() -> Schema:
    return {
        "type": ["object", "null"],
        "properties": {option.name: {"description": option.description, **_option(option)} for option in known.OPTIONS},
        "patternProperties": {"_": {"description": "Underscores and dashes are the same"}},
        "additionalProperties": False,
    }


def _option(option: Option) -> Schema:
    if option.takes is Takes.FLAG:
        return {"type": "boolean"}
    one: Schema = {"type": ["string", "number"], "minLength": 1}
    several: list[Schema] = [{"type": "array", "minItems": 1, "items": one}]
    return {"anyOf": [one, {"const": False}, *(several if option.takes is Takes.VALUES else [])]}


if __name__ == "__main__":
    for each in NAMES:
        Path(__file__).with_name(f"{each}.schema.json").write_text(text(each), "utf-8")
