"""Options that commands share, and how their text becomes values. Every option has an environment variable."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from poltergust.base import hints
from poltergust.base.durations import seconds_of
from poltergust.base.errors import UsageError
from poltergust.base.folders import absolute
from poltergust.base.urls import is_cloud
from poltergust.path import layout

F = TypeVar("F", bound=Callable[..., Any])

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s?([KMGTkmgt]?)(?:i?[Bb])?")


def option(flag: str, *others: str, **attributes: Any) -> Callable[[F], F]:
    """`click.option` with its environment variable: ``--cache-dir`` is ``POLTERGUST_CACHE_DIR``, and that of
    ``--warm-starts/--no-warm-starts`` called after the first, unless `envvar` names another."""
    variable = "POLTERGUST_" + flag.partition("/")[0].lstrip("-").replace("-", "_").upper()
    attributes.setdefault("envvar", variable)
    attributes.setdefault("show_default", attributes.get("default") is not None)
    decorate: Callable[[F], F] = click.option(flag, *others, show_envvar=True, **attributes)
    return decorate


scheduler_password_option = option(
    "--scheduler-password-file",
    metavar="FILE",
    help="The password of the scheduler at --scheduler-url: a line user:password; of mode 0600.",
)

redact_variables_option = option(
    "--redact-variables",
    multiple=True,
    metavar="GLOB",
    help="Mask what variables and arguments so named hold, beside *_TOKEN and the like (repeatable).",
)


def with_password(url: str | None, file: str | None) -> str | None:
    """A scheduler's URL with the first line of its password file, if both are given. Raises `UsageError`."""
    if url is None or not file:
        return url
    from poltergust.luigi_run.passwords import read_passwords

    return read_passwords(absolute("--scheduler-password-file", file))[0].in_url(url)


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
        seconds = seconds_of(str(value))
        if seconds is None:
            self.fail(f"{value!r} is not a duration; write for example 90s, 5m or 1h30m", param, ctx)
        return seconds


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


def parse_name(text: str, path: layout.WatchedPath) -> str:
    """A config's name as a user may write it: ``nightly``, ``nightly.config.yaml``, or the whole URL of an outcome."""
    name = text.removeprefix(path.prefix)
    suffix = next((kind.suffix for kind in layout.Kind if name.endswith(kind.suffix)), "")
    name = name.removesuffix(suffix)
    if not name or name.startswith("/") or is_cloud(name) or any(part in (".", "..") for part in name.split("/")):
        see = hints.command("status", path=path.root)
        raise UsageError(f"{text!r} is no name of a config below {path.prefix}; see: {see}")
    return name
