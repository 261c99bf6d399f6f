"""A small agent: ``python small_agent.py ROOT MODE TOKEN`` starts a misbehaving command, waits to be killed."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from poltergust.processes.child import spawn
from poltergust.processes.orphans import become_reaper

if __name__ == "__main__":
    become_reaper()
    script = Path(__file__).with_name("misbehave.py")
    child = spawn(
        [sys.executable, "-I", "-S", str(script), *sys.argv[2:]],
        env={"PATH": "/usr/bin:/bin"},
        cwd=Path("/"),
        on_line=lambda line: None,
        on_message=lambda message: None,
    )
    child.wait()
