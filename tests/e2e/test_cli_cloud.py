"""The commands on Cloud Storage (the strict server), beside two live nodes, and the moments in which they meet."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.commands import Commands
from tests.e2e.nodes import PIPELINES, Node, node
from tests.emulators.gcs import StrictGcs, strict_gcs
from tests.emulators.luigid import luigid
from tests.emulators.servers import wait_until

PATH = "gs://mybucket/pipeline"
ENVIRONMENT = b"dependencies: []\n"


@dataclass(frozen=True)
class Cloud:
    storage: StrictGcs
    scheduler: str
    folder: Path
    cache: Path
    pipelines: Path = PIPELINES
    home: str = ""  # of agents and commands; empty: this process's

    @property
    def env(self) -> dict[str, str]:
        env = {"STORAGE_EMULATOR_HOST": self.storage.url, "GOOGLE_CLOUD_PROJECT": "test-project"}
        return {**env, "HOME": self.home} if self.home else env

    @property
    def poltergust(self) -> Commands:
        return Commands(PATH, self.folder, self.env)

    @contextlib.contextmanager
    def listening(self, *names: str) -> Iterator[list[Node]]:
        """Nodes of these names, all on the one scheduler; they scan every second, for want of notifications."""
        with contextlib.ExitStack() as stack:
            nodes = []
            for name in names:
                arguments = ["listen", "--path", PATH, "--node", name, "--scheduler-url", self.scheduler]
                arguments += ["--cache-dir", str(self.cache), "--reconcile-interval", "1s", "--drain-timeout", "20s"]
                env = {**self.env, "PYTHONPATH": str(self.pipelines)}
                log = self.folder / f"{name}.log"
                nodes.append(stack.enter_context(node(arguments, log=log, cwd=self.folder, env=env)))
            yield nodes

    def standing(self, name: str) -> list[str]:
        """What stands at that name, by kind."""
        start = f"pipeline/{name}."
        return [key[len(start) : -5] for key in self.storage.objects("mybucket") if key.startswith(start)]

    def write(self, name: str, task: str, more: str = "") -> str:
        (self.folder / f"{name}.config.yaml").write_text(f"environment: ../environment/plain.yaml\ntask:\n{task}{more}")
        return f"{name}.config.yaml"

    def gate(self, name: str) -> str:
        target = f"  target: {self.folder}/{name}.out\n  gate: {self.folder}/open\n"
        return self.write(name, "  module: waits\n  name: Gate\n" + target)

    def running(self, name: str) -> None:
        wait_until((self.folder / f"{name}.out.running").exists, "the task to run", timeout=120)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cloud(tmp_path: Path, cache: Path) -> Iterator[Cloud]:
    with strict_gcs() as storage, luigid(tmp_path) as scheduler:
        storage.create_bucket("mybucket")
        storage.put("mybucket", "environment/plain.yaml", ENVIRONMENT)
        yield Cloud(storage, scheduler, tmp_path, cache)


def test_submit_status_logs_and_retry_beside_two_nodes(cloud: Cloud) -> None:
    poltergust = cloud.poltergust
    task = f"  module: repairs\n  name: Whole\n  target: {cloud.folder}/whole\n  broken: {cloud.folder}/broken\n"
    file = cloud.write("weekly", task, "retries: 1\n")
    (cloud.folder / "broken").touch()
    with cloud.listening("node-1", "node-2"):
        failed = poltergust("submit", file, "--wait")
        assert failed.code == 3, failed.out + failed.err
        assert cloud.standing("weekly") == ["error"]
        overview = json.loads(poltergust("status", "--json").out)
        assert overview["counts"] == {"error": 1}
        assert [(one["node"], one["state"]) for one in overview["nodes"]] == [("node-1", "ready"), ("node-2", "ready")]
        assert all(one["age"] < 60 for one in overview["nodes"])
        log = poltergust("logs", "weekly").out
        assert "part 2 is broken" in log
        assert {line.split(" | ")[0] for line in log.splitlines()} <= {"node-1", "node-2"}

        (cloud.folder / "broken").unlink()
        again = poltergust("retry", "weekly", "--follow")
        assert again.code == 0, again.out + again.err
        assert cloud.standing("weekly") == ["done"]
        assert "earlier failures of Part" in again.out or "are cleared" in poltergust("logs", "weekly").out


def test_a_node_killed_is_silent_and_its_run_stalled(cloud: Cloud) -> None:
    """By the storage server's clock, which is moved on: nobody waits for three minutes."""
    poltergust = cloud.poltergust
    with cloud.listening("node-1") as (killed,):
        assert poltergust("submit", cloud.gate("long")).code == 0
        cloud.running("long")
        wait_until(lambda: json.loads(poltergust("status", "long", "--json").out)["state"] == "running", "its record")
        killed.process.kill()
        killed.wait()
    cloud.storage.shift(1000)
    view = json.loads(poltergust("status", "--json").out)
    assert [one["state"] for one in view["nodes"]] == ["silent"]
    assert [(one["state"], one["silent"]) for one in view["configs"]] == [("stalled", ["node-1"])]
    screen = poltergust("status").out
    assert "stalled" in screen
    assert "node-1 had it and is silent" in screen


def test_cancel_a_moment_before_completion_wins(cloud: Cloud) -> None:
    poltergust = cloud.poltergust
    with cloud.listening("node-1") as (agent,):
        assert poltergust("submit", cloud.gate("close")).code == 0
        cloud.running("close")
        rename = cloud.storage.hold("objects.move")
        (cloud.folder / "open").touch()
        rename.wait_reached()  # the node knows that it is done, and its rename is on the way
        said = poltergust("cancel", "close")
        assert (said.code, said.err) == (0, "")
        rename.release()
        agent.until("rename lost")
    assert cloud.standing("close") == ["cancelled"]


def test_completion_a_moment_before_cancel_wins(cloud: Cloud) -> None:
    poltergust = cloud.poltergust
    with cloud.listening("node-1") as (agent,):
        assert poltergust("submit", cloud.gate("close")).code == 0
        cloud.running("close")
        rename = cloud.storage.hold("objects.move")
        with poltergust.started("cancel", "close") as cancelling:
            rename.wait_reached()
            (cloud.folder / "open").touch()
            agent.until("rename won")
            rename.release()
            assert cancelling.wait(60) == 1
    assert (cloud.folder / "cancel.err").read_text() == "poltergust: close is done already, nothing to cancel\n"
    assert cloud.standing("close") == ["done"]


def test_retry_beside_a_node_that_still_runs_it_ends_in_one_outcome(cloud: Cloud) -> None:
    """Another node's verdict was error; this one goes on; a retry makes a newer generation, which it changes to."""
    poltergust = cloud.poltergust
    with cloud.listening("node-1") as (agent,):
        assert poltergust("submit", cloud.gate("beside")).code == 0
        cloud.running("beside")
        bucket = cloud.storage.client().bucket("mybucket")
        bucket.move_blob(bucket.blob("pipeline/beside.config.yaml"), "pipeline/beside.error.yaml")
        with poltergust.started("retry", "beside", "--wait") as waiting:
            agent.until("newer-generation", timeout=120)
            (cloud.folder / "open").touch()
            assert waiting.wait(120) == 0
    assert cloud.standing("beside") == ["done"]


def test_of_two_retries_at_once_one_wins(cloud: Cloud) -> None:
    poltergust = cloud.poltergust
    cloud.storage.put("mybucket", "pipeline/both.error.yaml", (cloud.folder / cloud.gate("both")).read_bytes())
    creation = cloud.storage.hold("objects.insert")
    with poltergust.started("retry", "both") as first:
        creation.wait_reached()
        assert poltergust("retry", "both").code == 0
        creation.release()
        assert first.wait(60) == 1
    assert "waits or runs already" in (cloud.folder / "retry.err").read_text()
    assert cloud.standing("both") == ["config"]


def test_while_the_storage_is_away_the_wait_goes_on(cloud: Cloud) -> None:
    poltergust = cloud.poltergust
    with cloud.listening("node-1"), poltergust.started("submit", cloud.gate("through"), "--wait") as waiting:
        cloud.running("through")
        cloud.storage.fail("objects.*", status=503, times=20)
        (cloud.folder / "open").touch()
        assert waiting.wait(170) == 0
    assert cloud.standing("through") == ["done"]


def test_who_may_not_write_beside_the_path_submits_all_the_same(cloud: Cloud) -> None:
    cloud.storage.fail("objects.insert", status=403, times=None, object="pipeline.poltergust/*")
    said = cloud.poltergust("submit", cloud.gate("mine"))
    assert said.code == 0
    assert "cannot note who submitted it" in said.err
    assert cloud.standing("mine") == ["config"]


def test_an_environment_that_only_nodes_may_read_is_a_warning(cloud: Cloud) -> None:
    cloud.storage.fail("objects.download", status=403, times=None, object="environment/*")
    said = cloud.poltergust("submit", cloud.gate("mine"))
    assert said.code == 0
    assert "the environment file is not checked" in said.err
