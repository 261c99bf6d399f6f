"""The scheduler's URL: refused in one line where it is none, shown without its credentials."""

from __future__ import annotations

import pytest

from poltergust.base.errors import UsageError
from poltergust.cli.node_options import scheduler_url
from poltergust.luigi_run.passwords import Credentials
from poltergust.luigi_run.scheduler import SchedulerClient


@pytest.mark.parametrize(
    "url",
    [
        "http://[redacted]@head:8082",
        "http://head:port",
        "http://head:99999",
        "http://[::1",
        "http://head..lan:8082",
        f"http://{'h' * 64}.lan:8082",
        "http://head:8082/ /",
        "http://head two:8082",
        "http://head:8082/pfad-ü",
    ],
)
def test_what_cannot_be_read_is_a_mistake_of_the_command_line(url: str) -> None:
    with pytest.raises(UsageError, match="the scheduler's URL cannot be read"):
        SchedulerClient(url)


def test_a_password_changes_nothing_about_that() -> None:
    with pytest.raises(UsageError, match="the scheduler's URL cannot be read"):
        Credentials("user", "password").in_url("http://[::1")


@pytest.mark.parametrize("text", ["http://head:8082\n", " http://head:8082/ ", "http://head:8082"])
def test_what_a_variable_ends_in_is_no_part_of_it(text: str) -> None:
    assert scheduler_url(text, {}) == "http://head:8082"


def test_it_is_shown_without_its_credentials() -> None:
    assert SchedulerClient("http://user:p%40ss@head:8082/luigi/").url == "http://head:8082/luigi"
