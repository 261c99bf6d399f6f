"""The chart's pods, run as Kubernetes would: a config done by two of them, one evicted while it runs a task of it."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests import needs
from tests.clusters.machine import need_machines
from tests.deploy.chart import render
from tests.deploy.pods import Network, Pod, removed_at_the_end
from tests.emulators import pubsub as emulator
from tests.emulators.gcs import StrictGcs, strict_gcs
from tests.emulators.servers import wait_until
from tests.terraform.standin import ROOT

PROJECT, BUCKET = "my-project", "mybucket"
VALUES = """
path: gs://mybucket/pipeline
subscriptionPrefix: projects/my-project/subscriptions/poltergust
image: {repository: example.com/poltergust, tag: "1"}
worker:
  drainSeconds: 90
  graceAfterDrainSeconds: 20
  env: {POLTERGUST_RETRIES: "1"}
"""
ENVIRONMENT = """
dependencies: [--no-index, --find-links /srv/wheels]
variables: {PYTHONPATH: /srv/pipelines}
"""
# Two parts, dealt to two pods: each says where it runs and ends when the test allows it.
PIPELINE = """
import pathlib, socket, time
import luigi

SHARED = pathlib.Path("/srv/shared")

class Part(luigi.Task):
    number = luigi.IntParameter()
    def output(self):
        return luigi.LocalTarget(f"/srv/shared/part-{self.number}")
    def run(self):
        (SHARED / f"started-{self.number}").write_text(socket.gethostname())
        end = time.time() + 120
        while not (SHARED / "go-on").exists():
            assert time.time() < end, "nobody let the parts go on"
            time.sleep(0.1)
        with self.output().open("w") as out:
            out.write(socket.gethostname())

class Whole(luigi.Task):
    def requires(self):
        return [Part(1), Part(2)]
    def output(self):
        return luigi.LocalTarget("/srv/shared/whole")
    def run(self):
        with self.output().open("w") as out:
            out.write(socket.gethostname())
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image holds, as far as the pods use it, with a pipeline and the packages that its environment needs."""
    need_machines()
    needs.program("ip", "apt-get install iproute2")
    folder = tmp_path_factory.mktemp("image")
    uv = [sys.executable, "-m", "uv"]
    place, wheels = folder / "opt" / "poltergust", folder / "srv" / "wheels"
    for command in (
        [*uv, "build", "--quiet", "--wheel", "--out-dir", str(folder / "dist"), str(ROOT)],
        [*uv, "venv", "--quiet", "--relocatable", "--python", "/usr/bin/python3", str(place)],
        [
            *uv,
            "pip",
            "install",
            "--quiet",
            "--link-mode=copy",
            "--python",
            str(place / "bin/python"),
            "poltergust",
            "--find-links",
            str(folder / "dist"),
            "--reinstall-package",
            "poltergust",
        ],
        [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(wheels), "luigi"],
    ):
        subprocess.run(command, check=True, timeout=300, stdin=subprocess.DEVNULL)
    (folder / "srv" / "shared").mkdir()
    (folder / "srv" / "shared").chmod(0o777)
    (folder / "srv" / "pipelines").mkdir()
    (folder / "srv" / "pipelines" / "pod_pipeline.py").write_text(PIPELINE)
    return folder


@pytest.fixture
def cloud() -> Iterator[tuple[StrictGcs, str]]:
    with emulator.pubsub_emulator() as host, strict_gcs(pubsub=host) as storage:
        storage.create_bucket(BUCKET)
        topic = emulator.create_topic(host, PROJECT, "poltergust")
        storage.notify(BUCKET, topic, prefix="pipeline/")
        for index in range(2):
            emulator.create_subscription(host, PROJECT, f"poltergust-release-worker-{index}", "poltergust")
        yield storage, host


def test_two_pods_do_a_config_and_one_is_evicted_while_it_runs(
    image: Path, cloud: tuple[StrictGcs, str], tmp_path: Path
) -> None:
    storage, pubsub = cloud
    values = tmp_path / "values.yaml"
    values.write_text(VALUES)
    manifests = render(values, "release")
    workloads = {each["metadata"]["name"]: each for each in manifests if each["kind"] == "StatefulSet"}
    secrets = {
        each["metadata"]["name"]: b64decode(each["data"]["password"]).decode()
        for each in manifests
        if each["kind"] == "Secret"
    }
    shared = image / "srv" / "shared"
    with Network() as network:
        google = {
            "STORAGE_EMULATOR_HOST": f"http://{network.expose(storage.port)}",
            "PUBSUB_EMULATOR_HOST": network.expose(int(pubsub.rpartition(":")[2])),
            "GOOGLE_CLOUD_PROJECT": PROJECT,
        }

        def pod(workload: str, number: int) -> Pod:
            name = f"{workload}-{number}"
            return Pod(name, workloads[workload], network, image, tmp_path / name, secrets)

        scheduler = pod("release-scheduler", 0)
        workers = [pod("release-worker", number) for number in range(workloads["release-worker"]["spec"]["replicas"])]
        with removed_at_the_end([scheduler, *workers]):
            scheduler.start("release-scheduler", {})
            until_ready(scheduler)
            for worker in workers:
                worker.start(worker.name, google)
            for worker in workers:
                until_ready(worker)

            storage.put(BUCKET, "environment/env.yaml", ENVIRONMENT.encode())
            job = f"environment: gs://{BUCKET}/environment/env.yaml\ntask: {{name: Whole, module: pod_pipeline}}\n"
            storage.put(BUCKET, "pipeline/job.config.yaml", job.encode())
            started = [shared / "started-1", shared / "started-2"]
            wait_until(
                lambda: all(path.exists() and path.read_text() for path in started), "a part in each pod", timeout=60
            )
            assert {path.read_text() for path in started} == {worker.name for worker in workers}, "one part in each pod"

            evicted, other = workers
            evicted.terminate()
            wait_until(lambda: not evicted.passes("readinessProbe"), "the evicted pod to say that it drains")
            assert evicted.passes("livenessProbe"), "a pod that drains is not restarted"
            assert other.passes("readinessProbe")
            (shared / "go-on").touch()
            assert evicted.ended() == 0
            wait_until(lambda: outcomes(storage), "an outcome", timeout=120)
            assert outcomes(storage) == ["pipeline/job.done.yaml"]
            parts = {(shared / f"part-{number}").read_text() for number in (1, 2)}
            assert parts == {evicted.name, other.name}, "the evicted pod ended its part first"
            assert (shared / "whole").read_text() == other.name

            other.terminate()
            assert other.ended() == 0
            scheduler.terminate()
            assert scheduler.ended() == 0
            kept = [path for path in (tmp_path / scheduler.name / "state").rglob("*") if path.is_file()]
            assert sum(path.stat().st_size for path in kept) > 0, "its state"


def until_ready(pod: Pod) -> None:
    def either(probe: str) -> bool:
        return pod.ended_early() or pod.passes(probe)

    for probe in ("startupProbe", "readinessProbe"):
        wait_until(partial(either, probe), f"{probe} of {pod.name}", timeout=120)
        assert not pod.ended_early(), pod.name


def outcomes(storage: StrictGcs) -> list[str]:
    return [name for name in storage.objects(BUCKET) if name.endswith((".done.yaml", ".error.yaml"))]
