"""What thousands of configs that wait cost a node, and what they cost a new one.

    python -m benchmarks.backlog [--configs 100 1000 10000] [--seconds 30] [--parallel 4]

A node on a bucket (the strict storage server, with Google's Pub/Sub emulator) and a `poltergust scheduler`: luigid with
the same settings walks through all that waits at each question for work. Each config waits for data that somebody else
makes, which only a Luigi process can see. Printed after so many: seconds until all of them wait, and for each config;
the agent's memory (PSS); in so many seconds afterwards, the share of a core that the agent, its fork server and the
Luigi processes take together; and the median seconds from the upload of a no-op to done. The targets: memory and time
in proportion, at most 5 % of a core for the looks at data, and a new config that takes as long as with none.

Last, the order: as many no-ops at once, and by how many places one is done earlier or later than it was uploaded.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import re
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.bucket import BenchmarkBucket, told_bucket
from benchmarks.measuring import PIPELINE, children, processor_seconds, pss, say
from benchmarks.nodes import scheduler
from tests.emulators.servers import wait_until

EXTERNAL = """

class Made(luigi.ExternalTask):
    target = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(self.target)


class Waits(NoOp):
    def requires(self):
        return Made(self.target + ".made")
"""
NEW = 10
QUEUED = 200


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--configs", type=int, nargs="+", default=[100, 1000, 10_000])
    options.add_argument("--seconds", type=float, default=30.0)
    options.add_argument("--parallel", type=int, default=4)
    chosen = options.parse_args()
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="backlog-")))
        (home / "targets").mkdir()
        (home / "no_op.py").write_text(PIPELINE + EXTERNAL)
        url, _ = stack.enter_context(scheduler(home))
        bucket = stack.enter_context(told_bucket("backlog", home))
        node = stack.enter_context(bucket.listening("backlog", url, "--parallel", str(chosen.parallel)))
        agent = node.process.pid
        say(f"{'waiting':>7} {'all wait':>9} {'a config':>9} {'memory':>9} {'idle':>7} {'new one':>9}")
        waiting = 0
        for count in [0, *chosen.configs]:
            began = time.monotonic()
            for number in range(waiting, count):
                bucket.put(f"waiting-{number}", target(home, f"waiting-{number}"), task="Waits")
            while len(waits(home)) < count:
                time.sleep(0.5)
            took = time.monotonic() - began
            each = took / max(1, count - waiting)
            waiting = count
            shown = f"{count:>7} {took:>7.1f} s {each:>7.3f} s {pss(agent):>6.1f} MB"
            say(f"{shown} {idle(agent, chosen.seconds):>7.2%} {new(bucket, count):>7.3f} s")
        say(f"{QUEUED} no-ops at once: {places(bucket)} places from where they were uploaded, at most")


def target(home: Path, name: str) -> Path:
    return home / "targets" / name


def waits(home: Path) -> set[str]:
    """Those that have been seen to wait, by the agent's log."""
    return set(re.findall(r"(\S+): waiting: data-missing: ", (home / "backlog.log").read_text(errors="replace")))


def idle(agent: int, seconds: float) -> float:
    """The share of a core that the agent and all it has started take, what has ended meanwhile included."""
    before = with_children(agent)
    time.sleep(seconds)
    return (with_children(agent) - before) / seconds


def with_children(pid: int) -> float:
    """Processor seconds of a process and of all below it, those that ended included."""
    total = 0.0
    pending = [pid]
    while pending:
        each = pending.pop()
        with contextlib.suppress(OSError):
            total += processor_seconds(each, with_ended_children=True)
            pending += children(each)
    return total


def new(bucket: BenchmarkBucket, waiting: int) -> float:
    took = []
    for number in range(NEW + 1):
        name = f"new-{waiting}-{number}"
        began = time.monotonic()
        bucket.put(name, target(bucket.home, name))
        wait_until(functools.partial(bucket.is_done, name), name, timeout=600)
        if number:
            took.append(time.monotonic() - began)
        time.sleep(0.3)
    return statistics.median(took)


def places(bucket: BenchmarkBucket) -> int:
    """By how many at most a no-op ran earlier or later than its place in the order of upload."""
    names = [f"queued-{number}" for number in range(QUEUED)]
    for name in names:
        bucket.put(name, target(bucket.home, name))
    wait_until(lambda: all(bucket.is_done(name) for name in names), "all to be done", timeout=600)
    ran = sorted(names, key=lambda name: float(target(bucket.home, name).read_text()))
    return max(abs(place - int(name.rpartition("-")[2])) for place, name in enumerate(ran))


if __name__ == "__main__":
    main()
