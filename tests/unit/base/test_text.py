"""Text for people, and the lengths of time that they write."""

from __future__ import annotations

import re

import pytest

from poltergust.base import durations
from poltergust.base.text import (
    by_colours,
    cut,
    did_you_mean,
    escaped,
    exact,
    nearest,
    one_line,
    plain,
    plural,
    size,
    span,
)


def test_terminal_codes_do_not_reach_a_terminal() -> None:
    assert plain("\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b]8;;u\x1b\\ a\x00b\ttab\r") == "red  a\\x00b\ttab\\r"
    assert plain("left\u202eright") == "left\\u202eright"


def test_colours_may_stay_and_nothing_else() -> None:
    assert by_colours("\x1b[1;31mred\x1b[0m\x1b[2J\x1b]0;title\x07\x00", plain) == "\x1b[1;31mred\x1b[0m\\x00"
    assert by_colours("\x1b[\x1b[0m2J", plain) == "\\x1b[\x1b[0m2J"  # taking one out does not make another


def test_one_line_is_one_line_of_bounded_length() -> None:
    assert one_line("a\nb\r\n  c") == "a b c"
    assert one_line("what failed, and where: this is why", 20) == "what f…: this is why"


def test_what_is_cut_says_so() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdef", 5) == "abcd…"


def test_an_escape_keeps_what_cannot_be_printed() -> None:
    assert escaped("a\nb\x1b[31mé\ud800") == "a\\nb\\x1b[31mé\\ud800"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0, "0s"), (99.9, "99s"), (100, "1m"), (5999, "99m"), (6000, "1h"), (172799, "47h"), (172800, "2d")],
)
def test_a_span_is_read_at_a_glance(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (252, "4 min 12 s"), (7500, "2 h 5 min"), (200_000, "2 d 7 h")],
)
def test_exactly(seconds: float, text: str) -> None:
    assert exact(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 KB"), (512 * 1024, "512 KB"), (31 * 1024**2, "31 MB"), (1288490189, "1.2 GB")]
)
def test_a_size(count: int, text: str) -> None:
    assert size(count) == text


def test_counted_things() -> None:
    assert [plural(n, "node") for n in (0, 1, 2)] == ["0 nodes", "1 node", "2 nodes"]
    assert plural(2, "dependency", "dependencies") == "2 dependencies"


def test_what_was_probably_meant() -> None:
    known = ("system-site-packages", "python")
    assert nearest("System_Site_Package", known) == "system-site-packages"
    assert did_you_mean("pyhton", known) == '; did you mean "python"?'
    assert did_you_mean("conda", known) == ""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("90m", 5400), ("1h30m", 5400), ("1d2h3m4.5s", 93784.5), ("90", 90), ("0", 0), ("0.5", 0.5)],
)
def test_a_duration(text: str, seconds: float) -> None:
    assert durations.seconds_of(text) == seconds
    assert re.fullmatch(durations.PATTERN, text)


@pytest.mark.parametrize("text", ["", " ", "1h30", "1m1h", "-1", "90min", "1:30", "1e3", "1.5h", "inf", "١s", "90 s"])
def test_what_is_no_duration(text: str) -> None:
    assert durations.seconds_of(text) is None
