"""What the agent has for itself alone: no task finds it, though it runs as the same user."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.nodes import PIPELINES
from tests.emulators.servers import free_port, port_open, running, wait_until
from tests.security.users import NOBODY, needs_root, python_for_all

SECRET = "only-for-the-agent-5up3r"
POSTS_GO_TO = "http://127.0.0.1:9/hooks/only-for-the-agent-h00k"

LOOK = """
import os, sys
for name in ("environ", "mem", "maps", "fd"):
    at = f"/proc/{sys.argv[1]}/{name}"
    try:
        found = os.listdir(at) if name == "fd" else open(at, "rb").read(65536)
        print(name, "read", b"only-for-the-agent" in found if name == "environ" else "")
    except OSError as error:
        print(name, error.strerror)
"""


@needs_root
@pytest.mark.parametrize("user", [0, NOBODY])
def test_a_process_of_the_same_user_finds_no_secret_of_the_agent(common: Path, user: int) -> None:
    """The two of them that tasks do not have. Root can read any memory; its variables are blanked all the same."""
    python = python_for_all(common / "python")
    pipeline = common / "pipeline"
    for folder in (pipeline, common / "environment", common / "home"):
        folder.mkdir()
    (common / "environment" / "plain.yaml").write_text("dependencies: []\n", encoding="utf-8")
    for path in (pipeline, common / "environment", common / "home"):
        os.chown(path, user, user)
    port = free_port()
    environ = {
        **os.environ,
        "HOME": str(common / "home"),
        "XDG_CACHE_HOME": str(common / "home" / "cache"),
        "XDG_STATE_HOME": str(common / "home" / "state"),
        "POLTERGUST_NOTIFY": POSTS_GO_TO,
        "POLTERGUST_NOTIFY_SECRET": SECRET,
        "PYTHONPATH": str(PIPELINES),
    }
    argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", python, "-m", "poltergust", "listen"]
    argv += ["--path", str(pipeline), f"--http=127.0.0.1:{port}"]
    with running(argv, ready=lambda: port_open(port), log=common / "log", cwd=common, env=environ) as agent:
        pid = agent.pid
        looked = subprocess.run(
            ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", python, "-c", LOOK, str(pid)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        if user == 0:
            assert "environ read False" in looked
            assert SECRET.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
        else:
            assert looked.split("\n")[:4] == [f"{name} Permission denied" for name in ("environ", "mem", "maps", "fd")]
        (pipeline / "one.config.yaml").write_text(
            f"environment: ../environment/plain.yaml\ntask: {{module: waits, name: Touch, target: {pipeline}/out}}\n",
            encoding="utf-8",
        )
        wait_until((pipeline / "one.done.yaml").exists, "the run of such an agent", 180)
