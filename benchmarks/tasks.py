"""What it costs to keep what every task did: a run of no-op tasks with and without, in turns.

    python -m benchmarks.tasks [--tasks 1000] [--rounds 5]

Without: the same Luigi process, with the one line taken out by which its tasks are recorded, and nothing written. With:
its events redacted and appended to a file, as the agent does it. Printed: the median of the rounds of each, the ratio
of the medians (1.05 is the bound), and per task the bytes and per run the writes. One luigid, on this machine.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.measuring import say
from poltergust.base.redaction import Redactor
from poltergust.documents import Argument
from poltergust.luigi_run import Request, launch
from poltergust.path.background import Background
from poltergust.path.tasks import MAX_FILE_BYTES, TaskLog
from poltergust.processes.child import spawn
from poltergust.stores.folder import FolderStore
from tests.emulators.luigid import luigid

PIPELINE = """
import os

import luigi


class Leaf(luigi.Task):
    round = luigi.Parameter()
    number = luigi.IntParameter()

    def output(self):
        return luigi.LocalTarget(os.path.join(os.environ["SHARED"], "{}-{}".format(self.round, self.number)))

    def run(self):
        open(self.output().path, "w").close()


class Root(luigi.WrapperTask):
    round = luigi.Parameter()
    count = luigi.IntParameter()

    def requires(self):
        return [Leaf(round=self.round, number=number) for number in range(self.count)]
"""

RECORDING = "        self.scheduler.events = self.events\n"


class CountingStore(FolderStore):
    """Counts what is appended."""

    writes = size = 0

    def append(self, url: str, data: bytes) -> None:
        self.writes += 1
        self.size += len(data)
        super().append(url, data)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tasks", type=int, default=1000)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="tasks-") as name:
        folder = Path(name)
        (folder / "recorded_tasks.py").write_text(PIPELINE)
        (folder / "shared").mkdir()
        without = without_recording(folder / "inside")
        store = CountingStore(folder / "state")
        took: dict[bool, list[float]] = {True: [], False: []}
        with luigid(folder) as scheduler:
            for number in range(-1, chosen.rounds):  # the first is not counted
                for recorded in (True, False):
                    inside = Path(launch.__file__).with_name("inside") if recorded else without
                    seconds = one_run(folder, scheduler, inside, store if recorded else None, number, chosen.tasks)
                    if number >= 0:
                        took[recorded].append(seconds)
        medians = {recorded: statistics.median(each) for recorded, each in took.items()}
        runs = chosen.rounds + 1
        say(f"{chosen.tasks} no-op tasks, median of {chosen.rounds}")
        for recorded, each in took.items():
            rounds = " ".join(f"{seconds:.2f}" for seconds in each)
            say(f"{'with' if recorded else 'without':>8} {medians[recorded]:>6.2f} s   {rounds}")
        say(f"   ratio {medians[True] / medians[False]:>6.2f}")
        say(f"{store.size / runs / (chosen.tasks + 1):.0f} bytes a task, {store.writes / runs:.1f} writes a run")


def without_recording(folder: Path) -> Path:
    """A copy of what runs in the environment that records nothing."""
    shutil.copytree(Path(launch.__file__).with_name("inside"), folder)
    file = folder / "running.py"
    text = file.read_text()
    if text.count(RECORDING) != 1:
        raise AssertionError(f"the line that records stands {text.count(RECORDING)} times in {file.name}")
    file.write_text(text.replace(RECORDING, ""))
    return folder


def one_run(folder: Path, scheduler: str, inside: Path, store: CountingStore | None, number: int, count: int) -> float:
    """Seconds from the start of the Luigi process to its result, what it recorded written."""
    ended = threading.Event()
    label = f"{number}-{'with' if store else 'without'}"
    request = Request(
        module="recorded_tasks",
        task="Root",
        arguments=(Argument("round", label), Argument("count", str(count))),
        scheduler_url=scheduler,
        worker=f"bench-{label}",
        budget=1,
    )
    background = Background()
    log = TaskLog(
        store or FolderStore(folder / "unused"),
        str(folder / f"{label}.tasks.jsonl"),
        redact=Redactor([{"A_TOKEN": "not-in-any-of-them"}]),
        background=background,
        limit=MAX_FILE_BYTES,
    )
    launch.INSIDE = inside
    began = time.monotonic()
    with log:
        run = launch.Launcher(spawn)(
            request,
            python=Path(sys.executable),
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder), "SHARED": str(folder / "shared")},
            workdir=folder,
            on_line=lambda line: None,
            on_end=ended.set,
            on_tasks=log.events if store else lambda events: None,
        )
        report = run.result(None)
    background.flush(60)
    seconds = time.monotonic() - began
    if report is None or report.progress.done != count + 1:
        raise AssertionError(f"{report}")
    return seconds


if __name__ == "__main__":
    main()
