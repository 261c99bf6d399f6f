"""`poltergust doctor` as a user gives it, and what a starting node says by itself."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import shutil
import struct
import subprocess
import termios
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import needs
from tests.e2e.commands import Commands
from tests.e2e.nodes import POLTERGUST, node
from tests.emulators.gcs import strict_gcs


@pytest.fixture
def doctor(tmp_path: Path) -> Commands:
    (tmp_path / "pipeline").mkdir()
    return Commands("./pipeline", tmp_path, {"POLTERGUST_CACHE_DIR": str(tmp_path / "cache")})


def in_mounts(commands: Sequence[str], then: Sequence[str], cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `then` where `commands` (which mount something) were run before, in a namespace of its own."""
    unshare = needs.program("unshare", "apt-get install util-linux")
    probe = subprocess.run(
        [unshare, "--user", "--map-root-user", "--mount", "true"], capture_output=True, timeout=30, check=False
    )
    if probe.returncode:
        needs.missing("the right to mount in a namespace", "sysctl kernel.unprivileged_userns_clone=1")
    script = " && ".join([*commands, 'exec "$@"'])
    return subprocess.run(
        [unshare, "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", *then],
        capture_output=True,
        text=True,
        timeout=180,
        cwd=cwd,
        env={**os.environ, **env},
        check=False,
    )


def test_all_is_well_on_a_folder(doctor: Commands) -> None:
    said = doctor("doctor")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[-1] == "all is well"
    assert all(line.startswith("ok ") for line in lines[:-1]), said.out
    assert {line.split()[1] for line in lines[:-1]} >= {"versions", "folder", "disk", "write", "clock", "interpreters"}


def test_json_and_the_exit_code(doctor: Commands) -> None:
    shutil.rmtree(doctor.cwd / "pipeline")
    said = doctor("doctor", "--json", "--quick")
    assert said.code == 1
    found = json.loads(said.out)
    assert (found["format"], found["counts"]["fail"]) == (1, 1)
    (failed,) = [check for check in found["checks"] if check["verdict"] == "fail"]
    assert failed["name"] == "folder"
    assert failed["mend"] == f"make it: mkdir -p {doctor.cwd / 'pipeline'}"
    assert set(failed) == {"name", "verdict", "text", "mend"}


def test_the_options_of_listen_are_taken_as_they_are(doctor: Commands) -> None:
    options = [
        "--node",
        "n",
        "--http",
        "127.0.0.1:0",
        "--log-format",
        "json",
        "--env-cache-size",
        "5G",
        "--retries",
        "1",
    ]
    assert doctor("doctor", "--quick", *options).code == 0
    assert doctor("doctor", "--quick", "--subscription", "x").code == 2


def test_a_folder_that_is_read_only(doctor: Commands) -> None:
    folder = doctor.cwd / "pipeline"
    done = in_mounts(
        [f"mount --bind {folder} {folder}", f"mount -o remount,bind,ro {folder}"],
        [str(POLTERGUST), "doctor", "--path", "./pipeline", "--cache-dir", str(doctor.cwd / "cache")],
        doctor.cwd,
    )
    assert done.returncode == 1, done.stderr
    assert f"{folder}: Read-only file system" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("size", "code", "text"), [("1000m", 0, "little room"), ("50m", 1, "too little")])
def test_a_disk_that_is_nearly_full(doctor: Commands, size: str, code: int, text: str) -> None:
    (doctor.cwd / "cache").mkdir()
    done = in_mounts(
        [f"mount -t tmpfs -o size={size} tmpfs {doctor.cwd / 'cache'}"],
        [str(POLTERGUST), "doctor", "--quick", "--path", "./pipeline", "--cache-dir", str(doctor.cwd / "cache")],
        doctor.cwd,
    )
    assert done.returncode == code, done.stdout
    assert text in done.stdout
    assert "poltergust env prune" in done.stdout


def test_without_credentials(doctor: Commands) -> None:
    home = doctor.cwd / "home"
    home.mkdir()
    cloud = Commands(
        "gs://mybucket/pipeline",
        doctor.cwd,
        {
            **doctor.env,
            "HOME": str(home),
            "CLOUDSDK_CONFIG": str(home),
            "NO_GCE_CHECK": "true",
            "STORAGE_EMULATOR_HOST": "",
            "GOOGLE_APPLICATION_CREDENTIALS": "",
        },
    )
    said = cloud("doctor", "--quick")
    assert said.code == 1
    assert "gcloud auth application-default login" in said.out
    assert "permissions" not in said.out


def test_a_starting_node_warns_of_what_is_in_the_way(doctor: Commands) -> None:
    with strict_gcs() as gcs:
        gcs.create_bucket("mybucket", defaultEventBasedHold=True)
        arguments = ["listen", "--path", "gs://mybucket/pipeline", "--cache-dir", str(doctor.cwd / "cache")]
        with node(arguments, log=doctor.cwd / "log", cwd=doctor.cwd, env={"STORAGE_EMULATOR_HOST": gcs.url}) as running:
            running.until("WARNING holds: gs://mybucket puts an event-based hold on every new object")
            running.until("--no-default-event-based-hold")
            assert "Traceback" not in running.log


def on_terminal(argv: list[str], columns: int, *, env: dict[str, str], cwd: Path) -> tuple[int, str]:
    """Run it on a terminal that has its size before the command starts; exit code and what it showed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=cwd)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # EIO is how Linux says that the other side was closed
        while data := os.read(ours, 65536):
            shown += data
    os.close(ours)
    return process.wait(120), shown.decode()


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_narrow_and_wide_terminals(doctor: Commands, columns: int) -> None:
    """On a terminal of so many columns no line is longer, and nothing is lost; NO_COLOR leaves out the colours."""
    argv = [str(POLTERGUST), "doctor", "--quick", "--path", "./nowhere"]
    env = {**os.environ, **doctor.env, "NO_COLOR": "1", "TERM": "xterm"}
    for name in ("COLUMNS", "LINES"):  # stronger than the terminal's own size, and set where tests run side by side
        env.pop(name, None)
    code, stdout = on_terminal(argv, columns, env=env, cwd=doctor.cwd)
    lines = stdout.replace("\r", "").splitlines()
    shown = [line.split("\x1b[2K")[-1].rstrip() for line in lines]
    assert code == 1, stdout
    assert "\x1b[3" not in stdout, "no colours"
    assert max(map(len, (line for line in shown if "\x1b" not in line))) <= columns
    assert "mkdir-p" in "".join("".join(shown).split())
