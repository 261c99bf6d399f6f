"""The container image and its compose files, without a container engine.

The Dockerfile's steps are run on machines of the tests (overlays over this one, where a Python environment stands in
for the base image), then the image's command as its user. Not shown: the base image itself, the compose files under a
real engine.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters.machine import Machine, need_machines, registry_settings
from tests.emulators.pubsub import call, pubsub_emulator
from tests.emulators.servers import free_port, port_open, running
from tests.terraform.standin import ROOT

DOCKER = ROOT / "clusters" / "docker"
BIN = Path(sys.executable).parent


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as pairs of instruction and the rest, comments dropped and continued lines joined."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", "")
    words = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(word, " ".join(rest.split())) for word, rest in words]


def services(name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((DOCKER / name).read_text())["services"]
    return found


def test_hadolint_finds_nothing() -> None:
    command = [str(BIN / "hadolint"), "--no-color", str(DOCKER / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_setting_is_an_option_of_listen() -> None:
    shown = subprocess.run(
        [str(BIN / "poltergust"), "listen", "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    known = set(re.findall(r"POLTERGUST_[A-Z_]+", shown.stdout))
    used = set(re.findall(r"(POLTERGUST_[A-Z_]+)[=:] ?", "\n".join(path.read_text() for path in DOCKER.iterdir())))
    assert used - known == set()


def test_images_are_pinned_and_nothing_runs_as_root() -> None:
    everything = services("compose.yaml") | services("compose.emulators.yaml")
    for name, service in everything.items():
        image = service.get("image", "poltergust")
        assert image == "poltergust" or re.search(r":\d[\w.-]+$", image), name
    assert ("USER", "10001:10001") in instructions()
    assert all(re.search(r"=python:\d+\.\d+\.\d+-", rest) for word, rest in instructions() if word == "ARG")
    for name in ("head", "worker"):
        service = services("compose.yaml")[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_scheduler_is_published_on_loopback_only() -> None:
    assert services("compose.yaml")["head"]["ports"] == ["127.0.0.1:8082:8082"]


def test_the_override_names_only_services_and_files_that_exist() -> None:
    base, override = services("compose.yaml"), services("compose.emulators.yaml")
    everything = base.keys() | override.keys()
    for service in (*base.values(), *override.values()):
        assert set(service.get("depends_on", {})) <= everything
        for volume in service.get("volumes", []):
            if volume.startswith("./"):
                assert (DOCKER / volume.split(":")[0]).is_file()


def test_setup_makes_the_topic_once_and_again(tmp_path: Path) -> None:
    with pubsub_emulator() as host:
        env = {"PUBSUB_EMULATOR_HOST": host, "GOOGLE_CLOUD_PROJECT": "demo"}
        for _ in range(2):
            command = [sys.executable, str(DOCKER / "setup.py"), "topic"]
            subprocess.run(command, env=env, timeout=100, check=True, stdin=subprocess.DEVNULL)
        topics = call(host, "GET", "projects/demo/topics")["topics"]
        wanted = dict(line.split("=", 1) for line in (DOCKER / "emulators.env").read_text().splitlines())
        assert [topic["name"] for topic in topics] == [wanted["POLTERGUST_TOPIC"]]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, dict[str, str], str]]:
    """The machine after the Dockerfile's steps, the image's environment, and its command line."""
    need_machines()
    folder = tmp_path_factory.mktemp("image")
    stages: list[Machine] = []
    env, cwd, user, entry, command = {}, "/", "", [], []
    for word, rest in instructions():
        if word == "FROM":
            stages.append(Machine(folder / f"stage{len(stages)}", f"stage{len(stages)}"))
            env, cwd = {"PATH": "/base/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}, "/"
            # In place of the base image: a Python with pip on PATH.
            stages[-1].run("/usr/bin/python3 -m venv /base", env)
        elif word == "RUN":
            stages[-1].run(f"mkdir -p {cwd} && cd {cwd} && {rest}", env | registry_settings())
        elif word == "COPY":
            *sources, target = [each for each in shlex.split(rest) if not each.startswith("--")]
            origin = stages[0].upper if "--from=build" in rest else ROOT
            place = stages[-1].upper / (Path(cwd) / target).relative_to("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if target.endswith("/"):
                place.mkdir(parents=True, exist_ok=True)
            paths = [str(origin / each.lstrip("/")) for each in sources]
            subprocess.run(["cp", "-a", *paths, str(place)], check=True, timeout=60)
        elif word == "ENV":
            env |= dict(each.split("=", 1) for each in shlex.split(rest))
        elif word == "WORKDIR":
            cwd = rest
        elif word == "USER":
            user = rest
        elif word == "ENTRYPOINT":
            entry = yaml.safe_load(rest)
        elif word == "CMD":
            command = yaml.safe_load(rest)
    uid, gid = user.split(":")
    env |= {"PATH": env["PATH"].replace("/usr/local/bin", "/base/bin"), "HOME": cwd}
    become = f"cd {cwd} && exec setpriv --reuid={uid} --regid={gid} --clear-groups --no-new-privs -- "
    yield stages[-1], env, become + shlex.join([*entry, *command])
    shutil.rmtree(folder)


def test_the_steps_of_the_image_make_an_agent_that_starts(image: tuple[Machine, dict[str, str], str]) -> None:
    machine, env, command = image
    assert "Run this machine as a node" in machine.run(f"{command} --help", env)
    assert machine.run(command.replace("poltergust listen", "id -u"), env).strip() == "10001"
    writable = "sh -c 'touch /var/cache/poltergust/x /var/lib/poltergust/x && ! touch /opt/poltergust/x'"
    machine.run(command.replace("poltergust listen", writable), env)


def test_the_password_of_the_compose_file_is_made_once_and_the_scheduler_takes_it(
    image: tuple[Machine, dict[str, str], str], tmp_path: Path
) -> None:
    machine, env, command = image
    everything = services("compose.yaml")
    make = shlex.join(everything["password"]["command"])
    show = "stat -c %a /var/lib/poltergust-password/password && cat /var/lib/poltergust-password/password"
    shown = [
        machine.run(f"({command.replace('poltergust listen', make)}) && {show}", env),
        machine.run(f"({command.replace('poltergust listen', make)}) && {show}", env),
    ]
    assert shown[0] == shown[1]
    assert re.fullmatch(r"600\n[A-Za-z0-9+/]{32}\n", shown[0])
    port = free_port()
    options = [each for each in everything["head"]["command"][2:] if not each.startswith("--http")]
    scheduler = ["poltergust", "scheduler", *options, f"--port={port}", f"--http=127.0.0.1:{free_port()}"]
    argv = machine.argv(command.replace("poltergust listen", shlex.join(scheduler)))
    with running(argv, ready=lambda: port_open(port), log=tmp_path / "log", env=env):
        address = f"http://127.0.0.1:{port}/api/worker_list"
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(address, timeout=10)
        refused.value.close()
        who = b64encode(f"poltergust:{shown[0].split()[1]}".encode()).decode()
        asked = urllib.request.Request(address, headers={"Authorization": f"Basic {who}"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert answer.status == 200
