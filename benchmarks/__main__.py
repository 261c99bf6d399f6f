"""The comparisons that must not get worse, each of them short: `make bench`.

    python -m benchmarks [--only startup throughput …] [--results benchmarks/RESULTS.md]

Runs the benchmarks below one after the other and looks at their ratios. Each compares two things in one run, so it says
the same on a fast and on a slow machine; its bound lies well beyond the target, so that noise does not fail. The exit
code is 1 if one lies outside. With `--results` what was printed is kept, with machine and date.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.measuring import say

TIMEOUT_SECONDS = 1800.0


@dataclass(frozen=True)
class Ratio:
    """One number of what a benchmark prints. `pattern` finds it in a line, as its only group."""

    what: str
    pattern: str
    at_least: float = 0.0
    at_most: float = float("inf")
    target: str = ""

    def read(self, printed: str) -> float | None:
        found = re.search(self.pattern, printed, re.MULTILINE)
        return None if found is None else float(found[1])

    def holds(self, value: float) -> bool:
        return self.at_least <= value <= self.at_most


@dataclass(frozen=True)
class Benchmark:
    module: str
    arguments: tuple[str, ...]
    ratios: tuple[Ratio, ...]


LAST = r".* ([\d.]+)$"

BENCHMARKS = (
    Benchmark(
        "startup",
        ("--rounds", "15"),
        (
            Ratio("warm no-op beside the bare luigi command", f"^warm{LAST}", at_most=0.75, target="≤ 0.5"),
            Ratio("the same with changed source", f"^changed{LAST}", at_most=0.85, target="≤ 1.2 × unchanged"),
        ),
    ),
    Benchmark(
        "latency",
        ("--rounds", "9"),
        (
            Ratio("upload to done on a bucket, no-op, beside bare luigi", f"^warm{LAST}", at_most=0.75, target="≤ 0.5"),
            Ratio("the same on a folder", f"^folder{LAST}", at_most=0.85),
            Ratio(
                "the same on a bucket, half a second of imports",
                rf"importing(?:.|\n)*?^warm{LAST}",
                at_most=1.0,
                target="≤ 0.8",
            ),
            Ratio("storage calls waited for until the first line", f"^first line{LAST}", at_most=4.5, target="≤ 4"),
            Ratio("storage calls waited for until done", f"^done{LAST}", at_most=6.5, target="≤ 6"),
        ),
    ),
    Benchmark(
        "throughput",
        ("--configs", "200"),
        (
            Ratio("rate of no-ops on a folder beside bare luigi", f"^folder{LAST}", at_least=1.5, target="≥ 3"),
            Ratio("rate of no-ops on a bucket beside bare luigi", f"^bucket{LAST}", at_least=1.5, target="≥ 3"),
        ),
    ),
    Benchmark(
        "sharing",
        ("--nodes", "1", "4", "--rounds", "3"),
        (
            Ratio("one node beside the ideal", r"^ +1 .* s +([\d.]+)   ", at_least=0.8, target="≥ 0.9"),
            Ratio("four nodes beside the ideal", r"^ +4 .* s +([\d.]+)   ", at_least=0.65, target="≥ 0.9"),
        ),
    ),
    Benchmark(
        "takeover",
        ("--faults", "agent", "--rounds", "4"),
        (Ratio("worst take-over of a killed agent beside 3 s", f"^agent{LAST}", at_most=1.5, target="≤ 1"),),
    ),
    Benchmark(
        "tasks",
        ("--tasks", "500", "--rounds", "3"),
        (Ratio("a run whose tasks are recorded beside one without", r"ratio +([\d.]+)", at_most=1.2, target="≤ 1.05"),),
    ),
)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", nargs="+", choices=[each.module for each in BENCHMARKS])
    options.add_argument("--results", type=Path)
    chosen = options.parse_args()
    rows: list[str] = []
    printed: list[str] = []
    worse = False
    for benchmark in BENCHMARKS:
        if chosen.only is None or benchmark.module in chosen.only:
            text = run(benchmark)
            printed.append(f"    $ {command(benchmark)}\n" + "".join(f"    {line}\n" for line in text.splitlines()))
            for ratio in benchmark.ratios:
                value = ratio.read(text)
                good = value is not None and ratio.holds(value)
                worse = worse or not good
                shown = "-" if value is None else f"{value:.2f}"
                rows.append(f"| {ratio.what} | {shown} | {ratio.target} | {bound(ratio)} | {'yes' if good else 'NO'} |")
    head = ["| ratio | measured | target | bound | within |", "| --- | --- | --- | --- | --- |"]
    table = "\n".join([*head, *rows])
    say(f"\n{table}")
    if chosen.results is not None:
        chosen.results.write_text(f"{heading()}\n\n{table}\n\n## What was printed\n\n" + "\n".join(printed))
    return int(worse)


def command(benchmark: Benchmark) -> str:
    return " ".join(["python -m", f"benchmarks.{benchmark.module}", *benchmark.arguments])


def bound(ratio: Ratio) -> str:
    return f"≥ {ratio.at_least:g}" if ratio.at_least else f"≤ {ratio.at_most:g}"


def run(benchmark: Benchmark) -> str:
    """What it prints, shown meanwhile; empty lines left out. One that fails has what it printed until then."""
    say(f"\n$ {command(benchmark)}")
    argv: Sequence[str] = [sys.executable, "-m", f"benchmarks.{benchmark.module}", *benchmark.arguments]
    began = time.monotonic()
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_SECONDS, check=False)
    say(done.stdout.rstrip())
    say(f"({time.monotonic() - began:.0f} s{'' if done.returncode == 0 else f', exit code {done.returncode}'})")
    return done.stdout


def heading() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}"
    today = datetime.now(timezone.utc).date().isoformat()
    made = f"Made by `make bench` on {today}: {machine}, Python {platform.python_version()}."
    return f"# Results\n\n{made} All ratios compare two things in one run."


if __name__ == "__main__":
    sys.exit(main())
