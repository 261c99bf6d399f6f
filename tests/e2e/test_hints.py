"""What a command says to type next is typed, to the letter, in a shell in the same folder: it works as it stands.

The path has a space and a quote in its name, and POLTERGUST_PATH is not set: nothing helps a hint that is incomplete.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.nodes import POLTERGUST, Node
from tests.emulators.servers import stop, wait_until

FOLDER = "Anna's pipeline"
HINT = re.compile(r"(?::|^ ) ((?:poltergust|mkdir -p|cd) .+)$", re.MULTILINE)
TASK = "environment: ../environment/plain.yaml\ntask: {module: waits, name: Touch}\n"


class Shell:
    """A person's shell in `folder`, with `poltergust` on its PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**os.environ, "PATH": f"{POLTERGUST.parent}:{os.environ['PATH']}", "PYTHONWARNINGS": "default"}
        self.env.pop("POLTERGUST_PATH", None)

    def __call__(self, line: str) -> tuple[int, str]:
        """Exit code and everything that was printed."""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stdout, done.stdout
        return done.returncode, done.stdout

    def hints(self, line: str) -> list[str]:
        """What `line` says to type next; at least one."""
        _, printed = self(line)
        found = HINT.findall(printed)
        assert found, f"{line} gives no hint: {printed}"
        return found

    def listens(self, line: str) -> None:
        """It starts a node, which is stopped as soon as it listens."""
        log = self.folder / "listen.log"
        with log.open("wb") as file:
            started = ["bash", "-c", f"exec {line} --cache-dir cache"]
            process = subprocess.Popen(
                started, cwd=self.folder, env=self.env, stdout=file, stderr=file, start_new_session=True
            )
        node = Node(process, log)
        try:
            node.until("listening to")
            node.signal(signal.SIGTERM)
            assert node.wait() == 0, node.log
        finally:
            if process.poll() is None:
                stop(process)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / "environment").mkdir()
    (tmp_path / "environment" / "plain.yaml").write_text("dependencies: []\n")
    (tmp_path / "my shop.config.yaml").write_text(TASK)
    return Shell(tmp_path)


def outcome(shell: Shell, kind: str) -> None:
    """As if a node had ended the run so."""
    folder = shell.folder / FOLDER
    (folder / "my shop.config.yaml").rename(folder / f"my shop.{kind}.yaml")


def test_from_an_empty_path_to_a_retry_by_hints_alone(shell: Shell) -> None:
    submit, listen = shell.hints(f'poltergust status "./{FOLDER}"')
    shell.listens(listen)
    (status,) = shell.hints(submit.replace("FILE", "'my shop.config.yaml'"))  # FILE is for the reader to fill in
    code, printed = shell(status)
    assert (code, printed.splitlines()[0]) == (0, "my shop  queued")
    outcome(shell, "error")
    (retry,) = shell.hints(status)
    (again,) = shell.hints(retry)
    assert shell(again)[1].startswith("my shop  queued")


@pytest.mark.parametrize("verb", ["cancel", "retry", "status"])
def test_a_name_that_is_not_there(shell: Shell, verb: str) -> None:
    code, printed = shell(f'poltergust {verb} shop -p "{FOLDER}"')
    assert code == 1
    for hint in HINT.findall(printed):
        assert shell(hint)[0] == 0
    assert HINT.findall(printed) or "there is none at all" in printed


def test_interrupted_while_it_waited(shell: Shell) -> None:
    log = shell.folder / "submit.log"
    with log.open("wb") as file:
        command = [str(POLTERGUST), "submit", "my shop.config.yaml", "-p", FOLDER, "-w"]
        process = subprocess.Popen(command, cwd=shell.folder, env=shell.env, stdout=file, stderr=file)
    wait_until(lambda: "queued" in log.read_text(), "the command to wait")
    (listen,) = HINT.findall(log.read_text())
    assert listen.startswith("poltergust listen --path ")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert shell(HINT.findall(log.read_text())[-1])[1].startswith("my shop  queued")


def test_a_path_that_is_not_there(shell: Shell) -> None:
    (make,) = shell.hints("poltergust listen -p 'new one'")
    assert make == "mkdir -p 'new one'"
    assert shell(make)[0] == 0
    assert shell("poltergust status './new one'")[0] == 0
    (make,) = shell.hints("HOME=$PWD poltergust doctor --quick -p '~/deep/er' --cache-dir cache")
    assert shell(make)[0] == 0
    assert (shell.folder / "deep" / "er").is_dir()


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("gs:/bucket/x", "a bucket is written gs://bucket/x"),
        ("gcs://bucket/x", "a bucket is written gs://bucket/x"),
        ("s3://bucket/x", "only buckets of Google Cloud Storage (gs://bucket/prefix) and local folders"),
        ("s3:bucket", "only buckets of Google Cloud Storage (gs://bucket/prefix) and local folders"),
        ("./my shop.config.yaml", "is a file; name the folder that configs go to, for example ./"),
        ("jobs/new.config.yaml", "is a file; name the folder that configs go to, for example jobs"),
    ],
)
def test_what_is_no_folder_at_all_is_not_to_be_made(shell: Shell, path: str, answer: str) -> None:
    for command in ("listen", "cancel x", "status"):
        code, printed = shell(f"poltergust {command} -p '{path}'")
        assert (code, len(printed.splitlines())) == (2, 1)
        assert answer in printed
        assert "mkdir" not in printed


def test_a_name_in_the_place_of_a_path(shell: Shell) -> None:
    code, printed = shell("poltergust status shop")
    assert code == 2
    assert "if it is the name of a config, say on which path: add --path" in printed
    assert "mkdir" not in printed


def test_environments_in_a_cache_of_another_place(shell: Shell) -> None:
    (build,) = shell.hints("poltergust env list --cache-dir 'my cache'")
    (show,) = shell.hints(f"{build.replace('FILE', 'environment/plain.yaml')} --quiet")
    assert "plain.yaml" in shell(show)[1]
    (build,) = shell.hints("poltergust env show other.yaml --cache-dir 'my cache'")
    assert build == "poltergust env build other.yaml --cache-dir 'my cache'"
    (shell.folder / "other.yaml").write_text("dependencies: []\n")
    assert shell(build)[0] == 0
    (listing,) = shell.hints("poltergust env show py9 --cache-dir 'my cache'")
    assert shell(listing)[0] == 0


def test_what_init_says(shell: Shell) -> None:
    lines = shell.hints("poltergust init 'my project'")
    assert [line.split()[0] for line in lines] == ["cd", "poltergust", "poltergust"]
    assert shell(" && ".join(lines[:2]))[0] == 0
    (new,) = shell.hints("poltergust init 'my project'")
    assert shell(new)[0] == 0
