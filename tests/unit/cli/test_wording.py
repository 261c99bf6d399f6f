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
from poltergust.path.records import MAX_QUEUE_NAMES
from tests.unit.cli import sample


def test_counts_leave_out_what_there_is_none_of() -> None:
    assert wording.tasks(Progress(done=5)) == "5 of 5 tasks done"
    assert wording.tasks(Progress(1, 2, 3, 4)) == "1 of 10 tasks done, 2 running, 3 pending, 4 failed"


def test_a_queued_config_says_when_nobody_is_there_to_take_it() -> None:
    live, silent, refusing = sample.node("a", 1), sample.node("b", 1000), sample.node("c", 1, taking=False)
    assert wording.stands(sample.queued(), [live, silent]) == "no node has it yet"
    for nodes in ([], [silent], [refusing]):
        assert wording.stands(sample.queued(), nodes).startswith("no live node listens")


def test_a_queued_config_has_its_place_in_line_where_nodes_are_full() -> None:
    name = sample.queued().name
    full = [sample.node(node, 1, ("a", "b"), queue=("x", "y", name)) for node in ("n1", "n2")]
    assert wording.stands(sample.queued(), full) == "3rd in line on n1, n2, 2 of 2 slots taken by a, b"
    other = sample.node("n3", 1, ("c", "d"), queue=(name,))
    assert wording.stands(sample.queued(), [full[0], other]) == (
        "3rd in line on n1, 2 of 2 slots taken by a, b; 1st in line on n3, 2 of 2 slots taken by c, d"
    )
    long = sample.node("n4", 1, ("a", "b"), queue=tuple(f"q{number}" for number in range(MAX_QUEUE_NAMES)))
    assert wording.stands(sample.queued(), [long]).startswith(f"behind the first {MAX_QUEUE_NAMES} in line on n4")


def test_what_is_tried_again_says_how_often_it_was_and_when_it_is() -> None:
    text = wording.stands(sample.retrying(), [sample.node("node-1", 1)])
    assert text.startswith("node-1: attempt 4, the next in 38s: registry-unreachable: ")


def test_what_waits_for_data_says_when_it_is_looked_for_again() -> None:
    text = wording.stands(sample.looking(), [sample.node("node-1", 1)])
    assert text == "node-1: data-missing: external data is not there yet: Sales(); the next look in 38s"


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
    first: str | None,
    second: str | None,
    option: str | None,
    found: tuple[str | None, str | None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline").mkdir()
    assert _arguments(first, second, option) == found


def test_with_the_option_path_the_argument_is_a_name_whatever_it_looks_like() -> None:
    assert _arguments("./odd", None, "gs://b/p", typed=True) == ("gs://b/p", "./odd")


def test_a_name_without_any_path_is_not_taken_for_a_folder_to_make() -> None:
    with pytest.raises(UsageError, match="if it is the name of a config, say on which path: add --path"):
        _arguments("nightly", None, None)


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
