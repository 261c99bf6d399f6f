"""A small agent: ``python small_agent.py ROOT MODE TOKEN [FILE]`` starts a misbehaving command, waits to be killed. The
last word of its supervisor goes to FILE."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from poltergust.processes import LastWord
from poltergust.processes.child import spawn
from poltergust.processes.orphans import become_reaper

if __name__ == "__main__":
    become_reaper()
    *arguments, file = sys.argv[2:] if len(sys.argv) > 4 else [*sys.argv[2:], ""]
    write = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    script = Path(__file__).with_name("misbehave.py")
    child = spawn(
        [sys.executable, "-I", "-S", str(script), *arguments],
        env={"PATH": "/usr/bin:/bin"},
        cwd=Path("/"),
        on_line=lambda line: None,
        on_message=lambda message: None,
        last_word=LastWord((sys.executable, "-c", write, file), "a secret") if file else None,
    )
    child.wait()
