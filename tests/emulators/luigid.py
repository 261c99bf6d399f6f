"""`luigid` on loopback, as an operator starts one for all nodes: with the settings that make take-over quick."""

from __future__ import annotations

import contextlib
import os
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.emulators.servers import free_port, running

CONFIG = """\
[scheduler]
prune_on_get_work = true
worker_disconnect_delay = 10
retry_delay = 3
record_task_history = false
"""


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/worker_list?data={{}}", timeout=2):
            return True
    except OSError:  # not listening yet
        return False


@contextlib.contextmanager
def luigid(folder: Path, port: int | None = None, config: str = CONFIG) -> Iterator[str]:
    """Run it while the context is open; its URL. State and log are kept in `folder`."""
    port = free_port() if port is None else port
    url = f"http://127.0.0.1:{port}"
    (folder / "luigid.cfg").write_text(config)
    argv = [str(Path(sys.executable).with_name("luigid")), "--address", "127.0.0.1", "--port", str(port)]
    argv += ["--state-path", str(folder / "luigid.state")]
    env = {**os.environ, "LUIGI_CONFIG_PATH": str(folder / "luigid.cfg")}
    with running(argv, ready=lambda: answers(url), log=folder / "luigid.log", env=env, cwd=folder):
        yield url
