"""What several measurements need: a pipeline that does nothing, the bare luigi command, memory and processor time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PIPELINE = """
import time

import luigi


class NoOp(luigi.Task):
    target = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(self.target)

    def run(self):
        with self.output().open("w") as file:
            file.write(repr(time.time()))
"""
"""Module `no_op`. The target says when its first line ran."""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def config(environment: str, target: Path, module: str = "no_op", task: str = "NoOp") -> str:
    return f"environment: {environment}\ntask:\n  module: {module}\n  name: {task}\n  target: {target}\n"


def bare(python: Path, scheduler: str, code: Path, target: Path, module: str = "no_op") -> None:
    """What a person types."""
    port = scheduler.rpartition(":")[2]
    argv = [str(python.with_name("luigi")), "--module", module, "NoOp", "--target", str(target), "--no-lock"]
    argv += ["--scheduler-host", "127.0.0.1", "--scheduler-port", port]
    env = {**os.environ, "PYTHONPATH": str(code)}
    subprocess.run(argv, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)


def side_by_side(calls: Sequence[Callable[[], object]], parallel: int) -> float:
    """Seconds for all calls, so many at a time."""
    began = time.monotonic()
    with ThreadPoolExecutor(parallel) as pool:
        for result in [pool.submit(call) for call in calls]:
            result.result()
    return time.monotonic() - began


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def pss(pid: int) -> float:
    """Megabytes: its own pages, and its share of those that others have too."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"/proc/{pid}/smaps_rollup has no Pss")


def processor_seconds(pid: int, *, with_ended_children: bool = False) -> float:
    """Of the process itself; with those of its children that have ended and were waited for: proc_pid_stat(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if with_ended_children else 13])) / os.sysconf("SC_CLK_TCK")
