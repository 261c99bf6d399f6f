"""`luigi-config`, which both files may hold: sections with options, as a luigi.cfg can hold them."""

from __future__ import annotations

import re

from poltergust.base.reasons import Reason
from poltergust.documents import known
from poltergust.documents.expand import Expanded
from poltergust.documents.fields import mapping, unrepeated
from poltergust.documents.mistakes import Mistakes, mistake, show, shown_path
from poltergust.documents.model import LuigiConfig
from poltergust.documents.scalars import is_null, json_text
from poltergust.documents.yaml_text import Scalar

_SECTION = re.compile(known.SECTION_NAME)
_OPTION = re.compile(known.OPTION_NAME)
_KEY = "luigi-config"


def luigi_config(entry: Expanded | None, mistakes: Mistakes) -> LuigiConfig:
    """Scalars verbatim, lists and mappings as JSON. No message holds a value: it may be a secret."""
    found: dict[str, dict[str, str]] = {}
    for section in mistakes.of(lambda: mapping(entry, _KEY), ()):
        with mistakes.collected():
            found[section.key] = _options(section, mistakes)
    return found


def _options(section: Expanded, mistakes: Mistakes) -> dict[str, str]:
    path = f"{_KEY}.{section.key}"
    if not _SECTION.fullmatch(section.key):
        raise mistake(
            section.at,
            Reason.INVALID_VALUE,
            f"{_KEY}: {show(section.key)} is not a section's name; write what stands between the brackets in luigi.cfg",
            path,
        )
    found: dict[str, str] = {}
    seen: dict[str, Expanded] = {}
    for option in mapping(section, shown_path(path)):
        with mistakes.collected():
            unrepeated(option, seen, shown_path(path))
            _check_name(section.key, option)
            found[option.key] = _value(option, f"{path}.{option.key}")
    return found


def _check_name(section: str, option: Expanded) -> None:
    path = f"{_KEY}.{section}.{option.key}"
    if not _OPTION.fullmatch(option.key):
        raise mistake(
            option.at,
            Reason.INVALID_VALUE,
            f"{shown_path(f'{_KEY}.{section}')}: {show(option.key)} is not an option's name; "
            "letters, digits, underscores, dashes and dots",
            path,
        )
    name = option.key.replace("_", "-").removeprefix("default-")
    if section == "core" and name in known.REFUSED_ARGUMENTS:
        raise mistake(
            option.at,
            Reason.REFUSED_ARGUMENT,
            f"{_KEY}.core: {show(option.key)} is refused: {known.REFUSED_ARGUMENTS[name]}; remove the line",
            path,
        )


def _value(option: Expanded, path: str) -> str:
    node = option.value
    if not isinstance(node, Scalar):
        return json_text(node)
    if is_null(node):
        raise mistake(
            node.at,
            Reason.INVALID_VALUE,
            f'{shown_path(path)}: no value; write "" for an empty text, or "null" in quotes, or leave the line out',
            path,
        )
    if node.text.strip() != node.text or len(node.text.splitlines()) > 1:
        raise mistake(
            node.at,
            Reason.INVALID_VALUE,
            f"{shown_path(path)}: luigi.cfg holds one line without blanks at its ends; write it so",
            path,
        )
    return node.text
