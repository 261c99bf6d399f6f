"""Where the output goes: what cannot take it costs a line on standard error, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline"
    path.mkdir()
    (path / "café.config.yaml").write_text("")
    return path


def started(path: Path, stdout: int, **variables: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "poltergust", "status", str(path)]
    env = {**os.environ, **variables}
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env=env, timeout=60, check=False)


@pytest.mark.parametrize(("encoding", "name"), [("ascii", rb"caf\xe9"), ("latin-1", b"caf\xe9")])
def test_letters_that_the_locale_lacks_are_escaped(path: Path, encoding: str, name: bytes) -> None:
    said = started(path, subprocess.PIPE, PYTHONIOENCODING=encoding)
    assert (said.returncode, said.stderr) == (0, b"")
    assert name in said.stdout


def test_a_full_disk_is_said_in_one_line(path: Path) -> None:
    with open("/dev/full", "wb") as full:
        said = started(path, full.fileno())
    assert said.returncode == 1
    assert said.stderr.decode().splitlines() == [
        "poltergust: what was to be printed cannot be written: no space left on device; make room where it goes"
    ]
