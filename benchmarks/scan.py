"""What a scan costs when much else lies under the path: ten configs among a thousand objects, and among 200,000.

    python -m benchmarks.scan [--objects 1000 200000] [--paths bucket folder] [--scans 10]

A node whose reconcile interval is two seconds, and ten configs that wait for a label. Printed for each number of other
objects, a median over so many scans: seconds, the agent's processor time, the listing calls (the strict storage server
counts them; a folder has none), and the agent's memory (PSS). The targets: one listing with prefix and pattern for each
scan, in the server's pages, and memory that does not grow.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.measuring import processor_seconds, pss, say
from tests.e2e.nodes import node
from tests.emulators.gcs import strict_gcs
from tests.emulators.luigid import luigid
from tests.emulators.servers import free_port, wait_until

BUCKET = "scan"
CONFIGS = 10
WAITING = b"environment: ../plain.yaml\ntask:\n  module: none\n  name: None\nnodes: [nowhere]\n"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--objects", type=int, nargs="+", default=[1000, 200_000])
    options.add_argument("--paths", nargs="+", choices=["bucket", "folder"], default=["bucket", "folder"])
    options.add_argument("--scans", type=int, default=10)
    chosen = options.parse_args()
    say(f"{'':<7} {'objects':>8} {'scan':>10} {'agent cpu':>10} {'listings':>9} {'memory':>9}")
    for kind in chosen.paths:
        for count in chosen.objects:
            with tempfile.TemporaryDirectory(prefix="scan-") as folder:
                say(f"{kind:<7} {count:>8} {measure(Path(folder), kind, count, chosen.scans)}")


def measure(home: Path, kind: str, count: int, scans: int) -> str:
    with contextlib.ExitStack() as stack:
        scheduler = stack.enter_context(luigid(home))
        place = on_bucket if kind == "bucket" else on_folder
        path, env, listings = stack.enter_context(place(home, count))
        port = free_port()
        arguments = ["listen", "--path", path, "--node", "scan", "--scheduler-url", scheduler, "--cache-dir"]
        arguments += [str(home / "cache"), "--reconcile-interval", "2s", "--http", f"127.0.0.1:{port}"]
        agent = stack.enter_context(node(arguments, log=home / "log", cwd=home, env=env)).process.pid

        def done() -> int:
            return int(metric(port, 'poltergust_scans_total{result="ok"}'))

        def until(count: int) -> None:
            wait_until(lambda: done() >= count, "the next scan", 300, every=1.0)  # asking costs the agent as well

        until(2)
        seconds, cpu, listed = [], [], []
        for _ in range(scans):
            before = done(), processor_seconds(agent), listings()
            until(before[0] + 1)
            time.sleep(0.2)  # what it found is looked at
            seconds.append(metric(port, "poltergust_scan_seconds"))
            cpu.append(processor_seconds(agent) - before[1])
            listed.append(listings() - before[2])
        middle = statistics.median
        return f"{middle(seconds):>8.3f} s {middle(cpu):>8.3f} s {middle(listed):>9.0f} {pss(agent):>6.1f} MB"


def metric(port: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        found = re.search(rf"^{re.escape(name)} ([\d.e+-]+)$", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


@contextlib.contextmanager
def on_bucket(home: Path, count: int) -> Iterator[tuple[str, dict[str, str], Callable[[], int]]]:
    with strict_gcs() as storage:
        storage.create_bucket(BUCKET)
        for number in range(count):
            storage.put(BUCKET, f"pipeline/data/{number % 100:02}/part-{number}", b"")
        for number in range(CONFIGS):
            storage.put(BUCKET, f"pipeline/waiting-{number}.config.yaml", WAITING)

        def listings() -> int:
            return sum(each.query.get("prefix") == "pipeline/" for each in storage.calls("objects.list"))

        yield f"gs://{BUCKET}/pipeline", {"STORAGE_EMULATOR_HOST": storage.url}, listings


@contextlib.contextmanager
def on_folder(home: Path, count: int) -> Iterator[tuple[str, dict[str, str], Callable[[], int]]]:
    path = home / "pipeline"
    for number in range(100):
        (path / "data" / f"{number:02}").mkdir(parents=True)
    for number in range(count):
        (path / "data" / f"{number % 100:02}" / f"part-{number}").touch()
    for number in range(CONFIGS):
        (path / f"waiting-{number}.config.yaml").write_bytes(WAITING)
    yield str(path), {}, lambda: 0


if __name__ == "__main__":
    main()
