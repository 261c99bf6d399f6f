"""Words for numbers, and the arguments that name things."""

from __future__ import annotations

from pathlib import Path

import pytest

from poltergust.base.errors import UsageError
from poltergust.base.progress import Progress
from poltergust.cli import wording
from poltergust.cli.options import parse_name
from poltergust.cli.status import _arguments
from poltergust.cli.submit import _default_name
from poltergust.path import layout
from tests.unit.cli import sample


def test_counts_leave_out_what_there_is_none_of() -> None:
    assert wording.tasks(Progress(done=5)) == "5 of 5 tasks done"
    assert wording.tasks(Progress(1, 2, 3, 4)) == "1 of 10 tasks done, 2 running, 3 pending, 4 failed"


def test_a_queued_config_says_when_nobody_is_there_to_take_it() -> None:
    live, silent, refusing = sample.node("a", 1), sample.node("b", 1000), sample.node("c", 1, taking=False)
    assert wording.stands(sample.queued(), [live, silent]) == "no node has it yet"
    for nodes in ([], [silent], [refusing]):
        assert wording.stands(sample.queued(), nodes).startswith("no live node listens")


@pytest.mark.parametrize(
    "text",
    [
        "a/nightly",
        "a/nightly.config.yaml",
        "a/nightly.error.yaml",
        "gs://b/p/a/nightly.done.yaml",
        "gs://b/p/a/nightly",
    ],
)
def test_a_name_as_people_write_it(text: str) -> None:
    assert parse_name(text, layout.WatchedPath("gs://b/p")) == "a/nightly"


@pytest.mark.parametrize("text", ["", ".config.yaml", "gs://other/p/x.config.yaml", "/etc/x"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(UsageError):
        parse_name(text, layout.WatchedPath("gs://b/p"))


@pytest.mark.parametrize(
    ("first", "second", "option", "found"),
    [
        (None, None, None, (None, None)),
        (None, None, "gs://b/p", ("gs://b/p", None)),
        ("gs://b/p", None, None, ("gs://b/p", None)),
        ("pipeline", None, None, ("pipeline", None)),
        ("nightly", None, "gs://b/p", ("gs://b/p", "nightly")),
        ("./pipeline", None, "gs://b/p", ("./pipeline", None)),
        ("gs://c/p", None, "gs://b/p", ("gs://c/p", None)),
        ("pipeline", "nightly", "gs://b/p", ("pipeline", "nightly")),
    ],
)
def test_which_argument_of_status_is_what(
    first: str | None, second: str | None, option: str | None, found: tuple[str | None, str | None]
) -> None:
    assert _arguments(first, second, option) == found


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("x/nightly.config.yaml", "nightly"),
        ("nightly.yaml", "nightly"),
        ("nightly.yml", "nightly"),
        ("nightly", "nightly"),
        ("nightly.error.yaml", "nightly"),
        ("a.b.yaml", "a.b"),
    ],
)
def test_the_name_that_a_file_gives(file: str, name: str, tmp_path: Path) -> None:
    assert parse_name(_default_name(file), layout.WatchedPath(str(tmp_path))) == name
