"""How well nodes share one pipeline: the time from the first task's start to the root's end, against the best possible.

    python -m benchmarks.sharing [--nodes 1 2 4] [--rounds 5] [--seconds 0.3]

40 tasks in three levels (28 leaves, 11 in the middle, the root), each of which only sleeps, one Luigi worker process
on each node. The best possible is max(total work / nodes, critical path). Printed for each number of nodes: the median
of the rounds and the ratio of the best possible to it, 1.0 being perfect; 0.8 on four nodes is the target. Real agents,
one luigid, a folder as the path. The tasks sleep, so that nodes may share a machine's cores.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring import say
from tests.e2e.nodes import node
from tests.emulators.luigid import luigid
from tests.emulators.servers import wait_until

LEAVES, MIDDLE = 28, 11
TASKS = LEAVES + MIDDLE + 1
LEVELS = 3

PIPELINE = f"""
import os
import time

import luigi


class Part(luigi.Task):
    folder = luigi.Parameter()
    seconds = luigi.FloatParameter()
    level = luigi.IntParameter(default=0)
    number = luigi.IntParameter(default=0)

    def requires(self):
        if self.level == 0:
            below = range({MIDDLE})
        elif self.level == 1:
            below = range(self.number, {LEAVES}, {MIDDLE})
        else:
            return []
        return [Part(self.folder, self.seconds, self.level + 1, number) for number in below]

    def output(self):
        return luigi.LocalTarget(os.path.join(self.folder, "{{}}-{{}}".format(self.level, self.number)))

    def run(self):
        began = time.time()
        time.sleep(self.seconds)
        with self.output().open("w") as file:
            file.write("{{}} {{}}".format(began, time.time()))
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=0.3, help="how long each task sleeps")
    chosen = options.parse_args()
    say(f"{TASKS} tasks of {chosen.seconds:g} s in {LEVELS} levels, median of {chosen.rounds}")
    say(f"{'nodes':>5} {'best possible':>14} {'median':>8} {'ratio':>6}   rounds")
    with tempfile.TemporaryDirectory(prefix="sharing-") as folder:
        for count in chosen.nodes:
            report(count, chosen.seconds, measure(Path(folder), count, chosen.rounds, chosen.seconds))


def report(count: int, seconds: float, took: Sequence[float]) -> None:
    best = max(TASKS * seconds / count, LEVELS * seconds)
    median = statistics.median(took)
    rounds = " ".join(f"{each:.2f}" for each in took)
    say(f"{count:>5} {best:>12.2f} s {median:>6.2f} s {best / median:>6.2f}   {rounds}")


def measure(folder: Path, count: int, rounds: int, seconds: float) -> list[float]:
    """Seconds of each round, on `count` nodes. One more round goes before, which builds the environment."""
    home = folder / f"nodes-{count}"
    path = home / "pipeline"
    path.mkdir(parents=True)
    (home / "code").mkdir()
    (home / "code" / "sharing_tasks.py").write_text(PIPELINE)
    (home / "environment.yaml").write_text("dependencies: []\n")
    with contextlib.ExitStack() as stack:
        scheduler = stack.enter_context(luigid(home))
        for number in range(count):
            arguments = ["listen", "--path", str(path), "--node", f"node-{number}", "--scheduler-url", scheduler]
            arguments += ["--cache-dir", str(folder / "cache")]
            log = home / f"node-{number}.log"
            stack.enter_context(node(arguments, log=log, cwd=home, env={"PYTHONPATH": str(home / "code")}))
        return [one_round(home, path, number, seconds) for number in range(rounds + 1)][1:]


def one_round(home: Path, path: Path, number: int, seconds: float) -> float:
    targets = home / f"round-{number}"
    targets.mkdir()
    config = home / "new"
    config.write_text(
        "environment: ../environment.yaml\n"
        f"task:\n  module: sharing_tasks\n  name: Part\n  folder: {targets}\n  seconds: {seconds}\n"
    )
    config.rename(path / f"round-{number}.config.yaml")
    wait_until((path / f"round-{number}.done.yaml").exists, f"round {number}", timeout=600)
    times = [tuple(map(float, each.read_text().split())) for each in targets.iterdir()]
    if len(times) != TASKS:
        raise AssertionError(f"{len(times)} of {TASKS} tasks ran")
    return max(end for _, end in times) - min(began for began, _ in times)


if __name__ == "__main__":
    main()
