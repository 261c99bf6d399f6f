"""Which counters are read for out-of-memory kills."""

from __future__ import annotations

from pathlib import Path

import pytest

from poltergust.processes import memory
from poltergust.processes.memory import oom_kills


@pytest.mark.parametrize(
    ("cgroup", "counter", "text"),
    [
        ("0::/system.slice/x\n", "system.slice/x/memory.events", "low 0\noom 4\noom_kill 3\noom_group_kill 9\n"),
        ("4:memory:/job\n0::/\n", "memory/job/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
    ],
)
def test_counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cgroup: str, counter: str, text: str) -> None:
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    (tmp_path / counter).parent.mkdir(parents=True)
    (tmp_path / counter).write_text(text)
    (tmp_path / "cgroup").write_text(cgroup)
    (tmp_path / "vmstat").write_text("nr_free_pages 12\noom_kill 40\n")
    assert oom_kills(tmp_path / "cgroup", tmp_path / "vmstat") == 43


def test_nothing_readable_is_zero(tmp_path: Path) -> None:
    assert oom_kills(tmp_path / "cgroup", tmp_path / "vmstat") == 0


def test_this_machine_can_be_asked() -> None:
    assert oom_kills() >= 0
