"""The service options of `listen`, as values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from poltergust.base.errors import UsageError
from poltergust.cli.observe_options import NOT_INHERITED, observe_options, with_observability
from poltergust.node.settings import Settings
from poltergust.path import layout


def settings(arguments: list[str], environ: dict[str, str] | None = None) -> Settings:
    """What `listen` makes of these options."""
    made: list[Settings] = []

    @click.command()
    @observe_options
    def command(**options: Any) -> None:
        full = {"HOME": "/home", **(environ or {})}
        made.append(
            with_observability(Settings(layout.WatchedPath("/p"), "n", cache=Path("/c"), environ=full), options, full)
        )

    found = CliRunner().invoke(command, arguments, catch_exceptions=True, env=environ)
    if isinstance(found.exception, UsageError):
        raise found.exception
    assert found.exit_code == 0, found.output
    return made[0]


def test_nothing_listens_or_posts_unless_asked() -> None:
    service = settings([]).observe
    assert (service.http, service.notify_url, service.systemd, service.watchdog) == (None, None, None, None)
    assert service.keep == 30 * 86400
    assert settings([]).runs.log_limit == 64 * 1024 * 1024


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8089", ("127.0.0.1", 8089)),
        (":8089", ("127.0.0.1", 8089)),
        ("localhost:1", ("127.0.0.1", 1)),
        ("0.0.0.0:8089", ("0.0.0.0", 8089)),
        ("[::1]:0", ("::1", 0)),
    ],
)
def test_a_port_alone_is_one_on_loopback(text: str, address: tuple[str, int]) -> None:
    assert settings(["--http", text]).observe.http == address


@pytest.mark.parametrize(
    "arguments",
    [
        ["--http", "here:8089"],
        ["--http", "127.0.0.1"],
        ["--http", "127.0.0.1:99999"],
        ["--http", "::1:80"],
        ["--keep", "5m"],
        ["--log-limit", "10"],
        ["--notify", "example.com"],
    ],
)
def test_values_that_make_no_sense_are_refused_by_the_options_name(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match=arguments[0]):
        settings(arguments)


def test_keep_nothing_and_limits() -> None:
    assert settings(["--keep", "0"]).observe.keep is None
    assert settings(["--keep", "12h"]).observe.keep == 43200
    assert settings(["--log-limit", "5M"]).runs.log_limit == 5 * 1024 * 1024


def test_what_is_for_this_process_alone_is_handed_to_no_task_and_shown_nowhere() -> None:
    environ = {
        "POLTERGUST_NOTIFY_SECRET": "s3cret-of-the-tests",
        "POLTERGUST_NOTIFY": "https://example.com/s3cret-in-the-path",
        "POLTERGUST_SCHEDULER_URL": "http://user:s3cret-of-the-scheduler@head:8082",
        "NOTIFY_SOCKET": "@systemd",
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    assert set(environ) == set(NOT_INHERITED)
    made = settings([], environ)
    assert made.environ == {"HOME": "/home"}
    assert (made.observe.systemd, made.observe.watchdog) == ("@systemd", 30.0)
    assert made.observe.notify_secret == "s3cret-of-the-tests"
    assert made.observe.notify_url == "https://example.com/s3cret-in-the-path"
    assert "s3cret" not in repr(made)
