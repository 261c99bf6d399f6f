"""How many seconds a node that is gone costs: from the fault to the other node's start of the same task.

    python -m benchmarks.takeover [--rounds 5] [--faults agent machine pause]

Two real agents, a luigid with Luigi's own settings, the strict storage server. `agent` is SIGKILLed: its supervisor
tells the scheduler. All of `machine` is SIGKILLed, or stopped in `pause`: the other node misses it. Printed are the
median, the worst, and its ratio to what the contract promises (1.0 is the promise, less is better).
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.measuring import say
from tests.faults.cluster import Cluster, cluster
from tests.faults.test_takeover import LUIGIS_OWN, processes, signal_all

PROMISED_SECONDS = {"agent": 3.0, "machine": 15.0, "pause": 15.0}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--faults", nargs="+", choices=PROMISED_SECONDS, default=list(PROMISED_SECONDS))
    chosen = options.parse_args()
    say(f"{'fault':<8} {'promised':>8} {'median':>8} {'worst':>8} {'ratio':>6}")
    with tempfile.TemporaryDirectory(prefix="takeover-") as folder:
        root = Path(folder)
        (root / "cluster").mkdir()
        with cluster(root / "cluster", root / "cache", "--reconcile-interval", "2s", luigid=LUIGIS_OWN) as made:
            for fault in chosen.faults:
                seconds = [measure(made, fault) for _ in range(chosen.rounds)]
                promised = PROMISED_SECONDS[fault]
                median, worst = statistics.median(seconds), max(seconds)
                say(f"{fault:<8} {promised:>6.0f} s {median:>6.1f} s {worst:>6.1f} s {worst / promised:>6.2f}")


def measure(made: Cluster, fault: str) -> float:
    for node in {"node-1", "node-2"} - made.nodes.keys():
        made.start(node)
    name = made.upload("Gate", gate=made.folder / f"gate-{time.monotonic_ns()}", retries=0)
    first = made.runs_on(name)
    time.sleep(2.0)  # the other node has learnt that it waits
    pids = [made.nodes[first].process.pid] if fault == "agent" else processes(made, first)
    began = time.monotonic()
    signal_all(pids, signal.SIGSTOP if fault == "pause" else signal.SIGKILL)
    made.runs_on(name, times=2)
    took = time.monotonic() - began
    signal_all([pid for pid in processes(made, first) if pid in pids], signal.SIGCONT)
    open_gates(made)
    if fault != "pause":
        made.kill(first)
    made.check()
    return took


def open_gates(made: Cluster) -> None:
    for upload in made.uploads.values():
        line = next((line for line in upload.data.decode().splitlines() if line.startswith("  gate: ")), "")
        if line:
            Path(line.partition(": ")[2]).touch()


if __name__ == "__main__":
    os.environ.setdefault("XDG_STATE_HOME", tempfile.mkdtemp(prefix="takeover-state-"))
    main()
