"""Many small configs through three nodes: do memory and descriptors stay where they were, does each get its outcome?

    python -m benchmarks.soak [--configs 2000] [--nodes 3] [--batch 50] [--every 10]

Real agents, luigid, the strict storage server and, where gcloud has installed it, Google's Pub/Sub emulator. One in
`--every` configs is wrong and one fails, the others touch a file. Uploaded in batches: the next when the last is done.
Printed: outcomes (expected and found), configs a minute, and for each node resident memory and descriptors after a
tenth and at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.measuring import say
from tests.emulators.pubsub import pubsub_emulator
from tests.faults.cluster import PATH, Cluster, cluster
from tests.faults.processes import descriptors, memory

MEGABYTE = 1024 * 1024


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--configs", type=int, default=2000)
    options.add_argument("--nodes", type=int, default=3)
    options.add_argument("--batch", type=int, default=50)
    options.add_argument("--every", type=int, default=10)
    options.add_argument("--no-pubsub", action="store_true", help="reconcile only")
    chosen = options.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        emulator = None if chosen.no_pubsub else stack.enter_context(pubsub_emulator())
        home = folder / "cluster"
        home.mkdir()
        interval = "5s" if chosen.no_pubsub else "1m"
        made = stack.enter_context(cluster(home, folder / "cache", "--reconcile-interval", interval, emulator=emulator))
        for number in range(chosen.nodes):
            made.start(f"node-{number + 1}")
        soak(made, chosen.configs, chosen.batch, chosen.every)


def soak(made: Cluster, configs: int, batch: int, every: int) -> None:
    began = time.monotonic()
    figures: dict[str, tuple[int, int]] = {}
    for first in range(0, configs, batch):
        for number in range(first, min(first + batch, configs)):
            upload(made, number, every)
        made.wait_settled(timeout=1800)
        made.wait(made.quiet, "no Luigi process to be left", timeout=300)
        if first >= (configs // 10):  # warm: connections and caches come into being once
            figures = figures or look(made)
    took = time.monotonic() - began
    expected = Counter(each.outcome for each in made.uploads.values())
    found = Counter(name.rsplit(".", 2)[1] for name in made.names(PATH))
    say(f"{configs} configs, {len(made.nodes)} nodes: {took:.0f} s, {configs / took * 60:.0f} a minute")
    say(f"outcomes expected {dict(sorted(expected.items()))}, found {dict(sorted(found.items()))}")
    for name, (held, opened) in look(made).items():
        before_held, before_opened = figures[name]
        say(
            f"{name}: resident {before_held / MEGABYTE:.1f} -> {held / MEGABYTE:.1f} MB "
            f"({(held - before_held) / MEGABYTE:+.1f}), descriptors {before_opened} -> {opened}"
        )


def upload(made: Cluster, number: int, every: int) -> None:
    if number % every == 0:
        made.put(f"wrong-{number}", f"task: {number}\n".encode(), "error")
    elif number % every == 1:
        made.upload("Fails", retries=0, outcome="error")
    else:
        made.upload()


def look(made: Cluster) -> dict[str, tuple[int, int]]:
    """Resident bytes and open descriptors of each agent."""
    return {name: (memory(node.process.pid), descriptors(node.process.pid)) for name, node in made.nodes.items()}


if __name__ == "__main__":
    main()
