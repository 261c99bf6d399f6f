"""How many configs a node does in a second: no-ops that land all at once, beside the bare luigi command.

    python -m benchmarks.throughput [--configs 200] [--parallel 4] [--paths folder bucket] [--no-warm-starts]

The bare command runs the same task as often, as many at a time, with the same Python and luigid; it watches nothing and
renames nothing. Printed for each: seconds, configs a second, and the ratio of its rate to the bare command's (3 is the
target). The bucket is the strict storage server on this machine, without notifications: the first scan finds them all.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measuring import PIPELINE, bare, config, say, side_by_side
from tests.e2e.nodes import node
from tests.emulators.gcs import strict_gcs
from tests.emulators.luigid import luigid
from tests.emulators.servers import wait_until

BUCKET = "throughput"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--configs", type=int, default=200)
    options.add_argument("--parallel", type=int, default=4)
    options.add_argument("--paths", nargs="+", choices=["folder", "bucket"], default=["folder", "bucket"])
    options.add_argument("--no-warm-starts", action="store_true")
    chosen = options.parse_args()
    more = ["--no-warm-starts"] if chosen.no_warm_starts else []
    with tempfile.TemporaryDirectory(prefix="throughput-") as folder, luigid(Path(folder)) as scheduler:
        home = Path(folder)
        (home / "no_op.py").write_text(PIPELINE)
        for kind in chosen.paths:
            (home / f"targets-{kind}").mkdir()
        (home / "targets").mkdir()
        say(f"{chosen.configs} no-op configs, {chosen.parallel} at a time")
        say(f"{'':<8} {'seconds':>8} {'rate':>8} {'ratio':>6}")
        calls = [
            functools.partial(bare, Path(sys.executable), scheduler, home, home / "targets" / str(number))
            for number in range(chosen.configs)
        ]
        alone = side_by_side(calls, chosen.parallel)
        say(f"{'luigi':<8} {alone:>8.2f} {chosen.configs / alone:>6.1f}/s {1:>6.2f}")
        for kind in chosen.paths:
            run = on_folder if kind == "folder" else on_bucket
            seconds = run(home, scheduler, chosen.configs, ["--parallel", str(chosen.parallel), *more])
            say(f"{kind:<8} {seconds:>8.2f} {chosen.configs / seconds:>6.1f}/s {alone / seconds:>6.2f}")


def on_folder(home: Path, scheduler: str, count: int, options: list[str]) -> float:
    path, new = home / "pipeline", home / "new"
    for each in (path, new):
        each.mkdir()
    (home / "plain.yaml").write_text("dependencies: []\n")

    def put(name: str, data: bytes) -> None:
        (new / name).write_bytes(data)
        (new / name).rename(path / f"{name}.config.yaml")

    def done() -> int:
        return len(list(path.glob("*.done.yaml")))

    return measure(home, scheduler, "folder", str(path), "../plain.yaml", put, done, count, options, {})


def on_bucket(home: Path, scheduler: str, count: int, options: list[str]) -> float:
    with strict_gcs() as storage:
        storage.create_bucket(BUCKET)
        storage.put(BUCKET, "plain.yaml", b"dependencies: []\n")

        def put(name: str, data: bytes) -> None:
            storage.put(BUCKET, f"pipeline/{name}.config.yaml", data)

        def done() -> int:
            return sum(name.startswith("pipeline/") and name.endswith(".done.yaml") for name in storage.objects(BUCKET))

        env = {"STORAGE_EMULATOR_HOST": storage.url}
        options = [*options, "--reconcile-interval", "1s"]
        place, environment = f"gs://{BUCKET}/pipeline", f"gs://{BUCKET}/plain.yaml"
        return measure(home, scheduler, "bucket", place, environment, put, done, count, options, env)


def measure(
    home: Path,
    scheduler: str,
    kind: str,
    path: str,
    environment: str,
    put: Callable[[str, bytes], None],
    done: Callable[[], int],
    count: int,
    options: list[str],
    env: dict[str, str],
) -> float:
    """Seconds from the first upload to the last outcome. One config goes before, which builds the environment."""
    arguments = ["listen", "--path", path, "--node", kind, "--scheduler-url", scheduler]
    arguments += ["--cache-dir", str(home / "cache"), *options]
    targets = home / f"targets-{kind}"
    with contextlib.ExitStack() as stack:
        log = home / f"{kind}.log"
        stack.enter_context(node(arguments, log=log, cwd=home, env={"PYTHONPATH": str(home), **env}))
        put("first", config(environment, targets / "first").encode())
        wait_until(lambda: done() == 1, "the first config", timeout=120)
        began = time.monotonic()
        for number in range(count):
            put(f"config-{number}", config(environment, targets / str(number)).encode())
        wait_until(lambda: done() == count + 1, "all configs", timeout=600)
        return time.monotonic() - began


if __name__ == "__main__":
    main()
