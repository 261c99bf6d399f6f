"""docs/deploy.md keeps its word: its table of costs follows from its formula, and what it names exists."""

from __future__ import annotations

import re

import pytest

from tests.terraform.standin import ROOT

PAGE = (ROOT / "docs" / "deploy.md").read_text()
CONFIGS = 3000


@pytest.mark.parametrize("nodes", [3, 30, 300])
def test_the_costs_follow_from_the_formula(nodes: int) -> None:
    standing = nodes * (43_200 + 8_640) * 0.005 / 1000
    runs = nodes * CONFIGS * (25 * 0.005 + 10 * 0.0004) / 1000
    messages = 2 * CONFIGS * (1 + nodes) / 1_000_000
    row = f"| {nodes} | {standing:.2f} | {runs:.2f} | {messages:.2f} GB: free | {standing + runs:.2f} |"
    assert row in PAGE
    assert messages < 10


def test_the_links_lead_somewhere() -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / "docs" / target).exists()] == []


def test_the_options_it_shows_are_known() -> None:
    used = set(re.findall(r"clusters/(dataproc-\w+-cluster\.sh) .*?(--[a-z-]+)", PAGE))
    assert used
    for script, option in used:
        assert f"{option})" in (ROOT / "clusters" / script).read_text()
