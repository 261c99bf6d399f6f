"""The whole way with real parts: Terraform's wiring, Google's Pub/Sub emulator, fake-gcs-server publishing its own
events, luigid, three `poltergust listen` processes started with the very commands Terraform printed, and the two
command-line tools people upload with.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import needs
from tests.e2e.nodes import Node, node
from tests.emulators.fake_gcs import FakeGcs, fake_gcs
from tests.emulators.gcs import clients
from tests.emulators.luigid import luigid
from tests.emulators.pubsub import pubsub_emulator
from tests.emulators.servers import wait_until
from tests.terraform import standin

BUCKET = "mybucket"
NODES = ("node-1", "node-2", "node-3")
PROJECT = "poltergust-test"


@dataclass
class Cloud:
    """Everything that stands around the agents."""

    storage: FakeGcs
    scheduler: str
    commands: dict[str, list[str]]
    env: dict[str, str]
    folder: Path
    cache: Path
    nodes: dict[str, Node] = field(default_factory=dict)

    def objects(self, prefix: str = "") -> list[str]:
        url = f"{self.storage.url}/storage/v1/b/{BUCKET}/o?prefix={urllib.parse.quote(prefix, safe='')}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return sorted(item["name"] for item in json.load(answer).get("items", []))

    @contextlib.contextmanager
    def listening(self, *more: str) -> Iterator[None]:
        """All three nodes, as Terraform says to start them; `more` options go to each."""
        with contextlib.ExitStack() as stack:
            for name, command in self.commands.items():
                log = self.folder / f"{name}.log"
                arguments = [*command[1:], "--cache-dir", str(self.cache), *more]
                self.nodes[name] = stack.enter_context(node(arguments, log=log, cwd=self.folder, env=self.env))
            yield

    def run(self, argv: Sequence[str]) -> None:
        """A tool, with a timeout: gsutil against a wrong port hangs for ten minutes."""
        done = subprocess.run(
            argv, env=self.env, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cloud(tmp_path: Path, cache: Path) -> Iterator[Callable[..., Cloud]]:
    """Starts the cloud; `events=False` leaves the bucket's notifications off."""
    needs.gsutil(), needs.gcloud(), needs.terraform()
    with contextlib.ExitStack() as stack:

        def start(*, events: bool = True) -> Cloud:
            pubsub = stack.enter_context(pubsub_emulator())
            scheduler = stack.enter_context(luigid(tmp_path))
            outputs = standin.apply(
                {
                    "project_id": PROJECT,
                    "bucket": BUCKET,
                    "prefix": "pipeline/",
                    "nodes": NODES,
                    "service_account_email": f"nodes@{PROJECT}.iam.gserviceaccount.com",
                    "scheduler_url": scheduler,
                },
                tmp_path / "terraform",
                pubsub=pubsub,
            )
            topic = outputs["topic"].rsplit("/", 1)[1]
            publishing = {"pubsub": pubsub, "project": PROJECT, "topic": topic} if events else {}
            storage = stack.enter_context(fake_gcs(log=tmp_path / "gcs.log", **publishing))
            storage.create_bucket(BUCKET)
            (tmp_path / "home").mkdir()
            env = clients.environment(storage, tmp_path / "home", os.environ["PATH"])
            env["PUBSUB_EMULATOR_HOST"] = pubsub
            commands = {name: shlex.split(text) for name, text in outputs["listen"].items()}
            assert set(commands) == set(NODES)
            return Cloud(storage, scheduler, commands, env, tmp_path, cache)

        yield start


def files(cloud: Cloud) -> tuple[Path, Path]:
    """The environment file and a task file whose root waits until three nodes are at it."""
    environment = cloud.folder / "myenv.yaml"
    environment.write_text("dependencies: []\n")
    config = cloud.folder / "my.config.yaml"
    config.write_text(
        f"environment: gs://{BUCKET}/environment/myenv.yaml\n"
        "task:\n  module: waits\n  name: Barrier\n"
        f"  target: {cloud.folder}/seen\n  scheduler: {cloud.scheduler}\n  nodes: {len(NODES)}\n"
    )
    return environment, config


def gsutil(cloud: Cloud, source: Path, target: str) -> None:
    cloud.run([*clients.gsutil(cloud.storage, cloud.folder / "home"), "cp", str(source), target])


def gcloud(cloud: Cloud, source: Path, target: str) -> None:
    cloud.run(["gcloud", "storage", "cp", str(source), target])


def lists(cloud: Cloud) -> int:
    """How often the agents listed configs so far, by the server's own log (the upload tools list as well)."""
    made = cloud.storage.calls("GET", f"/b/{BUCKET}/o?")
    return len([call for call in made if "matchGlob" in call.target and "prefix=pipeline%2F" in call.target])


@pytest.mark.parametrize("upload", [gsutil, gcloud])
def test_an_upload_runs_on_all_nodes_and_becomes_done_once(
    cloud: Callable[..., Cloud], upload: Callable[[Cloud, Path, str], None]
) -> None:
    stands = cloud()
    environment, config = files(stands)
    upload(stands, environment, f"gs://{BUCKET}/environment/myenv.yaml")
    with stands.listening("--reconcile-interval", "1h"):
        wait_until(lambda: lists(stands) >= len(NODES), "every node's first scan")
        before = lists(stands)
        upload(stands, config, f"gs://{BUCKET}/pipeline/my.config.yaml")
        try:
            wait_until(lambda: all(over(each.log) for each in stands.nodes.values()), "every node's outcome", 180)
        except AssertionError as error:
            raise AssertionError("\n\n".join([str(error), *(each.log for each in stands.nodes.values())])) from None
        assert lists(stands) == before, "the upload alone started it: nobody listed the path again"
    assert stands.objects("pipeline/") == ["pipeline/my.done.yaml"]
    assert (stands.folder / "seen-0").read_text().splitlines() == [f"poltergust-{name}" for name in NODES]
    wait_until(lambda: logs(stands) == [f"{name}.log" for name in NODES], "a log of each node")
    assert sum("rename won" in each.log for each in stands.nodes.values()) == 1


def logs(stands: Cloud) -> list[str]:
    names = stands.objects("pipeline.poltergust/logs/")
    return sorted(name.rsplit("/", 1)[1] for name in names if name.endswith(".log"))


def over(log: str) -> bool:
    """Whether this node, by its log, has nothing left to do with the run: it tried the rename, or saw it done."""
    return ", rename " in log or ": ended: " in log


def test_without_notifications_the_scan_finds_it(cloud: Callable[..., Cloud]) -> None:
    stands = cloud(events=False)
    environment, config = files(stands)
    with stands.listening("--reconcile-interval", "1s"):
        gsutil(stands, environment, f"gs://{BUCKET}/environment/myenv.yaml")
        gsutil(stands, config, f"gs://{BUCKET}/pipeline/my.config.yaml")
        wait_until(lambda: stands.objects("pipeline/") == ["pipeline/my.done.yaml"], "the done file", timeout=180)


# The specification's example files, to the letter.
SPEC_TASK = """\
environment: gs://mybucket/environment/myenv.yaml

task:
  name: SomeTask
  module: some_luigi_pipeline_module
  some-task-argument: some-value

variables:
  DB_HOST: database.com
"""
SPEC_ENVIRONMENT = """\
virtualenv:
  python: python3.8

dependencies:
  - pandas
  - matplotlib

variables:
  PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION: python
"""


def python38(layout: str, folder: Path) -> dict[str, str]:
    """The variables of a machine that has Python 3.8 only in pyenv's folders, or only on PATH."""
    python = needs.pyenv_python("3.8")
    plain = "/usr/bin:/bin"
    if layout == "path":
        return {"PYENV_ROOT": str(folder / "none"), "PATH": f"{python.parent}:{plain}"}
    root = folder / "pyenv"
    (root / "versions").mkdir(parents=True)
    (root / "versions" / python.parent.parent.name).symlink_to(python.parent.parent)
    return {"PYENV_ROOT": str(root), "PATH": plain}


@pytest.mark.parametrize("layout", ["pyenv", "path"])
def test_the_two_files_of_the_specification_as_written(tmp_path: Path, layout: str) -> None:
    (tmp_path / "myenv.yaml").write_text(SPEC_ENVIRONMENT)
    (tmp_path / "mypipeline.config.yaml").write_text(SPEC_TASK)
    (tmp_path / "home").mkdir()
    with fake_gcs(log=tmp_path / "gcs.log") as storage:
        storage.create_bucket(BUCKET)
        env = clients.environment(storage, tmp_path / "home", os.environ["PATH"])
        stands = Cloud(storage, "", {}, env, tmp_path, tmp_path / "cache")
        gcloud(stands, tmp_path / "myenv.yaml", f"gs://{BUCKET}/environment/myenv.yaml")
        gcloud(stands, tmp_path / "mypipeline.config.yaml", f"gs://{BUCKET}/pipeline/mypipeline.config.yaml")
        arguments = ["listen", "--path", f"gs://{BUCKET}/pipeline", "--cache-dir", str(stands.cache)]
        machine = {**env, **python38(layout, tmp_path), "OUTPUT": str(tmp_path)}
        with node(arguments, log=tmp_path / "node.log", cwd=tmp_path, env=machine) as running:
            running.until("rename won", timeout=240)
        assert stands.objects("pipeline/") == ["pipeline/mypipeline.done.yaml"]
    facts = json.loads((tmp_path / "some-task.json").read_text())
    assert facts.pop("pandas")
    assert facts == {
        "argument": "some-value",
        "python": [3, 8],
        "DB_HOST": "database.com",
        "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python",
    }
