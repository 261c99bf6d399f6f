"""The `luigi.cfg` of one run: what its files say under `luigi-config`, over what the node's own configuration says."""

from __future__ import annotations

import configparser
import datetime
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from poltergust.base.errors import NodeError
from poltergust.base.reasons import Reason
from poltergust.documents import LuigiConfig

PATH, PARSER = "LUIGI_CONFIG_PATH", "LUIGI_CONFIG_PARSER"
"""The variables by which Luigi finds its configuration (luigi/configuration/core.py)."""


def variables(folder: Path, configs: tuple[LuigiConfig, ...], env: Mapping[str, str], workdir: Path) -> dict[str, str]:
    """Write `luigi.cfg` into `folder`, for its owner only, and return the variables that name it; none where `configs`,
    the later ones stronger, say nothing.

    Luigi reads one file that a variable names: what `env` names already is copied in, below the others. Raises
    `NodeError` where that cannot be read.
    """
    if not any(configs):
        return {}
    parser = _parser()
    named = env.get(PATH)
    if named:
        base = workdir / named
        try:
            text = base.read_text(encoding="utf-8")
            if named.endswith(".toml") or env.get(PARSER) == "toml":
                for section, values in _toml(text).items():
                    _merge(parser, section, values)
            else:
                parser.read_string(text)
        except FileNotFoundError:
            pass  # Luigi passes over it as well
        except (OSError, ValueError, configparser.Error) as error:
            why = str(error).splitlines()[0]
            raise NodeError(Reason.START_FAILED, f"{PATH} names {base}, which cannot be read: {why}") from error
    for config in configs:
        for section, options in config.items():
            _merge(parser, section, options)
    target = folder / "luigi.cfg"
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        parser.write(file)
    return {PATH: str(target), PARSER: "cfg"}


def _toml(text: str) -> dict[str, dict[str, str]]:
    """The same in the words of a .cfg, as Luigi's parameters read it. Raises `ValueError`."""
    if sys.version_info < (3, 11):
        raise ValueError("beside luigi-config a TOML file needs an agent on Python 3.11 or newer; write it as a .cfg")
    import tomllib

    sections = tomllib.loads(text)
    for name, options in sections.items():
        if not isinstance(options, dict):
            raise ValueError(f"{name} stands outside a section")
    return {name: {option: _text(value) for option, value in options.items()} for name, options in sections.items()}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False, default=_text)


def _parser() -> configparser.RawConfigParser:
    """Reads and writes text as it stands: nothing is interpolated, no name loses its capitals."""
    # "DEFAULT" is a section like any other here, or its options would be written out below every one.
    parser = configparser.RawConfigParser(strict=False, default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    return parser


def _merge(parser: configparser.RawConfigParser, section: str, options: Mapping[str, str]) -> None:
    if not parser.has_section(section):
        parser.add_section(section)
    for option, value in options.items():
        for other in (option.replace("-", "_"), option.replace("_", "-")):  # the same option for Luigi
            parser.remove_option(section, other)
        parser.set(section, option, value.replace("%", "%%"))  # Luigi interpolates
