"""The initialization action, run as Dataproc runs it: as root on a fresh machine, as master and as two workers.

Each machine is a mount namespace of its own: an overlay over this machine's root, so that nothing here changes, with
its own host name, a metadata server of the tests, the real gcloud against the strict storage server, and a recording
stand-in of systemctl. Then what was installed is used: scheduler and agents are started with exactly the units'
commands, users and environments, and run a config. systemd itself does not run here: what it does with the units
(sandboxing, watchdog, restarts, killing what is left) is not shown.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import random
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from poltergust.luigi_run.embedded import QUICK_TAKE_OVER
from tests import needs
from tests.emulators import pubsub as emulator
from tests.emulators.gcs import StrictGcs, strict_gcs
from tests.emulators.servers import running, wait_until
from tests.terraform.standin import ROOT

SCRIPT = ROOT / "clusters" / "dataproc-initactions.sh"
PROJECT, BUCKET, CLUSTER = "my-project", "mybucket", "mycluster"
NODES = [f"{CLUSTER}-w-0", f"{CLUSTER}-w-1"]
PASSED_ON = ("PIP_", "UV_", "SSL_", "REQUESTS_", "CURL_", "HTTP", "http", "https", "HTTPLIB2_", "no_proxy", "NO_PROXY")
PIPELINE = """
import luigi

class Part(luigi.Task):
    def output(self):
        return luigi.LocalTarget("/tmp/shared/part")
    def run(self):
        with self.output().open("w") as out:
            out.write("done")

class Whole(luigi.Task):
    def requires(self):
        return Part()
    def output(self):
        return luigi.LocalTarget("/tmp/shared/whole")
    def run(self):
        with self.output().open("w") as out:
            out.write("done")
"""


@contextlib.contextmanager
def metadata_server(values: Mapping[str, str]) -> Iterator[str]:
    """A metadata server that knows `values` below instance/; yields HOST:PORT. Without Google's header it answers 403.

    https://cloud.google.com/compute/docs/metadata/querying-metadata
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            value = values.get(self.path.removeprefix("/computeMetadata/v1/instance/"))
            google = self.headers.get("Metadata-Flavor") == "Google"
            self.send_response(403 if not google else 404 if value is None else 200)
            self.end_headers()
            if google and value is not None:
                self.wfile.write(value.encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Machine:
    """A machine of the cluster: an overlay whose changes are in `upper`, entered anew for each command."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.folder = name, folder
        self.upper, self.shared = folder / "upper", folder.parent / "shared"
        for each in (self.upper, folder / "work", folder / "root", self.shared):
            each.mkdir(parents=True, exist_ok=True)
        self.shared.chmod(0o777)
        self.calls = self.upper / "systemctl.log"
        stub = self.upper / "usr/local/bin/systemctl"
        stub.parent.mkdir(parents=True)
        stub.write_text(
            '#!/bin/sh\n[ "$1" = --version ] && echo "systemd 252 (252)" && exit\necho "$@" >>/systemctl.log\n'
        )
        stub.chmod(0o755)
        shutil.copy(SCRIPT, self.upper / "init.sh")

    def argv(self, command: str) -> list[str]:
        """A command line that runs the shell `command` on the machine; it takes the environment it is given."""
        root, layers = self.folder / "root", f"lowerdir=/,upperdir={self.upper},workdir={self.folder / 'work'}"
        enter = f"""
            set -e
            mount -t overlay overlay -o {layers} {root}
            cd {root}
            mount --rbind /dev dev && mount -t proc proc proc
            mount -t tmpfs tmpfs tmp && mkdir tmp/shared && mount --bind {self.shared} tmp/shared && chmod 1777 tmp
            hostname {self.name}
            exec chroot . /bin/bash -c {shlex.quote("cd / && " + command)}
        """
        # A PID namespace: whatever is left on the machine ends with its first process.
        return ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", enter]

    def run(self, command: str, env: Mapping[str, str]) -> str:
        done = subprocess.run(
            self.argv(command),
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, f"{self.name}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    def unit(self, name: str) -> Unit:
        return Unit(self.upper, self.upper / "etc/systemd/system" / f"{name}.service")


class Unit:
    """What systemd reads in a unit, as far as starting its command goes."""

    def __init__(self, root: Path, path: Path) -> None:
        self.path = path
        self.settings = [tuple(line.split("=", 1)) for line in path.read_text().splitlines() if "=" in line]
        self.env: dict[str, str] = {}
        for value in self.all("Environment"):
            self.env |= dict(word.split("=", 1) for word in shlex.split(value))
        for value in self.all("EnvironmentFile"):
            file = root / value.lstrip("-/")
            if file.exists() or not value.startswith("-"):
                self.env |= dict(line.split("=", 1) for line in file.read_text().splitlines())

    def all(self, key: str) -> list[str]:
        return [value for name, value in self.settings if name == key]

    def command(self) -> str:
        """The unit's command as its user, with the folders that systemd makes for it."""
        (start,), (user,) = self.all("ExecStart"), self.all("User")
        folders = [f"/var/lib/{name}" for name in self.all("StateDirectory")]
        folders += [f"/var/cache/{name}" for name in self.all("CacheDirectory")]
        make = f"install -d -o {user} -g {user} -m 0700 {' '.join(folders)}"
        return f"{make} && exec setpriv --reuid={user} --regid={user} --init-groups --no-new-privs -- {start}"


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
def machines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Machine]:
    needs.gcloud()
    needs.program("unshare", "apt-get install util-linux")
    if os.geteuid() != 0:
        needs.missing("root (to mount overlays)", "run these tests as root, in a container or a virtual machine")
    folder = tmp_path_factory.mktemp("machines")
    return {name: Machine(folder / name, name) for name in (f"{CLUSTER}-m", *NODES)}


@pytest.fixture(scope="module")
def cloud() -> Iterator[tuple[StrictGcs, str]]:
    with emulator.pubsub_emulator() as host, strict_gcs(pubsub=host) as storage:
        storage.create_bucket(BUCKET)
        topic = emulator.create_topic(host, PROJECT, f"poltergust-{CLUSTER}")
        storage.notify(BUCKET, topic, prefix="pipeline/")
        for node in NODES:
            emulator.create_subscription(host, PROJECT, f"poltergust-{CLUSTER}-{node}", f"poltergust-{CLUSTER}")
        yield storage, host


@pytest.fixture(scope="module")
def installed(machines: dict[str, Machine], cloud: tuple[StrictGcs, str], wheel: Path) -> dict[str, Machine]:
    """The machines after the initialization action, run twice on the first worker."""
    storage, _ = cloud
    storage.put(BUCKET, f"cluster/{wheel.name}", wheel.read_bytes())
    master = f"127.{random.randint(2, 250)}.{random.randint(2, 250)}.{random.randint(2, 250)}"  # loopback, all of 127/8
    for name, machine in machines.items():
        values = {
            "attributes/dataproc-role": "Master" if name.endswith("-m") else "Worker",
            "attributes/dataproc-master": master,
            "attributes/poltergust-path": f"gs://{BUCKET}/pipeline",
            "attributes/poltergust-project": PROJECT,
            "attributes/poltergust-name": f"poltergust-{CLUSTER}",
            "attributes/poltergust-package": f"gs://{BUCKET}/cluster/{wheel.name}",
            "network-interfaces/0/ip": master,
        }
        with metadata_server(values) as metadata:
            env = {key: value for key, value in os.environ.items() if key.startswith(PASSED_ON)} | {
                "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": "/root",
                "GCE_METADATA_HOST": metadata,
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{storage.url}/",
                "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
                "CLOUDSDK_CONFIG": "/tmp/gcloud",
            }
            machine.run("bash /init.sh", env)
            if name == NODES[0]:
                machine.run("bash /init.sh", env)
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


def test_the_scheduler_takes_over_as_quickly_as_the_embedded_one(installed: dict[str, Machine]) -> None:
    config = (installed[f"{CLUSTER}-m"].upper / "etc/poltergust/luigi.cfg").read_text()
    assert [f"{key} = {value}" for key, value in QUICK_TAKE_OVER.items() if f"{key} = {value}\n" not in config] == []


def test_the_units_are_valid_and_hardened(installed: dict[str, Machine], tmp_path: Path) -> None:
    analyze = needs.program("systemd-analyze", "apt-get install systemd")
    for name, unit in ((f"{CLUSTER}-m", "poltergust-scheduler"), (NODES[0], "poltergust-agent")):
        found = installed[name].unit(unit)
        # What it starts is on that machine; here its place is taken so that the rest can be verified.
        text = found.path.read_text()
        for program in ("poltergust", "luigid"):
            (tmp_path / program).write_text("#!/bin/sh\n")
            (tmp_path / program).chmod(0o755)
            text = text.replace(f"ExecStart=/opt/poltergust/bin/{program}", f"ExecStart={tmp_path / program}")
            assert (installed[name].upper / "opt/poltergust/bin" / program).exists()
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


def test_what_was_installed_runs_a_config_on_both_workers(
    installed: dict[str, Machine], cloud: tuple[StrictGcs, str], tmp_path: Path
) -> None:
    storage, host = cloud
    google = {"STORAGE_EMULATOR_HOST": storage.url, "PUBSUB_EMULATOR_HOST": host, "GOOGLE_CLOUD_PROJECT": PROJECT}
    registry = {key: value for key, value in os.environ.items() if key.startswith(PASSED_ON)}
    with contextlib.ExitStack() as stack:

        def start(name: str, unit: Unit, ready: Any) -> None:
            env = {"PATH": "/usr/local/bin:/usr/bin:/bin"} | unit.env | google | registry
            argv = installed[name].argv(unit.command())
            stack.enter_context(running(argv, ready=ready, log=tmp_path / f"{name}.log", env=env, timeout=120))

        scheduler = installed[f"{CLUSTER}-m"].unit("poltergust-scheduler")
        address = shlex.split(scheduler.all("ExecStart")[0])[2]
        start(f"{CLUSTER}-m", scheduler, lambda: _answers(address, 8082))
        for node in NODES:
            pipelines = installed[node].upper / "srv/pipelines"
            pipelines.mkdir(parents=True)
            (pipelines / "cluster_pipeline.py").write_text(PIPELINE)
            heartbeat = f"pipeline.poltergust/nodes/{node}.json"
            start(
                node, installed[node].unit("poltergust-agent"), lambda name=heartbeat: name in storage.objects(BUCKET)
            )
        storage.put(BUCKET, "environment/env.yaml", b"dependencies: []\nvariables:\n  PYTHONPATH: /srv/pipelines\n")
        config = f"environment: gs://{BUCKET}/environment/env.yaml\ntask:\n  name: Whole\n  module: cluster_pipeline\n"
        storage.put(BUCKET, "pipeline/job.config.yaml", config.encode())
        wait_until(lambda: _outcomes(storage), "an outcome", timeout=240, every=0.5)
        assert _outcomes(storage) == ["pipeline/job.done.yaml"], _logs(tmp_path)
        heard = [name for name in storage.objects(BUCKET) if name.startswith("pipeline.poltergust/logs/job/")]
        assert {Path(name).stem for name in heard} <= set(NODES)
        for line in (tmp_path / f"{NODES[0]}.log").read_text().splitlines():
            assert json.loads(line)["node"] == NODES[0]


def _outcomes(storage: StrictGcs) -> list[str]:
    return [name for name in storage.objects(BUCKET) if name.endswith((".done.yaml", ".error.yaml"))]


def _logs(folder: Path) -> str:
    return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-3000:]}" for path in folder.glob("*.log"))


def _answers(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((address, port)) == 0
