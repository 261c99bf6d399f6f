"""Three agents and one luigid on a folder, with a pipeline whose runs end as they are told to."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.nodes import Node, node
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
    stop_scheduler: Callable[[], None] = lambda: None
    page: str = ""
    token: str = ""

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

    @contextlib.contextmanager
    def served(self) -> Iterator[None]:
        """`poltergust dashboard --allow-actions`; sets `page`, its address, and `token`."""
        command = ["dashboard", "--path", self.place.path, "--http", "127.0.0.1:0", "--allow-actions"]
        log = self.place.scratch / "dashboard.log"
        with node(command, log=log, cwd=self.place.scratch, ready=False) as process:
            process.until("#token=")
            found = re.search(r"(http://\S+/)#token=(\S+)", process.log)
            assert found, process.log
            self.page, self.token = found[1], found[2]
            yield

    def outputs(self, name: str) -> Path:
        return self.place.scratch / "outputs" / name

    def kill(self) -> None:
        """All agents at once, without a word, as a power cut does; luigid too."""
        for agent in self.nodes.values():
            agent.signal(signal.SIGKILL)
            agent.wait()
        self.stop_scheduler()

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
    with contextlib.ExitStack() as luigid_stack, contextlib.ExitStack() as stack:
        scheduler = luigid_stack.enter_context(luigid(root / "luigid"))
        running = Cluster(place, scheduler, stop_scheduler=luigid_stack.close)
        for name in nodes:
            options = ("--scheduler-url", scheduler, "--retries", "0")
            agent = place.agent(name, cache, *options, PYTHONPATH=str(PIPELINES))
            running.nodes[name] = stack.enter_context(agent)
        yield running
