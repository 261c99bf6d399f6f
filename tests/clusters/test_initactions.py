"""The initialization action, run as Dataproc runs it: as root on a fresh machine, as master and as two workers.

Each machine is a mount namespace of its own: an overlay over this machine's root, so that nothing here changes, with
its own host name, a metadata server of the tests, the real gcloud against the strict storage server, and a recording
stand-in of systemctl. Then what was installed is used: scheduler and agents are started with exactly the units'
commands, users and environments, and run a config. systemd itself does not run here: what it does with the units
(sandboxing, watchdog, restarts, killing what is left) is not shown.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from tests import needs
from tests.clusters.machine import Machine, Unit, metadata_server, need_machines, registry_settings, secret_manager
from tests.emulators import pubsub as emulator
from tests.emulators.gcs import StrictGcs, strict_gcs
from tests.emulators.servers import free_port, running, wait_until
from tests.terraform.standin import ROOT

SCRIPT = ROOT / "clusters" / "dataproc-initactions.sh"
PROJECT, BUCKET, CLUSTER = "my-project", "mybucket", "mycluster"
# A primary worker, for which the wiring made a subscription, and a secondary one, which nobody counted before.
NODES = [f"{CLUSTER}-w-0", f"{CLUSTER}-sw-k3x7"]
PASSWORD = "a-password-of-the-tests"
SECRET = f"projects/{PROJECT}/secrets/luigi"
SUBSCRIPTION = f"projects/{PROJECT}/subscriptions/poltergust-{CLUSTER}-{NODES[0]}"
# Each part ends once workers of both machines are at the scheduler: there is one for each of them.
PIPELINE = """
import json, os, time, urllib.request
import luigi

class Part(luigi.Task):
    number = luigi.IntParameter()
    def output(self):
        return luigi.LocalTarget("/tmp/shared/part-" + str(self.number))
    def run(self):
        url, end = os.environ["SCHEDULER"] + "/api/worker_list", time.time() + 120
        asked = urllib.request.Request(url, headers={"Authorization": "Basic " + os.environ["AUTHORIZATION"]})
        while len({each["host"] for each in json.load(urllib.request.urlopen(asked, timeout=10))["response"]}) < 2:
            assert time.time() < end, "waited for a second machine"
            time.sleep(0.1)
        with self.output().open("w") as out:
            out.write("done")

class Whole(luigi.Task):
    def requires(self):
        return [Part(number=0), Part(number=1)]
    def output(self):
        return luigi.LocalTarget("/tmp/shared/whole")
    def run(self):
        with self.output().open("w") as out:
            out.write("done")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        str(Path(sys.executable).parent / "uv"),
        "build",
        "--quiet",
        "--wheel",
        "--out-dir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(command, check=True, timeout=300, stdin=subprocess.DEVNULL)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Machine]]:
    needs.gcloud()
    need_machines()
    folder = tmp_path_factory.mktemp("machines")
    yield {name: Machine(folder / name, name) for name in (f"{CLUSTER}-m", *NODES)}
    shutil.rmtree(folder)  # some hundred megabytes


@pytest.fixture(scope="module")
def cloud() -> Iterator[tuple[StrictGcs, str]]:
    with emulator.pubsub_emulator() as host, strict_gcs(pubsub=host) as storage:
        storage.create_bucket(BUCKET)
        topic = emulator.create_topic(host, PROJECT, f"poltergust-{CLUSTER}")
        storage.notify(BUCKET, topic, prefix="pipeline/")
        emulator.create_subscription(host, PROJECT, SUBSCRIPTION.rpartition("/")[2], f"poltergust-{CLUSTER}")
        yield storage, host


@pytest.fixture(scope="module")
def installed(machines: dict[str, Machine], cloud: tuple[StrictGcs, str], wheel: Path) -> dict[str, Machine]:
    """The machines after the initialization action, run twice on the first worker."""
    storage, host = cloud
    storage.put(BUCKET, f"cluster/{wheel.name}", wheel.read_bytes())
    storage.put(BUCKET, "cluster/agent.txt", (ROOT / "requirements" / "agent.txt").read_bytes())
    storage.put(BUCKET, "cluster/scheduler-password", f"{PASSWORD}\n".encode())
    master = f"127.{random.randint(2, 250)}.{random.randint(2, 250)}.{random.randint(2, 250)}"  # loopback, all of 127/8

    def install(name: str) -> None:
        values = {
            "attributes/dataproc-role": "Master" if name.endswith("-m") else "Worker",
            "attributes/dataproc-master": master,
            "attributes/poltergust-path": f"gs://{BUCKET}/pipeline",
            "attributes/poltergust-project": PROJECT,
            "attributes/poltergust-name": f"poltergust-{CLUSTER}",
            "attributes/poltergust-package": f"gs://{BUCKET}/cluster/{wheel.name}",
            # One machine is told of a secret of Secret Manager, the others of an object.
            "attributes/poltergust-password": SECRET
            if name == NODES[1]
            else f"gs://{BUCKET}/cluster/scheduler-password",
            "network-interfaces/0/ip": master,
        }
        shutil.copy(SCRIPT, machines[name].upper / "init.sh")
        with metadata_server(values) as metadata, secret_manager({SECRET: f"{PASSWORD}\n"}) as secrets:
            env = registry_settings() | {
                "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": "/root",
                "GCE_METADATA_HOST": metadata,
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{storage.url}/",
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB": f"http://{host}/",
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": secrets,
                "POLTERGUST_PAUSE_SECONDS": "0",
                "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
                "CLOUDSDK_CONFIG": "/tmp/gcloud",
            }
            machines[name].run("bash /init.sh", env)
            if name == NODES[0]:
                machines[name].run("bash /init.sh", env)

    with ThreadPoolExecutor(len(machines)) as threads:
        list(threads.map(install, machines))
    return machines


def test_the_master_gets_the_scheduler_and_the_workers_the_agent(installed: dict[str, Machine]) -> None:
    units = {name: sorted(p.name for p in (m.upper / "etc/systemd/system").glob("*")) for name, m in installed.items()}
    agent = ["poltergust-agent.service"]
    assert units == {f"{CLUSTER}-m": ["poltergust-scheduler.service"], NODES[0]: agent, NODES[1]: agent}
    assert installed[NODES[1]].calls.read_text().splitlines() == [
        "daemon-reload",
        "enable poltergust-agent.service",
        "restart poltergust-agent.service",
    ]


def test_exactly_the_releases_of_the_list_are_installed(installed: dict[str, Machine]) -> None:
    listed = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements" / "agent.txt").read_text(), re.MULTILINE))
    found = installed[NODES[0]].run("/opt/poltergust/bin/python -m pip freeze", {"PATH": "/usr/bin:/bin"})
    packages = dict(line.split("==") for line in found.splitlines() if "==" in line)
    assert {canonicalize_name(name): version for name, version in packages.items()}.items() <= listed.items()
    assert {"luigi", "uv", "google-cloud-pubsub"} <= packages.keys()


def test_the_password_is_read_by_the_services_only(installed: dict[str, Machine]) -> None:
    for machine in installed.values():
        file = machine.upper / "etc/poltergust/scheduler-password"
        assert file.read_text() == f"{PASSWORD}\n"
        assert machine.run("stat -c '%a %U' /etc/poltergust/scheduler-password", {"PATH": "/usr/bin:/bin"}) == (
            "600 poltergust\n"
        )
        others = [path for path in (machine.upper / "etc").rglob("*") if path.is_file() and path != file]
        assert not [path for path in others if PASSWORD.encode() in path.read_bytes()]


def test_the_units_are_valid_and_hardened(installed: dict[str, Machine], tmp_path: Path) -> None:
    analyze = needs.program("systemd-analyze", "apt-get install systemd")
    for name, unit in ((f"{CLUSTER}-m", "poltergust-scheduler"), (NODES[0], "poltergust-agent")):
        found = installed[name].unit(unit)
        # What it starts is on that machine; here its place is taken so that the rest can be verified.
        text = found.path.read_text()
        program = tmp_path / "poltergust"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        text = text.replace("ExecStart=/opt/poltergust/bin/poltergust", f"ExecStart={program}")
        assert (installed[name].upper / "opt/poltergust/bin/poltergust").exists()
        copy = tmp_path / found.path.name
        copy.write_text(text)
        verified = subprocess.run(
            [analyze, "verify", str(copy)], capture_output=True, text=True, timeout=60, check=False
        )
        assert (verified.returncode, verified.stderr) == (0, "")
        command = [analyze, "security", "--offline=true", "--threshold=30", "--no-pager", str(copy)]
        judged = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert judged.returncode == 0, judged.stdout.splitlines()[-1]


def test_the_agent_stops_later_than_it_drains(installed: dict[str, Machine]) -> None:
    unit = installed[NODES[0]].unit("poltergust-agent")
    assert (unit.env["POLTERGUST_DRAIN_TIMEOUT"], unit.all("TimeoutStopSec"), unit.all("KillMode")) == (
        "10m",
        ["11min"],
        ["mixed"],
    )


def test_each_worker_listens_on_its_own_subscription_and_shows_its_health(installed: dict[str, Machine]) -> None:
    primary, secondary = (installed[node].unit("poltergust-agent").env for node in NODES)
    assert primary["POLTERGUST_SUBSCRIPTION"] == SUBSCRIPTION
    assert "POLTERGUST_TOPIC" not in primary
    assert secondary["POLTERGUST_TOPIC"] == f"projects/{PROJECT}/topics/poltergust-{CLUSTER}"
    assert "POLTERGUST_SUBSCRIPTION" not in secondary
    for each in (primary, secondary):
        assert (each["POLTERGUST_HTTP"], each["POLTERGUST_INSTALL_PYTHONS"]) == ("127.0.0.1:8089", "true")


def test_what_was_installed_runs_a_config_on_both_workers(
    installed: dict[str, Machine], cloud: tuple[StrictGcs, str], tmp_path: Path
) -> None:
    storage, host = cloud
    google = {"STORAGE_EMULATOR_HOST": storage.url, "PUBSUB_EMULATOR_HOST": host, "GOOGLE_CLOUD_PROJECT": PROJECT}
    registry = registry_settings()
    with contextlib.ExitStack() as stack:
        # Type=notify: what systemd would hear from the agents, over a socket that all machines see.
        heard = stack.enter_context(notify_socket(installed[NODES[0]].shared / "notify"))
        systemd = {"NOTIFY_SOCKET": "/tmp/shared/notify", "WATCHDOG_USEC": "2000000"}

        def start(name: str, unit: Unit, ready: Any) -> None:
            env = {"PATH": "/usr/local/bin:/usr/bin:/bin"} | unit.env | google | registry
            if unit.all("Type") == ["notify"]:
                # These machines share one loopback interface, so each gets a port of its own.
                here = f"127.0.0.1:{free_port()}"
                env |= systemd | {"POLTERGUST_HTTP": here, "POLTERGUST_SCHEDULER_HTTP": here}
            argv = installed[name].argv(unit.command())
            stack.enter_context(running(argv, ready=ready, log=tmp_path / f"{name}.log", env=env, timeout=120))

        scheduler = installed[f"{CLUSTER}-m"].unit("poltergust-scheduler")
        address = shlex.split(scheduler.all("ExecStart")[0])[3]
        start(f"{CLUSTER}-m", scheduler, lambda: _answers(address, 8082))
        for node in NODES:
            pipelines = installed[node].upper / "srv/pipelines"
            pipelines.mkdir(parents=True)
            (pipelines / "cluster_pipeline.py").write_text(PIPELINE)
            heartbeat = f"pipeline.poltergust/nodes/{node}.json"
            start(
                node, installed[node].unit("poltergust-agent"), lambda name=heartbeat: name in storage.objects(BUCKET)
            )
        variables = f"variables:\n  PYTHONPATH: /srv/pipelines\n  SCHEDULER: http://{address}:8082\n"
        variables += f"  AUTHORIZATION: {b64encode(f'poltergust:{PASSWORD}'.encode()).decode()}\n"
        storage.put(BUCKET, "environment/env.yaml", f"dependencies: []\n{variables}".encode())
        config = f"environment: gs://{BUCKET}/environment/env.yaml\ntask:\n  name: Whole\n  module: cluster_pipeline\n"
        storage.put(BUCKET, "pipeline/job.config.yaml", config.encode())
        wait_until(lambda: _outcomes(storage), "an outcome", timeout=240, every=0.5)
        assert _outcomes(storage) == ["pipeline/job.done.yaml"], _logs(tmp_path)
        wait_until(lambda: _logs_of_job(storage) == set(NODES), "a log of each node")
        wait_until(lambda: heard.count("READY=1") >= len(NODES) + 1 and "WATCHDOG=1" in heard, "READY=1 and WATCHDOG=1")
        assert len(emulator.subscriptions(host, PROJECT)) == len(NODES)
        for line in (tmp_path / f"{NODES[0]}.log").read_text().splitlines():
            assert json.loads(line)["node"] == NODES[0]
    assert emulator.subscriptions(host, PROJECT) == [SUBSCRIPTION], "what a node made for itself goes with it"


@contextlib.contextmanager
def notify_socket(path: Path) -> Iterator[list[str]]:
    """Listen where `NOTIFY_SOCKET` says; yields what was heard so far, line by line (sd_notify(3))."""
    heard: list[str] = []
    folder = os.open(path.parent, os.O_PATH)  # a socket's address has 108 bytes, a test's folder may have more
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(f"/proc/self/fd/{folder}/{path.name}")
        path.chmod(0o666)
        thread = threading.Thread(target=lambda: _hear(server, heard))
        thread.start()
        try:
            yield heard
        finally:
            server.sendto(b"END", f"/proc/self/fd/{folder}/{path.name}")
            thread.join()
            os.close(folder)
            path.unlink()


def _hear(server: socket.socket, heard: list[str]) -> None:
    while (message := server.recv(4096)) != b"END":
        heard.extend(message.decode().splitlines())


def _logs_of_job(storage: StrictGcs) -> set[str]:
    names = [name for name in storage.objects(BUCKET) if name.startswith("pipeline.poltergust/logs/job/")]
    return {Path(name).stem for name in names if name.endswith(".log")}


def _outcomes(storage: StrictGcs) -> list[str]:
    return [name for name in storage.objects(BUCKET) if name.endswith((".done.yaml", ".error.yaml"))]


def _logs(folder: Path) -> str:
    return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-3000:]}" for path in folder.glob("*.log"))


def _answers(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((address, port)) == 0
