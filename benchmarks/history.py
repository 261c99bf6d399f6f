"""`status` and `history` on a path that has run for long: 5,000 configs with 100 runs each, half a million records.

    python -m benchmarks.history [--configs 5000] [--runs 100]

Printed: seconds of each whole command, and of `poltergust --version` as what a command costs that reads nothing. The
path is a folder, on this machine; a bucket adds its round trips: one listing for each config that is shown, sixteen
records read side by side.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from poltergust.base.json_text import json_bytes
from poltergust.path.layout import Kind, WatchedPath
from poltergust.path.records import RunEnvironment, RunRecord, State

TASK_FILE = b"environment: ../environment/plain.yaml\ntask:\n  module: reports\n  name: Nightly\n"


def fill(path: WatchedPath, configs: int, runs: int) -> None:
    """Every config ran each hour until now, and is done; the records of all runs of one are one file under many names,
    which costs no disk."""
    begin = time.time() - 3600 * (runs - 1) - 60
    for number in range(configs):
        name = f"config-{number:05}"
        Path(path.of(name, Kind.DONE)).write_bytes(TASK_FILE)
        record = RunRecord(
            name,
            "0",
            "node-1",
            State.ENDED,
            "done",
            "complete",
            "the root task is complete",
            renamed=True,
            started=begin,
            ended=begin + 20,
            environment=RunEnvironment("e.yaml", "py3.11-1", "3.11.7", "lock"),
        )
        first = ""
        for run in range(runs):
            file = Path(path.run(name, str(int((begin + 3600 * run) * 1e6)), "node-1"))
            file.parent.mkdir(parents=True)
            if first:
                os.link(first, file)
            else:
                file.write_bytes(json_bytes({"format": 1, **record.content()}))
                first = str(file)


def seconds_of(*arguments: str) -> float:
    """The better of two: the first may find a cold disk."""
    taken = []
    for _ in range(2):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "poltergust", *arguments], stdout=subprocess.DEVNULL, check=True)
        taken.append(time.perf_counter() - begin)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = WatchedPath(f"{folder}/pipeline")
        Path(path.root).mkdir()
        begin = time.perf_counter()
        fill(path, options.configs, options.runs)
        click.echo(f"{options.configs * options.runs} records, made in {time.perf_counter() - begin:.0f} s")
        where = ("--path", path.root)
        for words in (
            ("--version",),
            ("status", *where),
            ("status", "--all", *where),
            ("status", "config-00000", *where),
            ("history", "config-00000", *where),
            ("history", "config-00000", "--limit", "1000", *where),
            ("diff", "config-00000", *where),
        ):
            click.echo(
                f"{seconds_of(*words):6.2f} s  poltergust {' '.join(word for word in words if word not in where)}"
            )


if __name__ == "__main__":
    main()
