"""docs/reliability.md names the test that shows each fault: they are there."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "reliability.md"


def defined(folder: Path) -> set[str]:
    return {
        name for path in folder.rglob("test_*.py") for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    }


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    assert named
    assert named <= defined(FOLDER.parent)


def test_every_fault_of_the_suite_is_on_the_page() -> None:
    unnamed = defined(FOLDER) - set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    assert not {name for name in unnamed if "page" not in name}
