"""Options that commands share, and how their text becomes values. Every option has an environment variable."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from poltergust.base.errors import UsageError
from poltergust.path import layout

F = TypeVar("F", bound=Callable[..., Any])

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s?([KMGTkmgt]?)(?:i?[Bb])?")


def option(flag: str, *others: str, **attributes: Any) -> Callable[[F], F]:
    """`click.option` with its environment variable: ``--cache-dir`` is ``POLTERGUST_CACHE_DIR``, unless `envvar` names
    another."""
    variable = "POLTERGUST_" + flag.lstrip("-").replace("-", "_").upper()
    attributes.setdefault("envvar", variable)
    attributes.setdefault("show_default", attributes.get("default") is not None)
    decorate: Callable[[F], F] = click.option(flag, *others, show_envvar=True, **attributes)
    return decorate


class Duration(click.ParamType[float]):
    """``90``, ``90s``, ``5m``, ``1h30m``, ``2d``; a number of seconds as a float."""

    name = "duration"

    def __init__(self, least: float = 0.0) -> None:
        """`least` in seconds: anything shorter is refused."""
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(value) if isinstance(value, (int, float)) else self._parse(value, param, ctx)
        if seconds < self._least:
            self.fail(f"{value!r} is too short; write {self._least:g}s or more", param, ctx)
        return seconds

    def _parse(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = _DURATION.fullmatch(str(value))
        if not value or found is None:
            self.fail(f"{value!r} is not a duration; write for example 90s, 5m or 1h30m", param, ctx)
        days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return days * 86400 + hours * 3600 + minutes * 60 + seconds


class Size(click.ParamType[int]):
    """``500M``, ``20G``, ``1.5T``, units of 1024; a number of bytes as an int."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not a size; write for example 500M or 20G", param, ctx)
        return int(float(found[1]) * 1024 ** " KMGT".index((found[2] or " ").upper()))


def parse_path(text: str, *, must_exist: bool = True) -> layout.WatchedPath:
    """`--path` as a user writes it. Raises `UsageError` for what is neither a bucket's path nor a folder (that exists,
    unless told otherwise)."""
    if layout.is_cloud(text):
        bucket, _, prefix = text[len("gs://") :].partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise UsageError(f"--path {text}: {bucket!r} is not a bucket's name; write gs://bucket/prefix")
        prefix = prefix.rstrip("/")
        return layout.WatchedPath(f"gs://{bucket}/{prefix}" if prefix else f"gs://{bucket}")
    if "://" in text:
        raise UsageError(f"--path {text}: only gs:// and local folders are known")
    folder = Path(os.path.abspath(os.path.expanduser(text)))
    if must_exist and not folder.is_dir():
        raise UsageError(f"--path {text}: no such folder; make it first: mkdir -p {text}")
    return layout.WatchedPath(str(folder))


def parse_name(text: str, path: layout.WatchedPath) -> str:
    """A config's name as a user may write it: ``nightly``, ``nightly.config.yaml``, or the whole URL of an outcome."""
    name = text.removeprefix(path.prefix)
    for kind in layout.Kind:
        name = name.removesuffix(kind.suffix)
    if not name or name.startswith("/") or layout.is_cloud(name):
        raise UsageError(f"{text!r} is no name of a config below {path.prefix}; see: poltergust status {path.root}")
    return name


def parse_node(text: str | None) -> str:
    """`--node`, or the host's name made fit. Raises `UsageError`."""
    if text is None:
        text = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname()).strip("-.") or "node"
    if not layout.valid_node(text):
        raise UsageError(f"--node {text!r}: use letters, digits, dots, dashes and underscores, at most 100 of them")
    return text


def default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "poltergust"
