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
_ENTRY = re.compile(r"^\| `([a-z-]+)` \| (.+) \| (.+) \|$", re.MULTILINE)


def entries(row: Row) -> dict[str, tuple[str, str]]:
    """Code to meaning and advice, of the table of one row."""
    section = PAGE.split(f"\n### {SECTIONS[row]}\n", 1)[1].split("\n#", 1)[0]
    return {code: (meaning, advice) for code, meaning, advice in _ENTRY.findall(section)}


@pytest.mark.parametrize("row", Row)
def test_every_code_stands_in_its_rows_table_and_no_other_does(row: Row) -> None:
    assert set(entries(row)) == {reason.code for reason in Reason if reason.row is row}


def test_each_code_has_one_entry_and_a_whole_sentence_of_advice() -> None:
    found = _ENTRY.findall(PAGE)
    codes = [code for code, _, _ in found]
    assert len(codes) == len(set(codes))
    for code, meaning, advice in found:
        assert meaning.endswith("."), code
        assert advice.endswith("."), code
