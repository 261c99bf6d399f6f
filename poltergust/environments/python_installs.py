"""Pythons that this node lacks, installed by uv below the cache, where the node's owner allows it."""

from __future__ import annotations

from pathlib import Path

import uv

from poltergust.environments import failures
from poltergust.environments.commands import CommandRunner


def install(request: str, folder: Path, run: CommandRunner) -> None:
    """Install what `virtualenv: python:` asks for into a folder of its own below `folder`. uv locks it against other
    builds, and checks what it downloads against its own list of releases.

    Raises `NodeError`, `Temporary` where its downloads cannot be reached, and what `run` raises.
    """
    run.write(f"installing {request}, which is not on this node")
    # `--`: a request comes from a file, and is no option
    argv = [uv.find_uv_bin(), "python", "install", "--no-bin", f"--install-dir={folder}", "--", request]
    ended = run(argv, env={"UV_NO_PROGRESS": "1"})
    if not ended.ok:
        raise failures.of_python(ended, request)
