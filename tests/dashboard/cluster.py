"""Three agents and one luigid on a folder, with a pipeline whose runs end as they are told to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.nodes import Node
from tests.e2e.paths import Folder
from tests.emulators.luigid import luigid

PIPELINES = Path(__file__).with_name("pipelines")
NODES = ("node-1", "node-2", "node-3")


@dataclass
class Cluster:
    """`scratch` holds what tasks write, by run."""

    place: Folder
    scheduler: str
    nodes: dict[str, Node] = field(default_factory=dict)

    def run(self, name: str, *, broken: int = -1, seconds: float = 0.1, stations: int = 4, held: bool = False) -> None:
        """Drop a config. `broken`: the station whose task fails. `held`: its tasks do not end before `release`."""
        folder = self.outputs(name)
        folder.mkdir(parents=True, exist_ok=True)
        lines = [
            "  name: DailyReport",
            "  module: stations",
            f"  folder: {folder}",
            f"  broken: {broken}",
            f"  seconds: {seconds}",
            f"  stations: {stations}",
            "  workers: 2",
        ]
        if held:
            (folder / "gate").touch()
            lines.append(f"  gate: {folder / 'gate'}")
        environment = "../" * (name.count("/") + 1) + "environment/plain.yaml"
        self.place.put(name, "\n".join(lines) + "\n", environment=environment)

    def outputs(self, name: str) -> Path:
        return self.place.scratch / "outputs" / name

    def release(self, name: str) -> None:
        (self.outputs(name) / "gate").unlink(missing_ok=True)

    def repair(self, name: str) -> None:
        """The broken station works from now on."""
        (self.outputs(name) / "repaired").touch()


@contextlib.contextmanager
def cluster(root: Path, cache: Path, nodes: Sequence[str] = NODES) -> Iterator[Cluster]:
    place = Folder(root)
    place.environment("plain")
    (root / "luigid").mkdir()
    with luigid(root / "luigid") as scheduler, contextlib.ExitStack() as stack:
        running = Cluster(place, scheduler)
        for name in nodes:
            options = ("--scheduler-url", scheduler, "--retries", "0")
            agent = place.agent(name, cache, *options, PYTHONPATH=str(PIPELINES))
            running.nodes[name] = stack.enter_context(agent)
        yield running
