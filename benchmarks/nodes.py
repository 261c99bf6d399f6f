"""What a config costs as nodes are added: Luigi processes, CPU of agents and luigid, and how soon luigid answers.

    python -m benchmarks.nodes [--nodes 1 2 8] [--tasks 200] [--seconds 0.5] [--group 50] [--noops 5]

For each number of nodes: first `--noops` configs whose root task is complete, then `--tasks` tasks that sleep, by
`--group` below one root. A node that joins makes the tasks of the groups it comes by. Real agents, one `poltergust
scheduler`, a folder as the path, one cache of environments. All nodes share this machine's cores, so with many of them
the times are those of this machine; the numbers of processes are not. As root, scheduler and pings go before all else,
as if they had a machine of their own.

`processes` are the Luigi processes started for a no-op, over all nodes, of the no-op that took most; 3 is promised.
`joined` is when the last node that ran a task began its first one, in seconds after the first task of all began.
`ideal` is the ratio of the best possible time to the one from the first task's start to the last one's end. `agents` is
their processor time in seconds, without the Luigi processes; `luigid` is that of the scheduler, and its share of a core
from the config to `.done.yaml`, which is to be below 0.5. `ping` is the 99th percentile of how long luigid took to
answer a ping, in milliseconds, while the wide pipeline ran.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.measuring import processor_seconds, say
from tests.e2e.nodes import POLTERGUST, Node, node
from tests.emulators.luigid import answers
from tests.emulators.servers import free_port, running, wait_until

PIPELINE = """
import os
import time

import luigi


class Leaf(luigi.Task):
    folder = luigi.Parameter()
    seconds = luigi.FloatParameter()
    number = luigi.IntParameter()

    def output(self):
        return luigi.LocalTarget(os.path.join(self.folder, str(self.number)))

    def run(self):
        began = time.time()
        time.sleep(self.seconds)
        with self.output().open("w") as file:
            file.write("{} {} {}".format(os.environ["NODE"], began, time.time()))


class Group(luigi.WrapperTask):
    folder = luigi.Parameter()
    seconds = luigi.FloatParameter()
    first = luigi.IntParameter()
    end = luigi.IntParameter()

    def requires(self):
        return [Leaf(self.folder, self.seconds, number) for number in range(self.first, self.end)]


class Wide(luigi.WrapperTask):
    folder = luigi.Parameter()
    seconds = luigi.FloatParameter()
    leaves = luigi.IntParameter()
    group = luigi.IntParameter()

    def requires(self):
        firsts = range(0, self.leaves, self.group)
        return [Group(self.folder, self.seconds, first, min(first + self.group, self.leaves)) for first in firsts]
"""
PING_INTERVAL_SECONDS = 0.05
ALL_SEEN_SECONDS = 11.0
"""After which the nodes have asked again who lives."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 8])
    options.add_argument("--tasks", type=int, default=200)
    options.add_argument("--seconds", type=float, default=0.5, help="how long each task sleeps")
    options.add_argument("--group", type=int, default=50, help="tasks that are required together")
    options.add_argument("--noops", type=int, default=5)
    chosen = options.parse_args()
    say(f"{chosen.noops} no-ops, then {chosen.tasks} tasks of {chosen.seconds:g} s")
    words = ("nodes", "processes", "joined", "ran", "ideal", "agents", "luigid", "ping")
    say("{:>5} {:>9} {:>8} {:>4} {:>6} {:>8} {:>12} {:>7}".format(*words))
    for count in chosen.nodes:
        with tempfile.TemporaryDirectory(prefix="nodes-") as folder:
            measure(Path(folder), count, chosen)


def measure(folder: Path, count: int, chosen: argparse.Namespace) -> None:
    tasks, seconds, noops = chosen.tasks, chosen.seconds, chosen.noops
    path = folder / "pipeline"
    for each in (path, folder / "code", folder / "done"):
        each.mkdir()
    (folder / "code" / "nodes_tasks.py").write_text(PIPELINE)
    (folder / "environment.yaml").write_text("dependencies: []\n")
    (folder / "done" / "0").touch()
    with contextlib.ExitStack() as stack:
        url, luigid = stack.enter_context(scheduler(folder))
        nodes = [stack.enter_context(agent(folder, url, f"node-{number}")) for number in range(count)]
        put(path, "first", "Leaf", folder=folder / "done", seconds=seconds, number=0)  # builds the environment
        for number in range(count):  # each node has run something in it
            drop(path, f"warm-{number}", "Leaf", f"node-{number}", folder=folder / "done", seconds=seconds, number=0)
        wait_until(lambda: not list(path.glob("*.config.yaml")), "every node to have run something", timeout=600)
        time.sleep(ALL_SEEN_SECONDS)
        for number in range(noops):
            put(path, f"noop-{number}", "Leaf", folder=folder / "done", seconds=seconds, number=0)
        starts = [sum(each.log.count(f" noop-{number}: running ") for each in nodes) for number in range(noops)]
        targets = folder / "targets"
        targets.mkdir()
        pids = [each.process.pid for each in nodes]
        stack.enter_context(before_all_else(luigid, os.getpid()))
        before = cpu_seconds(pids), cpu_seconds([luigid])
        dropped = time.monotonic()
        with pinged(url) as pings:
            put(path, "wide", "Wide", folder=targets, seconds=seconds, leaves=tasks, group=chosen.group)
        wall = time.monotonic() - dropped
        agents, scheduler_cpu = cpu_seconds(pids) - before[0], cpu_seconds([luigid]) - before[1]
        ran = [each.read_text().split() for each in targets.iterdir()]
        firsts: dict[str, float] = {}
        for name, at, _ in ran:
            firsts[name] = min(firsts.get(name, float("inf")), float(at))
        began, ended = min(firsts.values()), max(float(end) for _, _, end in ran)
        ideal = tasks * seconds / count / (ended - began)
        p99 = statistics.quantiles(pings, n=100)[98] * 1000
        say(
            f"{count:>5} {max(starts):>9} {max(firsts.values()) - began:>6.1f} s {len(firsts):>4} {ideal:>6.2f} "
            f"{agents:>6.1f} s {scheduler_cpu:>5.1f} s {scheduler_cpu / wall:.2f} {p99:>4.0f} ms"
        )


@contextlib.contextmanager
def before_all_else(*pids: int) -> Iterator[None]:
    """Those processes go first meanwhile, where this user may say so. Niceness counts only within a session where the
    kernel groups by it (sched(7), autogroup), so they are real-time ones."""

    def be(policy: int, priority: int) -> None:
        for pid in pids:
            with contextlib.suppress(PermissionError):
                os.sched_setscheduler(pid, policy, os.sched_param(priority))

    be(os.SCHED_RR, 1)
    try:
        yield
    finally:
        be(os.SCHED_OTHER, 0)


@contextlib.contextmanager
def scheduler(folder: Path) -> Iterator[tuple[str, int]]:
    """`poltergust scheduler` on loopback: its URL and process id."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    argv = [str(POLTERGUST), "scheduler", "--address", "127.0.0.1", "--port", str(port)]
    argv += ["--state-dir", str(folder / "luigid")]
    with running(argv, ready=lambda: answers(url), log=folder / "luigid.log", cwd=folder) as process:
        yield url, process.pid


def ping(url: str) -> None:
    body = urllib.parse.urlencode({"data": '{"worker": "a-benchmark"}'}).encode()
    with urllib.request.urlopen(f"{url}/api/ping", data=body, timeout=60) as answer:
        answer.read()


@contextlib.contextmanager
def pinged(url: str) -> Iterator[list[float]]:
    """How long each of the pings took that are made meanwhile, in seconds."""
    over, took = threading.Event(), []

    def again() -> None:
        while not over.wait(PING_INTERVAL_SECONDS):
            began = time.monotonic()
            ping(url)
            took.append(time.monotonic() - began)

    thread = threading.Thread(target=again)
    thread.start()
    try:
        yield took
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def agent(folder: Path, url: str, name: str) -> Iterator[Node]:
    arguments = ["listen", "--path", str(folder / "pipeline"), "--node", name, "--scheduler-url", url]
    arguments += ["--cache-dir", str(folder / "cache"), "--label", name]
    env = {"PYTHONPATH": str(folder / "code"), "NODE": name}
    with node(arguments, log=folder / f"{name}.log", cwd=folder, env=env) as running_node:
        yield running_node


def drop(path: Path, name: str, task: str, label: str = "", **arguments: object) -> None:
    """That config, for nodes with `label` or for all."""
    lines = "".join(f"  {key}: {value}\n" for key, value in arguments.items())
    lines += f"nodes: [{label}]\n" if label else ""
    new = path.parent / "new"
    new.write_text(f"environment: ../environment.yaml\ntask:\n  module: nodes_tasks\n  name: {task}\n{lines}")
    new.rename(path / f"{name}.config.yaml")


def put(path: Path, name: str, task: str, **arguments: object) -> None:
    """Drop that config and wait until it is done."""
    drop(path, name, task, **arguments)  # type: ignore[arg-type]
    wait_until((path / f"{name}.done.yaml").exists, name, timeout=600)


def cpu_seconds(pids: Sequence[int]) -> float:
    """Of these processes, not of their children."""
    return sum(processor_seconds(pid) for pid in pids)


if __name__ == "__main__":
    main()
