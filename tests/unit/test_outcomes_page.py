"""The page on outcomes explains every reason code there is, in the table of its row, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from poltergust.reasons import Reason, Row

PAGE = (Path(__file__).parents[2] / "docs" / "outcomes.md").read_text(encoding="utf-8")
SECTIONS = {
    Row.DONE: "Done",
    Row.WRONG: "The files are wrong",
    Row.STUCK: "The pipeline cannot go on",
    Row.NODE: "This node cannot",
    Row.WAITING: "Waiting",
    Row.PASSING: "It passes",
    Row.STOPPED: "It no longer counts",
}
SET_ASIDE = {Reason.ENVIRONMENT_INVALID, Reason.RENAME_LOST}
_ENTRY = re.compile(r"^\| `([a-z-]+)` \| (.+) \| (.+) \|$", re.MULTILINE)


def entries(row: Row) -> dict[str, tuple[str, str]]:
    """Code to meaning and advice, of the table of one row."""
    section = PAGE.split(f"\n### {SECTIONS[row]}\n", 1)[1].split("\n#", 1)[0]
    return {code: (meaning, advice) for code, meaning, advice in _ENTRY.findall(section)}


@pytest.mark.parametrize("row", Row)
def test_every_code_stands_in_its_rows_table_and_no_other_does(row: Row) -> None:
    assert set(entries(row)) == {reason.code for reason in Reason if reason.row is row and reason not in SET_ASIDE}


def test_each_code_has_one_entry_and_a_whole_sentence_of_advice() -> None:
    found = _ENTRY.findall(PAGE)
    codes = [code for code, _, _ in found]
    assert len(codes) == len(set(codes))
    for code, meaning, advice in found:
        assert meaning.endswith("."), code
        assert advice.endswith("."), code


def test_what_is_set_aside_is_named_and_nothing_gives_it() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8")
        for path in (Path(__file__).parents[2] / "poltergust").rglob("*.py")
        if path.name != "reasons.py"
    )
    for reason in SET_ASIDE:
        assert f"`{reason.code}`" in PAGE.split("set aside", 1)[1]
        assert f"Reason.{reason.name}" not in sources
        assert f'"{reason.code}"' not in sources
