"""`poltergust init`, then exactly what it says to do next."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.commands import Commands
from tests.e2e.nodes import node
from tests.emulators.servers import wait_until


def test_what_init_makes_runs_as_it_is(tmp_path: Path) -> None:
    user = Commands("", tmp_path)
    said = user("init", "reports")
    assert said.code == 0, said.err
    folder = tmp_path / "reports"
    checked = Commands("", folder)("check", "pipeline/hello.config.yaml")
    assert (checked.code, checked.out.count(": ok (")) == (0, 2), checked.out
    arguments = ["listen", "--path", "./pipeline", "--cache-dir", str(tmp_path / "cache")]
    with node(arguments, log=tmp_path / "log", cwd=folder, env={"PYTHONPATH": ""}) as running:
        done = folder / "pipeline" / "hello.done.yaml"
        wait_until(lambda: done.exists() or running.process.poll() is not None, "the done file", timeout=240)
        assert done.exists(), running.log
        assert "WARNING" not in running.log
    assert (folder / "results" / "world.txt").read_text() == "Hello, world!\n" * 3
    (log,) = (folder / "pipeline.poltergust" / "logs").rglob("*.log")
    assert "greeting world, number 2" in log.read_text()
