"""Which counters are read for out-of-memory kills."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from poltergust.processes import memory
from poltergust.processes.memory import freeze_loaded, oom_kills


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


ARENAS = """
import sys, threading
from poltergust.processes.memory import few_arenas
if sys.argv[1] == "few":
    few_arenas()
kept, step = [], threading.Barrier(9)
def work():
    kept.append(bytes(100_000))
    step.wait()
    step.wait()
for _ in range(8):
    threading.Thread(target=work).start()
step.wait()
with open("/proc/self/maps") as file:
    ends = [int(line.partition("-")[2].split()[0], 16) for line in file if "---p" in line]
print(sum(end % (64 << 20) == 0 for end in ends))  # an arena reserves 64 MB, aligned
step.wait()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")
def test_threads_share_their_heaps() -> None:
    def arenas(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", ARENAS, how], capture_output=True, check=True, timeout=60)
        return int(done.stdout)

    assert arenas("few") <= 1 < arenas("usual")


def test_what_is_loaded_is_left_out_of_the_garbage_collectors_looks() -> None:
    loaded: list[object] = [[]]
    try:
        freeze_loaded()
        assert gc.get_freeze_count() > 0
        assert not any(each is loaded for each in gc.get_objects())
    finally:
        gc.unfreeze()
    assert any(each is loaded for each in gc.get_objects())
