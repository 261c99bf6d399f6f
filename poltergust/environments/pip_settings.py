"""What pip is configured to do on this node: its configuration files and PIP_* variables, merged as pip merges them.

Order and places: https://pip.pypa.io/en/stable/topics/configuration/. Later wins per key: system files, the user's, the
file PIP_CONFIG_FILE names, `[global]` before `[install]` in each, then PIP_* variables. Empty values count as unset.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from poltergust.base.errors import NodeError
from poltergust.base.reasons import Reason

_SECTIONS = ("global", "install")
_NOT_OPTIONS = frozenset({"version", "help", "config-file"})


def read(env: Mapping[str, str]) -> dict[str, str]:
    """Option name (long, without dashes in front) to its text as written; several values are split by white space.

    Raises `NodeError(INSTALL_FAILED)` for a file that pip could not read either.
    """
    merged: dict[str, str] = {}
    for path in _files(env):
        parser = configparser.RawConfigParser()
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise NodeError(Reason.INSTALL_FAILED, f"pip's configuration {path} cannot be read: {error}") from None
        try:
            parser.read_string(text)
        except configparser.Error as error:
            why = str(error).splitlines()[0]
            raise NodeError(Reason.INSTALL_FAILED, f"pip's configuration {path} cannot be read: {why}") from None
        for section in _SECTIONS:
            if parser.has_section(section):
                merged |= {_normal(key): value.strip() for key, value in parser.items(section) if value.strip()}
    for name, value in env.items():
        key = _normal(name[len("PIP_") :])
        if name.startswith("PIP_") and name == name.upper() and value.strip() and key not in _NOT_OPTIONS:
            merged[key] = value.strip()
    return merged


def _normal(key: str) -> str:
    return key.lower().replace("_", "-").lstrip("-")


def _files(env: Mapping[str, str]) -> Iterator[Path]:
    named = env.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    home = env.get("HOME")
    for folder in reversed((env.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)):
        if folder:
            yield Path(folder, "pip", "pip.conf")
    yield Path("/etc/pip.conf")
    if home and not (named and os.path.exists(named)):
        yield Path(home, ".pip", "pip.conf")
        yield Path(env.get("XDG_CONFIG_HOME") or Path(home, ".config"), "pip", "pip.conf")
    if named:
        yield Path(named)
