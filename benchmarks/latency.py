"""From an upload to user code to done, and how much of it the network is.

    python -m benchmarks.latency [--rounds 15] [--added 0 20 50 80]

A task that does nothing, and one whose module takes half a second of processor time to import, in turns: the bare luigi
command; a node on a bucket (the strict storage server, which tells Google's Pub/Sub emulator) with warm starts and
without; a node on a folder; and the polling loop of the first Poltergust. For a node the time begins with the upload,
for the bare command when it is typed. Printed for each: the median seconds to the task's first line and to the outcome,
the quartiles of the latter, and its ratio to the bare command's. The targets: 0.5 for what does nothing, 0.8 for what
imports.

Then the warm node with so many milliseconds added to every storage call. What a line through the medians rises by for
each millisecond is the number of calls that are waited for one after the other; the targets are 4 until the first line
and 2 more until the outcome.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bucket import BenchmarkBucket, told_bucket
from benchmarks.measuring import PIPELINE, bare, config, say
from tests.e2e.nodes import node
from tests.emulators.gcs import StrictGcs
from tests.emulators.luigid import luigid

TIMEOUT_SECONDS = 120.0
IMPORTING = """
import time

began = time.process_time()
while time.process_time() < began + 0.5:
    pass
"""
MODULES = {"no_op": PIPELINE, "importing": IMPORTING + PIPELINE}
SLEEP_OF_THE_LOOP = "1"
"""Seconds, as in the first Poltergust's loop."""


@dataclass
class Way:
    """One way to have a task done. `start` begins it, `is_done` says whether its outcome is there."""

    start: Callable[[str, str, Path], None]
    is_done: Callable[[str], bool]
    took: list[tuple[float, float]] = field(default_factory=list)  # seconds to the first line, and to the outcome

    def measure(self, module: str, name: str, target: Path) -> tuple[float, float]:
        began = time.time()
        self.start(module, name, target)
        while not self.is_done(name):
            if time.time() - began > TIMEOUT_SECONDS:
                raise AssertionError(f"{name} has no outcome after {TIMEOUT_SECONDS:g} s")
            time.sleep(0.002)
        return float(target.read_text()) - began, time.time() - began


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--added", type=float, nargs="*", default=[0, 20, 50, 80], help="milliseconds")
    chosen = options.parse_args()
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="latency-")))
        for module, text in MODULES.items():
            (home / f"{module}.py").write_text(text)
        scheduler = stack.enter_context(luigid(home))
        bucket = stack.enter_context(told_bucket("latency", home))
        stack.enter_context(bucket.listening("warm", scheduler, path="warm"))
        stack.enter_context(bucket.listening("plain", scheduler, "--no-warm-starts", path="plain"))
        ways = {
            "luigi": typed(home, scheduler),
            "warm": below(bucket, "warm"),
            "plain": below(bucket, "plain"),
            "folder": stack.enter_context(on_folder(home, scheduler)),
            "polling": stack.enter_context(polling(bucket, scheduler)),
        }
        for module in MODULES:
            say(f"{module}: medians of {chosen.rounds}, in turns")
            say(f"{'':<8} {'first line':>10} {'done':>10} {'quartiles':>17} {'ratio':>6}")
            in_turns(home, module, ways, chosen.rounds)
            alone = statistics.median(done for _, done in ways["luigi"].took)
            for name, way in ways.items():
                say(line(name, way.took, alone))
        by_added(home, ways["warm"], bucket.storage, chosen.added, chosen.rounds)


def in_turns(home: Path, module: str, ways: Mapping[str, Way], rounds: int) -> None:
    """One more round goes before, which builds environments and starts servers."""
    for way in ways.values():
        way.took.clear()
    for number in range(rounds + 1):
        for name, way in ways.items():
            run = f"{module}-{name}-{number}"
            took = way.measure(module, run, home / run)
            time.sleep(0.3)  # what nobody waited for is written: it is no part of the next one
            if number:
                way.took.append(took)


def by_added(home: Path, way: Way, storage: StrictGcs, added: Sequence[float], rounds: int) -> None:
    if len(added) < 2:
        return
    first: list[float] = []
    done: list[float] = []
    for each in added:
        way.took.clear()
        for number in range(rounds):
            storage.add_latency(each / 1000)
            way.took.append(way.measure("no_op", f"added-{each:g}-{number}", home / f"added-{each:g}-{number}"))
            time.sleep(0.3 + 10 * each / 1000)
            storage.add_latency(0)
        begin, end = (statistics.median(times) for times in zip(*way.took, strict=True))
        first.append(begin)
        done.append(end)
    say(f"warm, with so much added to every storage call: medians of {rounds}")
    say(f"{'':<12}" + "".join(f"{each:>9g} ms" for each in added) + f" {'serial calls':>13}")
    seconds = [each / 1000 for each in added]
    for name, times in (("first line", first), ("done", done)):
        slope = statistics.linear_regression(seconds, times).slope
        say(f"{name:<12}" + "".join(f"{each:>10.3f} s" for each in times) + f" {slope:>13.1f}")


def line(name: str, took: Sequence[tuple[float, float]], alone: float) -> str:
    first, done = (statistics.median(each) for each in zip(*took, strict=True))
    low, _, high = statistics.quantiles([end for _, end in took], n=4)
    return f"{name:<8} {first:>8.3f} s {done:>8.3f} s {low:>7.3f} - {high:<7.3f} {done / alone:>6.2f}"


# The ways


def typed(home: Path, scheduler: str) -> Way:
    """The bare command: what it starts has ended when it returns."""
    return Way(
        lambda module, _, target: bare(Path(sys.executable), scheduler, home, target, module=module),
        lambda _: True,
    )


def below(bucket: BenchmarkBucket, path: str) -> Way:
    """By whoever listens to that path."""

    def start(module: str, name: str, target: Path) -> None:
        bucket.put(name, target, path=path, module=module)

    return Way(start, lambda name: bucket.is_done(name, path))


@contextlib.contextmanager
def on_folder(home: Path, scheduler: str) -> Iterator[Way]:
    path = home / "pipeline"
    path.mkdir()
    (home / "plain.yaml").write_text("dependencies: []\n")

    def start(module: str, name: str, target: Path) -> None:
        (path / f"{name}.config.yaml").write_text(config("../plain.yaml", target, module=module))

    arguments = ["listen", "--path", str(path), "--node", "folder", "--scheduler-url", scheduler]
    arguments += ["--cache-dir", str(home / "folder")]
    with node(arguments, log=home / "folder.log", cwd=home, env={"PYTHONPATH": str(home)}):
        yield Way(start, lambda name: (path / f"{name}.done.yaml").exists())


@contextlib.contextmanager
def polling(bucket: BenchmarkBucket, scheduler: str) -> Iterator[Way]:
    """The shell loop of docs/migrate.md."""
    home, port = bucket.home, scheduler.rpartition(":")[2]
    luigi = f"{Path(sys.executable).with_name('luigi')} RunTasks --module poltergust --path=gs://{bucket.name}/polling"
    script = f"while true; do {luigi} --hostname=polling --scheduler-port {port}; sleep {SLEEP_OF_THE_LOOP}; done"
    env = {**os.environ, "PYTHONPATH": str(home), "STORAGE_EMULATOR_HOST": bucket.storage.url}
    env["XDG_CACHE_HOME"] = str(home / "polling")
    with (home / "polling.log").open("wb") as log:
        loop = subprocess.Popen(["sh", "-c", script], cwd=home, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        yield below(bucket, "polling")
    finally:
        os.killpg(loop.pid, signal.SIGTERM)
        loop.wait(30)


if __name__ == "__main__":
    main()
