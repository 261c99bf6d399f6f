"""`poltergust demo` is stopped by Ctrl-C: it says so, with the exit code of every command, and leaves no process."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.e2e.nodes import POLTERGUST
from tests.emulators.servers import wait_until


def test_ctrl_c_is_an_interruption_and_no_failure(tmp_path: Path) -> None:
    env = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("wb") as shown, err.open("wb") as said:
        demo = subprocess.Popen(
            [str(POLTERGUST), "demo"], cwd=tmp_path, env=env, stdout=shown, stderr=said, start_new_session=True
        )
        wait_until(lambda: "config " in out.read_text() or demo.poll() is not None, "the demo to drop its config")
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 130
    assert err.read_text() == "poltergust: interrupted\n"
