"""Give `poltergust` commands as a user would, in processes of their own."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.nodes import POLTERGUST
from tests.emulators.servers import stop

TIMEOUT = 180.0


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Commands:
    """Commands of one user: with POLTERGUST_PATH set to `path`, in the folder `cwd`."""

    path: str
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        program = f"{POLTERGUST.parent}:{os.environ['PATH']}"
        return {**os.environ, "PATH": program, "POLTERGUST_PATH": self.path, **self.env}

    def __call__(self, *arguments: str, stdin: str = "") -> Said:
        """Run it to its end; AssertionError if it takes too long."""
        done = subprocess.run(
            [str(POLTERGUST), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            env=self.environment,
            cwd=self.cwd,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    @contextlib.contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run it while the context is open, its output in `cwd`/<command>.out and .err."""
        with (
            (self.cwd / f"{arguments[0]}.out").open("wb") as out,
            (self.cwd / f"{arguments[0]}.err").open("wb") as err,
        ):
            process = subprocess.Popen(
                [str(POLTERGUST), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=self.environment,
                cwd=self.cwd,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                stop(process)
