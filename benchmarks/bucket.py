"""A bucket as nodes have it: the strict storage server, which tells Google's Pub/Sub emulator, on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import config
from tests.e2e.nodes import Node, node
from tests.emulators.gcs import StrictGcs, strict_gcs
from tests.emulators.pubsub import create_subscription, create_topic, pubsub_emulator

PROJECT = "benchmark"


@dataclass(frozen=True)
class BenchmarkBucket:
    """See `told_bucket`. Nodes keep their caches and logs in `home`, and find pipelines there."""

    name: str
    home: Path
    storage: StrictGcs
    emulator: str

    def put(
        self, name: str, target: Path, *, path: str = "pipeline", module: str = "no_op", task: str = "NoOp"
    ) -> None:
        """Upload that config, below that path of the bucket."""
        text = config(f"gs://{self.name}/plain.yaml", target, module=module, task=task)
        self.storage.put(self.name, f"{path}/{name}.config.yaml", text.encode())

    def is_done(self, name: str, path: str = "pipeline") -> bool:
        return f"{path}/{name}.done.yaml" in self.storage.objects(self.name)

    @contextlib.contextmanager
    def listening(self, name: str, scheduler: str, *options: str, path: str = "pipeline") -> Iterator[Node]:
        """A node of that name, with a topic and a subscription of its own for that path."""
        topic = create_topic(self.emulator, PROJECT, name)
        create_subscription(self.emulator, PROJECT, name, name)
        self.storage.notify(self.name, topic, prefix=f"{path}/", event_types=("OBJECT_FINALIZE",))
        arguments = ["listen", "--path", f"gs://{self.name}/{path}", "--node", name, "--scheduler-url", scheduler]
        arguments += ["--cache-dir", str(self.home / name), "--subscription", name, "--project", PROJECT, *options]
        env = {"STORAGE_EMULATOR_HOST": self.storage.url, "PUBSUB_EMULATOR_HOST": self.emulator}
        env["PYTHONPATH"] = str(self.home)
        with node(arguments, log=self.home / f"{name}.log", cwd=self.home, env=env) as running:
            yield running


@contextlib.contextmanager
def told_bucket(name: str, home: Path) -> Iterator[BenchmarkBucket]:
    """With an environment file `plain.yaml`, and nobody listening yet."""
    with pubsub_emulator() as emulator, strict_gcs(pubsub=emulator) as storage:
        storage.create_bucket(name)
        storage.put(name, "plain.yaml", b"dependencies: []\n")
        yield BenchmarkBucket(name, home, storage, emulator)
