"""A long run of everything at once, at random: configs come and change, nodes come and go, parts fail; at the end the
outcome table must hold for every config.

Replayable: the seed decides what is done in which order (not how the processes meet; what a seed found is worth a
test of its own). `POLTERGUST_SEED=7` for another one, `POLTERGUST_LONG=1` for an hour, `POLTERGUST_SECONDS=600`.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.emulators import pubsub
from tests.emulators.pubsub import pubsub_emulator
from tests.faults.cluster import BUCKET, PATH, PROJECT, TOPIC, Cluster, cluster
from tests.faults.conftest import LONG

SECONDS = float(os.environ.get("POLTERGUST_SECONDS", "3600" if LONG else "30"))
SEEDS = [int(os.environ.get("POLTERGUST_SEED", "1"))]
NODES = ("node-1", "node-2", "node-3")


class Chaos:
    """What happens to the cluster. Every deed is an entry of `story`, which a failure shows."""

    def __init__(self, made: Cluster, seed: int) -> None:
        self.cluster = made
        self.random = random.Random(seed)
        self.story: list[str] = []
        self.names = 0
        self.paused = False
        self.deeds: list[tuple[int, Callable[[], None]]] = [
            (12, self.upload),
            (4, self.upload_again),
            (2, self.remove),
            (4, self.come),
            (2, self.die),
            (1, self.leave),
            (6, self.storage_fails),
            (2, self.notifications),
            (1, self.luigid_dies),
            (1, self.luigid_sleeps),
            (2, self.process_dies),
        ]

    def step(self) -> None:
        weights = [weight for weight, _ in self.deeds]
        (deed,) = self.random.choices([deed for _, deed in self.deeds], weights)
        deed()

    def _told(self, text: str) -> None:
        self.story.append(text)

    # Users

    def upload(self) -> None:
        self.names += 1
        self._config(f"random-{self.names}")

    def upload_again(self) -> None:
        """A new generation, of whatever kind, while the old one waits, runs or has ended."""
        if self.cluster.uploads:
            self._config(self.random.choice(sorted(self.cluster.uploads)))

    def remove(self) -> None:
        """A user takes a config back. Whether it became something before is a race: either is right."""
        standing = [key for key in self.cluster.names() if key.endswith(".config.yaml")]
        if standing:
            key = self.random.choice(standing)
            self._told(f"remove {key}")
            name = key[len(PATH) : -len(".config.yaml")]
            self.cluster.uploads.pop(name, None)
            client = self.cluster.storage.client()
            client.bucket(BUCKET).delete_blobs([key], on_error=lambda blob: None)
            client.close()

    def _config(self, name: str) -> None:
        kind = self.random.choice(
            ["Touch", "Touch", "Sleep", "Tree", "Flaky", "Fails", "wrong", "no-module", "no-task"]
        )
        self._told(f"upload {name}: {kind}")
        up = self.cluster.upload
        if kind == "wrong":
            self.cluster.put(name, f"task: {self.random.randrange(10**9)}\n".encode(), "error")
        elif kind == "no-module":
            up(name=name, module="there_is_no_such", outcome="error")
        elif kind == "no-task":
            up("NoSuchTask", name=name, outcome="error")
        elif kind == "Fails":
            up(kind, name=name, outcome="error", retries=1)
        elif kind == "Sleep":
            up(kind, name=name, seconds=round(self.random.uniform(0.2, 3), 2))
        elif kind == "Tree":
            up(kind, name=name, leaves=self.random.randint(2, 6), seconds=0.2)
        else:
            up(kind, name=name)

    # Nodes

    def come(self) -> None:
        away = [name for name in NODES if name not in self.cluster.nodes]
        if away:
            name = self.random.choice(away)
            self._told(f"start {name}")
            self.cluster.start(name, ready=False)

    def die(self) -> None:
        if self.cluster.nodes:
            name = self.random.choice(sorted(self.cluster.nodes))
            self._told(f"kill {name}")
            self.cluster.kill(name)

    def leave(self) -> None:
        if self.cluster.nodes:
            name = self.random.choice(sorted(self.cluster.nodes))
            self.cluster.nodes[name].until("is listening to", timeout=120)  # before that a signal just ends it
            self._told(f"stop {name}")
            self.cluster.stop(name)

    def process_dies(self) -> None:
        processes = self.cluster.luigi_processes()
        if processes:
            pid = self.random.choice(processes)
            number = self.random.choice([9, 15])
            self._told(f"signal {number} to a Luigi process")
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return

    # What they stand on

    def storage_fails(self) -> None:
        call = self.random.choice(
            ["objects.download", "objects.insert", "objects.move", "objects.compose", "objects.*"]
        )
        how = self.random.choice(["status", "reset", "lost", "hold"])
        times = self.random.randint(1, 4)
        status = self.random.choice([429, 500, 503])
        self._told(f"{times} x {how} {status} for {call}")
        self.cluster.storage.fail(call, how=how, status=status, times=times, seconds=self.random.uniform(0.5, 12))  # type: ignore[arg-type]

    def notifications(self) -> None:
        copies = self.random.choice([0, 1, 1, 5])
        self._told(f"notifications are sent {copies} times")
        self.cluster.storage.notification_copies(copies)
        assert self.cluster.pubsub is not None
        for name in self.random.sample(sorted(self.cluster.uploads), min(3, len(self.cluster.uploads))):
            pubsub.finalize(self.cluster.pubsub, PROJECT, TOPIC, BUCKET, f"{PATH}{name}.config.yaml")

    def luigid_dies(self) -> None:
        keep = self.random.random() < 0.5
        self._told(f"luigid is killed, state {'kept' if keep else 'lost'}")
        self.cluster.luigid.kill(keep_state=keep)
        self.cluster.luigid.start()

    def luigid_sleeps(self) -> None:
        if self.paused:
            self.cluster.luigid.go_on()
        else:
            self.cluster.luigid.pause()
        self.paused = not self.paused
        self._told("luigid sleeps" if self.paused else "luigid goes on")

    def calm_down(self) -> None:
        """Everything works from now on, and all nodes are here."""
        self.cluster.storage.heal()
        self.cluster.storage.notification_copies(1)
        if self.paused:
            self.luigid_sleeps()
        for name in NODES:
            if name not in self.cluster.nodes:
                self.cluster.start(name)
        self._told("calm")


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_at_random(tmp_path: Path, cache: Path, seed: int) -> None:
    # A generous budget for what nodes cannot help, since many nodes die here; failing tasks have one of their own.
    options = ("--reconcile-interval", "5s", "--retries", "30", "--drain-timeout", "5s")
    with pubsub_emulator() as emulator, cluster(tmp_path, cache, *options, emulator=emulator) as made:
        chaos = Chaos(made, seed)
        for name in NODES:
            made.start(name)
        try:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                chaos.step()
                time.sleep(chaos.random.uniform(0, 0.8))
                if len(made.uploads) > 60:  # judge what there is, and begin again
                    chaos.calm_down()
                    settle(made)
            chaos.calm_down()
            settle(made)
        except BaseException:
            print("\n".join(chaos.story))  # noqa: T201 - pytest shows it with the failure
            raise


def settle(made: Cluster) -> None:
    """Every config becomes its outcome; leftovers of names that were removed, or of a generation before, are no
    outcome of an upload that counts."""
    made.upload(name=f"last-{len(made.uploads)}")
    made.wait_settled(timeout=400)
    standing = {name: each.data for name, each in made.storage.objects(BUCKET).items() if name.startswith(PATH)}
    for name, upload in made.uploads.items():
        assert standing.get(f"{PATH}{name}.{upload.outcome}.yaml") == upload.data, (name, upload, sorted(standing))
        others = [f"{PATH}{name}.{other}.yaml" for other in ("done", "error") if other != upload.outcome]
        assert not any(standing.get(other) == upload.data for other in others), name
    assert not [name for name in standing if name.endswith(".config.yaml")], "nothing is left to do"
    for name, node in made.nodes.items():
        assert node.process.poll() is None, f"{name} ended:\n{node.log[-4000:]}"
    for log in made.folder.glob("node-*.log"):
        assert "please report this" not in log.read_text(), log.read_text()[-6000:]
    made.wait(made.quiet, "no Luigi process to be left", timeout=120)
    made.forget()
