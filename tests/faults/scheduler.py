"""A luigid that dies, forgets, sleeps and comes back on the same port."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.emulators.luigid import CONFIG, answers
from tests.emulators.servers import free_port, stop, wait_until


class Luigid:
    """Started with `start`. The settings are those that make take-over quick, unless told otherwise."""

    def __init__(self, folder: Path, config: str = CONFIG) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    def start(self) -> None:
        (self._folder / "luigid.cfg").write_text(self._config)
        argv = [str(Path(sys.executable).with_name("luigid")), "--address", "127.0.0.1"]
        argv += ["--port", self.url.rpartition(":")[2], "--state-path", str(self._folder / "luigid.state")]
        env = {**os.environ, "LUIGI_CONFIG_PATH": str(self._folder / "luigid.cfg")}
        with (self._folder / "luigid.log").open("ab") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=self._folder,
                start_new_session=True,
            )
        wait_until(lambda: self.process.poll() is not None or answers(self.url), "luigid to answer")
        assert self.process.poll() is None, "luigid ended at once"

    def stop(self) -> None:
        """As an operator does: it saves its state."""
        stop(self.process)

    def kill(self, *, keep_state: bool = False) -> None:
        """SIGKILL; without `keep_state` the state of an earlier clean stop is lost as well."""
        self.process.kill()
        self.process.wait(30)
        if not keep_state:
            (self._folder / "luigid.state").unlink(missing_ok=True)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.go_on()
            stop(self._process)
