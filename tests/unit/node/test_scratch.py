"""What an agent makes of the machine it starts on."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from poltergust.node.scratch import private_folders


def test_what_a_killed_agent_left_goes(tmp_path: Path) -> None:
    left = tmp_path / "work" / "path-node" / "left"
    left.mkdir(parents=True)
    with private_folders(left.parent):
        assert not left.exists()
        left.mkdir(parents=True)
    assert not left.exists()


def test_another_agent_of_the_same_name_keeps_its_own(tmp_path: Path) -> None:
    """A polling pass beside an agent on one machine, for example."""
    folder = tmp_path / "work" / "path-node"
    with private_folders(folder):
        used = folder / "used"
        used.mkdir(parents=True)
        with private_folders(folder):
            assert used.exists()
        assert used.exists()
    assert not used.exists()


def test_a_cache_that_cannot_be_written_ends_no_agent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "work").write_text("a file where the folder belongs")
    with caplog.at_level(logging.WARNING), private_folders(tmp_path / "work" / "path-node"):
        assert "stays" in caplog.text
