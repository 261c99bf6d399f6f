"""`poltergust init`, then exactly what it says to do next."""

from __future__ import annotations

import json
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
        a_change_of_its_code_is_told(Commands(str(folder / "pipeline"), folder))
    assert (folder / "results" / "world.txt").read_text() == "Hello, world!\n" * 3
    first, _ = sorted((folder / "pipeline.poltergust" / "logs").rglob("*.log"))
    assert "greeting world, number 2" in first.read_text()


def a_change_of_its_code_is_told(user: Commands) -> None:
    """The environment file names the code as a folder: file, Python and versions are the same when it changes."""
    (module,) = (user.cwd / "code").rglob("*.py")
    module.write_text(f"{module.read_text()}# another line\n")
    again = user("retry", "hello", "--force", "--wait")
    assert again.code == 0, again.out + again.err
    history = json.loads(user("history", "hello", "--json").out)
    assert [run["changed"] for run in history["runs"]] == [["code"], []]
    assert json.loads(user("diff", "hello", "--json").out)["changed"] == ["code"]
    assert "\ncode: what the environment file's dependencies name has changed, py3." in user("diff", "hello").out
