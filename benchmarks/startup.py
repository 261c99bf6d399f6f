"""What it takes until the first line of a pipeline runs, and until the agent listens.

    python -m benchmarks.startup [--rounds 20]

A no-op task, run to its report as the agent runs it: plainly (a new interpreter), warm (forked from the fork server of
its environment), and warm with source that changed before each run, as `code` brings it. Beside them the bare luigi
command. Printed for each: the median seconds to the task's first line and to the end, their quartiles, and the ratio of
the end to the bare command's (0.5 is the target for a warm start). Last, an agent on a folder: seconds to ready.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.measuring import PIPELINE, bare, say
from poltergust.documents import Argument
from poltergust.luigi_run import Request
from poltergust.luigi_run.launch import Launcher
from poltergust.luigi_run.warm_starts import WarmStarts
from poltergust.processes.child import spawn
from tests.e2e.nodes import node
from tests.emulators.luigid import luigid

Times = tuple[float, float]
"""Seconds to the first line, and to the end."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=20)
    rounds = options.parse_args().rounds
    warm = WarmStarts()
    with tempfile.TemporaryDirectory(prefix="startup-") as folder, luigid(Path(folder)) as scheduler:
        home = Path(folder)
        (home / "no_op.py").write_text(PIPELINE)

        def run(launcher: Launcher, target: Path, code: Path = home) -> None:
            shared = {"PATH": os.environ["PATH"]}
            request = Request("no_op", "NoOp", (Argument("target", str(target)),), scheduler, target.name, budget=1)
            started = launcher(
                request,
                python=Path(sys.executable),
                env={**shared, "PYTHONPATH": str(code)},
                workdir=home,
                on_line=lambda _: None,
                on_end=lambda: None,
                shared_env=shared,
            )
            report = started.result(120)
            if report is None or report.reason.code != "complete":
                raise AssertionError(report)

        def changed(target: Path) -> None:
            code = home / f"code-{target.name}"
            code.mkdir()
            (code / "no_op.py").write_text(f"{PIPELINE}\n# {target.name}\n")
            run(Launcher(spawn, warm=warm), target, code)

        ways: dict[str, Callable[[Path], None]] = {
            "luigi": lambda target: bare(Path(sys.executable), scheduler, home, target),
            "plain": lambda target: run(Launcher(spawn), target),
            "warm": lambda target: run(Launcher(spawn, warm=warm), target),
            "changed": changed,
        }
        say(f"median of {rounds}, in turns")
        say(f"{'':<8} {'first line':>10} {'end':>8} {'quartiles':>17} {'ratio':>6}")
        took = measure(home, ways, rounds)
        alone = statistics.median(end for _, end in took["luigi"])
        for name, times in took.items():
            first, end = (statistics.median(each) for each in zip(*times, strict=True))
            low, _, high = statistics.quantiles([each for _, each in times], n=4)
            say(f"{name:<8} {first:>8.3f} s {end:>6.3f} s {low:>7.3f} - {high:<7.3f} {end / alone:>6.2f}")
        warm.stop()
        say(f"agent to ready: {statistics.median(ready(home, scheduler, number) for number in range(3)):.2f} s")


def measure(home: Path, ways: Mapping[str, Callable[[Path], None]], rounds: int) -> dict[str, list[Times]]:
    """One more round goes before, which starts the server."""
    took: dict[str, list[Times]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            target = home / f"{name}-{number}"
            began = time.time()
            way(target)
            end = time.time()
            if number:
                took[name].append((float(target.read_text()) - began, end - began))
    return took


def ready(home: Path, scheduler: str, number: int) -> float:
    path = home / f"pipeline-{number}"
    path.mkdir()
    arguments = ["listen", "--path", str(path), "--node", "startup", "--scheduler-url", scheduler]
    arguments += ["--cache-dir", str(home / "cache")]
    began = time.monotonic()
    with node(arguments, log=home / f"agent-{number}.log", cwd=home):
        return time.monotonic() - began


if __name__ == "__main__":
    main()
