"""The first hour: docs/tutorial-local.md, followed to the letter, in a virtualenv into which only the page installs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

from tests.docs.samples import Step, same, steps
from tests.emulators.servers import stop, wait_until

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial-local.md"
AGAIN = ("ls", "cat", "poltergust status", "poltergust logs")
"""What a reader types again until it is there: these change nothing."""


class Reader:
    """Somebody with a home of their own who types what the page says, in the folder where the page is by then."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = ROOT
        self.began: list[tuple[Step, subprocess.Popen[bytes], Path]] = []
        kept = {
            name: text for name, text in os.environ.items() if not name.startswith(("POLTERGUST_", "XDG_", "PYTHON"))
        }
        self.env = {**kept, "HOME": str(home), "VIRTUAL_ENV": str(home / "venv")}
        self.env["PATH"] = f"{home / 'venv' / 'bin'}:{os.environ['PATH']}"
        self.names = {f"{home}/": "/home/anna/", socket.gethostname(): "node-1"}

    def follow(self, step: Step) -> None:
        if step.file:
            (self.folder / step.file).write_text(step.text)
        elif step.text.startswith("cd "):
            self.folder = self.folder / step.text.removeprefix("cd ")
        elif step.text == "pip install .":
            uv_pip = [uv.find_uv_bin(), "pip", "install", "--quiet", "."]
            subprocess.run(uv_pip, cwd=ROOT, env=self.env, check=True, timeout=300)
            self.folder = self.home
        elif step.text.startswith("poltergust listen"):
            self._listen(step)
        else:
            self._type(step)

    def _listen(self, step: Step) -> None:
        log = self.home / "listen.log"
        with log.open("wb") as file:
            command = ["bash", "-c", f"exec {step.text}"]
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.env, stdout=file, stderr=file, start_new_session=True
            )
        self.began.append((step, process, log))
        wait_until(lambda: self._shows(step, log.read_text()), f"line {step.line}: {step.text}", timeout=60)

    def _type(self, step: Step) -> None:
        printed = self._run(step)
        if step.text.startswith(AGAIN):
            wait_until(lambda: self._shows(step, self._run(step)), f"line {step.line}: {step.text}", timeout=120)
        else:
            assert self._shows(step, printed), f"line {step.line}: {step.text} printed\n{printed}"

    def _run(self, step: Step) -> str:
        done = subprocess.run(
            ["bash", "-c", step.text],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
            check=False,
        )
        assert "Traceback" not in done.stdout, done.stdout
        return done.stdout

    def _shows(self, step: Step, printed: str) -> bool:
        return same(step.screen, printed, self.names)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path)
    venv = [uv.find_uv_bin(), "venv", "--quiet", "--python", sys.executable, made.env["VIRTUAL_ENV"]]
    subprocess.run(venv, check=True, timeout=120)
    yield made
    for _, process, _ in made.began:
        if process.poll() is None:
            stop(process)


def test_the_first_hour_is_as_the_page_says(reader: Reader) -> None:
    for step in steps(PAGE):
        reader.follow(step)
    ((_, node, log),) = reader.began
    node.send_signal(signal.SIGINT)
    assert node.wait(60) == 0, log.read_text()
    assert "WARNING" not in log.read_text()
