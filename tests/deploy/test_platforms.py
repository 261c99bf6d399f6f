"""docs/platforms.md keeps its word: what it says a platform costs follows from its formula."""

from __future__ import annotations

import pytest

from tests.terraform.standin import ROOT

PAGE = (ROOT / "docs" / "platforms.md").read_text()
HOURS, NODES = 730, 3
DISK = 4.00
NODE, SPOT, SCHEDULER = HOURS * 0.134 + DISK, HOURS * 0.134 * 0.4 + DISK, HOURS * 0.067 + DISK
ADDRESSES = HOURS * 0.005 * (NODES + 1)
STORAGE = 0.65 * NODES
DATAPROC = HOURS * 0.01 * (NODES * 4 + 2)  # processors of the workers and of the master


@pytest.mark.parametrize(
    ("platform", "node", "adds"),
    [
        ("Dataproc", NODE, DATAPROC),
        ("Compute Engine", NODE, 0.0),
        ("Compute Engine, spot nodes", SPOT, 0.0),
        ("GKE Standard, one zone", NODE, 0.0),
    ],
)
def test_the_costs_follow_from_the_formula(platform: str, node: float, adds: float) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {platform} | ") and line.count("|") == 6]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    together = NODES * node + SCHEDULER + adds + ADDRESSES + STORAGE
    assert [cells[1], cells[2], cells[4]] == [f"{node:.2f}", f"{SCHEDULER:.2f}", f"{together:.2f}"]
    assert adds == 0 or f"{adds:.2f}" in cells[3]


def test_the_two_sums_of_the_text_are_the_same() -> None:
    assert f"public addresses ({ADDRESSES:.2f}) and storage ({STORAGE:.2f})" in PAGE
