"""The shell loop of the first version: `while true; do luigi RunTasks --module poltergust --path=…; sleep 1; done`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.nodes import PIPELINES, descendants_with
from tests.emulators.luigid import luigid
from tests.emulators.servers import free_port, port_open, running, stop, wait_until

LUIGI = Path(sys.executable).with_name("luigi")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("pipeline", "environment"):
        (tmp_path / folder).mkdir()
    (tmp_path / "environment" / "plain.yaml").write_text("dependencies: []\n")
    return tmp_path


def put(project: Path, name: str, task: str = "Touch", module: str = "waits") -> None:
    (project / "pipeline" / f"{name}.config.yaml").write_text(
        f"environment: ../environment/plain.yaml\ntask:\n  module: {module}\n  name: {task}\n"
        f"  target: {project}/{name}.out\n"
    )


def names(project: Path) -> list[str]:
    return sorted(path.name for path in (project / "pipeline").iterdir())


def environment(project: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PIPELINES), "XDG_CACHE_HOME": str(project / "cache")}


def test_a_pass_just_after_another_is_one(project: Path) -> None:
    """luigid takes no task again that was done less than ten seconds ago."""
    with luigid(project) as url:
        for number in range(3):
            put(project, f"config-{number}")
            command = [str(LUIGI), "RunTasks", "--module", "poltergust", f"--path={project}/pipeline"]
            subprocess.run(
                [*command, f"--scheduler-url={url}"],
                env=environment(project),
                cwd=project,
                capture_output=True,
                timeout=180,
                check=True,
            )
            assert f"config-{number}.done.yaml" in names(project)


@pytest.mark.parametrize("scheduler", ["luigid", "local"])
def test_one_pass_brings_every_config_to_its_outcome_and_ends(project: Path, scheduler: str) -> None:
    put(project, "good")
    put(project, "bad", task="Tuch")
    (project / "pipeline" / "relative.config.yaml").write_text(
        "environment: ../environment/plain.yaml\ntask: {module: relative, name: Report, number: 1}\n"
    )
    command = [str(LUIGI), "RunTasks", "--module", "poltergust", f"--path={project}/pipeline", "--hostname=here"]
    with luigid(project) as url:
        command += ["--local-scheduler"] if scheduler == "local" else [f"--scheduler-url={url}"]
        done = subprocess.run(
            command, env=environment(project), cwd=project, capture_output=True, text=True, timeout=180, check=False
        )
    assert done.returncode == 0, done.stderr
    assert names(project) == ["bad.error.yaml", "good.done.yaml", "relative.done.yaml"]
    assert (project / "good.out").exists()
    assert (project / "data" / "report-1.txt").exists(), "a relative path starts where luigi was typed"
    assert descendants_with(f"{project}/pipeline") == []


def test_a_scheduler_with_a_password_is_given_it_from_its_file(project: Path) -> None:
    put(project, "good")
    secret = project / "password"
    secret.write_text("poltergust:correct horse%")
    secret.chmod(0o600)
    port = free_port()
    serve = [sys.executable, "-m", "poltergust", "scheduler", f"--port={port}", f"--state-dir={project}/state"]
    command = [str(LUIGI), "RunTasks", "--module", "poltergust", f"--path={project}/pipeline", "--hostname=here"]
    command += [f"--scheduler-url=http://127.0.0.1:{port}", f"--scheduler-password-file={secret}"]

    def luigi() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=environment(project), cwd=project, capture_output=True, text=True, timeout=180, check=False
        )

    with running(
        [*serve, f"--password-file={secret}"], ready=lambda: port_open(port), log=project / "log", cwd=project
    ):
        done = luigi()
    assert done.returncode == 0, done.stderr
    assert names(project) == ["good.done.yaml"]
    assert "correct" not in done.stdout + done.stderr
    secret.chmod(0o644)
    refused = luigi()
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert f"Error: others can read the password file {secret}; run: chmod 600 {secret}" in refused.stderr


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("--path=gone", "Error: --path gone: no such folder; make it first: mkdir -p "),
        ("--hostname=a/b", "Error: --hostname 'a/b': use letters, digits, dots, dashes and underscores"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(project: Path, mistake: str, said: str) -> None:
    command = [str(LUIGI), "RunTasks", "--module", "poltergust", "--local-scheduler", "--path=pipeline", mistake]
    refused = subprocess.run(
        command, env=environment(project), cwd=project, capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode == 1
    assert said in refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr


def test_environments_are_kept_where_the_variable_of_every_command_says(project: Path) -> None:
    """The loop has no option for it, and a node's default cache may be on a disk that is too small."""
    (project / "pipeline" / "wrong.config.yaml").write_text("nothing: at all\n")
    command = [str(LUIGI), "RunTasks", "--module", "poltergust", "--local-scheduler", f"--path={project}/pipeline"]

    def luigi(cache: Path) -> subprocess.CompletedProcess[str]:
        env = {**environment(project), "POLTERGUST_CACHE_DIR": str(cache)}
        return subprocess.run(command, env=env, cwd=project, capture_output=True, text=True, timeout=120, check=False)

    refused = luigi(project / "environment" / "plain.yaml")
    assert refused.returncode == 1
    assert f"Error: --cache-dir {project}/environment/plain.yaml is no folder; name another" in refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr
    done = luigi(project / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert names(project) == ["wrong.error.yaml"]
    assert (project / "elsewhere" / "journal").is_dir()
    assert not (project / "cache").exists()


def test_the_shell_loop_takes_what_lands_later(project: Path) -> None:
    with luigid(project) as url:
        loop = f"while true; do {LUIGI} RunTasks --module poltergust --path={project}/pipeline --scheduler-url={url}; "
        with (project / "loop.log").open("wb") as log:
            process = subprocess.Popen(
                ["sh", "-c", loop + "sleep 1; done"],
                env=environment(project),
                cwd=project,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            for number in range(2):
                put(project, f"config-{number}")
                wait_until((project / "pipeline" / f"config-{number}.done.yaml").exists, f"config {number}", 120)
        finally:
            stop(process)
        # While luigid answers: Luigi's own client would otherwise go on asking for it for a minute.
        wait_until(lambda: descendants_with(f"{project}/pipeline") == [], "every process to end with the loop")
