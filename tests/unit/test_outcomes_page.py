"""The page on outcomes explains every reason code there is, in the table of its row, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from poltergust.base.reasons import Reason, ReasonKind

PAGE = (Path(__file__).parents[2] / "docs" / "outcomes.md").read_text(encoding="utf-8")
SECTIONS = {
    ReasonKind.DONE: "Done",
    ReasonKind.INVALID: "The files are wrong",
    ReasonKind.FAILED: "The pipeline cannot go on",
    ReasonKind.NODE: "This node cannot",
    ReasonKind.WAITING: "Waiting",
    ReasonKind.TRANSIENT: "It passes by itself",
    ReasonKind.SUPERSEDED: "It no longer counts",
}
_ENTRY = re.compile(r"^\| `([a-z-]+)` \| (.+) \| (.+) \|$", re.MULTILINE)


def entries(row: ReasonKind) -> dict[str, tuple[str, str]]:
    """Code to meaning and advice, of the table of one row."""
    section = PAGE.split(f"\n### {SECTIONS[row]}\n", 1)[1].split("\n#", 1)[0]
    return {code: (meaning, advice) for code, meaning, advice in _ENTRY.findall(section)}


@pytest.mark.parametrize("row", ReasonKind)
def test_every_code_stands_in_its_rows_table_and_no_other_does(row: ReasonKind) -> None:
    assert set(entries(row)) == {reason.code for reason in Reason if reason.kind is row}


def test_each_code_has_one_entry_and_a_whole_sentence_of_advice() -> None:
    found = _ENTRY.findall(PAGE)
    codes = [code for code, _, _ in found]
    assert len(codes) == len(set(codes))
    for code, meaning, advice in found:
        assert meaning.endswith("."), code
        assert advice.endswith("."), code
