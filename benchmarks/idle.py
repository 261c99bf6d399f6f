"""What an agent takes while nothing happens, and whether it grows with what it has done.

    python -m benchmarks.idle [--configs 100 300] [--seconds 20]

A node on a bucket (the strict storage server, with Google's Pub/Sub emulator) and a luigid beside it. After each number
of no-op configs: the agent's memory (PSS: its own pages, and its share of those that others have too) and that of its
fork server, then the processor time that each takes in so many idle seconds. The targets: 60 MB and 0.2 % of a core for
the agent, at most 5 MB more after thousands of configs than after a hundred.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import tempfile
import time
from pathlib import Path

from benchmarks.bucket import BenchmarkBucket, told_bucket
from benchmarks.measuring import PIPELINE, children, processor_seconds, pss, say
from tests.emulators.luigid import luigid
from tests.emulators.servers import wait_until


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--configs", type=int, nargs="+", default=[100, 300], help="measure after so many")
    options.add_argument("--seconds", type=float, default=20.0)
    chosen = options.parse_args()
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="idle-")))
        (home / "targets").mkdir()
        (home / "no_op.py").write_text(PIPELINE)
        scheduler = stack.enter_context(luigid(home))
        bucket = stack.enter_context(told_bucket("idle", home))
        agent = stack.enter_context(bucket.listening("idle", scheduler)).process.pid
        say(f"{'configs':>7} {'agent':>9} {'fork server':>12} {'agent idle':>11} {'fork server idle':>17}")
        done = 0
        for count in [0, *chosen.configs]:
            for number in range(done, count):
                bucket.put(f"config-{number}", home / "targets" / str(number))
            wait_until(functools.partial(all_done, bucket, count), "all configs", timeout=60 + count)
            done = count
            time.sleep(10.0)  # the last runs' supervisors, records and logs
            say(line(count, agent, chosen.seconds))


def all_done(bucket: BenchmarkBucket, count: int) -> bool:
    return sum(name.endswith(".done.yaml") for name in bucket.storage.objects(bucket.name)) == count


def line(count: int, agent: int, seconds: float) -> str:
    servers = children(agent)
    before = [processor_seconds(pid) for pid in (agent, *servers)]
    time.sleep(seconds)
    after = [processor_seconds(pid) for pid in (agent, *servers)]
    of_agent, *of_servers = [(late - early) / seconds for early, late in zip(before, after, strict=True)]
    memory = sum(pss(pid) for pid in servers)
    return f"{count:>7} {pss(agent):>6.1f} MB {memory:>9.1f} MB {of_agent:>11.2%} {sum(of_servers):>17.2%}"


if __name__ == "__main__":
    main()
