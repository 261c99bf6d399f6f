"""The main job on one machine, as a new user would try it: `poltergust listen --path ./pipeline`, files copied in."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.nodes import Node, descendants_with, node
from tests.emulators.servers import wait_until

ENVIRONMENT = "dependencies: []\n"


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Environments are built once for all tests that ask for the same."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("pipeline", "environment"):
        (tmp_path / folder).mkdir()
    (tmp_path / "environment" / "plain.yaml").write_text(ENVIRONMENT)
    return tmp_path


@pytest.fixture
def agent(project: Path, cache: Path) -> Iterator[Node]:
    arguments = ["listen", "--path", "./pipeline", "--node", "here", "--cache-dir", str(cache), "--drain-timeout", "60"]
    with node(arguments, log=project / "agent.log", cwd=project, env={"OUTPUT": str(project)}) as running:
        yield running


def put(project: Path, name: str, task: str) -> Path:
    """Drop a config whole, as `cp` on one file system or an editor's rename does; its path."""
    config = project / "pipeline" / f"{name}.config.yaml"
    aside = project / f"{name}.aside"
    aside.write_text(f"environment: ../environment/plain.yaml\ntask:\n{task}")
    aside.rename(config)
    return config


def gate(project: Path, name: str) -> str:
    return f"  module: waits\n  name: Gate\n  target: {project}/{name}.out\n  gate: {project}/{name}.gate\n"


def test_a_config_becomes_done_with_log_and_record(project: Path, agent: Node) -> None:
    config = put(project, "sub", f"  module: waits\n  name: Touch\n  target: {project}/touched\n")
    done = project / "pipeline" / "sub.done.yaml"
    wait_until(done.exists, "the done file")
    assert not config.exists()
    assert (project / "touched").read_text() == "done"
    side = project / "pipeline.poltergust"
    (log,) = side.glob("logs/sub/*/here.log")
    wait_until(lambda: "complete" in log.read_text(), "the verdict in the log")
    (record,) = side.glob("runs/sub/*/here.json")
    wait_until(lambda: json.loads(record.read_text())["state"] == "ended", "the record to end")
    content = json.loads(record.read_text())
    assert (content["outcome"], content["reason"], content["renamed"]) == ("done", "complete", True)


def test_a_wrong_file_becomes_error_at_once_and_the_agent_goes_on(project: Path, agent: Node) -> None:
    put(project, "wrong", "  module: waits\n  nam: Touch\n")
    wait_until((project / "pipeline" / "wrong.error.yaml").exists, "the error file")
    (record,) = (project / "pipeline.poltergust").glob("runs/wrong/*/here.json")
    wait_until(lambda: json.loads(record.read_text())["state"] == "ended", "the record to end")
    text = json.loads(record.read_text())["text"]
    assert "wrong.config.yaml:2" in text or "wrong.config.yaml:3" in text or "wrong.config.yaml:4" in text
    assert "name" in text
    put(project, "right", f"  module: waits\n  name: Touch\n  target: {project}/right\n")
    wait_until((project / "pipeline" / "right.done.yaml").exists, "a good config beside it")


def test_names_that_are_not_utf8_are_errors_that_say_so_also_when_they_stood_there_before(
    project: Path, cache: Path
) -> None:
    pipeline = project / "pipeline"
    odd = pipeline / os.fsdecode(b"fran\xe7ais")
    odd.mkdir()
    (odd / "early.config.yaml").write_text("")
    (pipeline / os.fsdecode(b"caf\xe9.config.yaml")).write_text("")
    with node(["listen", "--path", "./pipeline", "--cache-dir", str(cache)], log=project / "log", cwd=project) as agent:
        wait_until((odd / "early.error.yaml").exists, "an error in the folder")
        wait_until((pipeline / os.fsdecode(b"caf\xe9.error.yaml")).exists, "an error beside it")
        assert "name-invalid" in agent.log
        put(project, "later", f"  module: waits\n  name: Touch\n  target: {project}/later\n")
        wait_until((pipeline / "later.done.yaml").exists, "what lands beside them to be done")


def test_edited_while_it_runs_the_older_run_stops_and_the_newer_counts(project: Path, agent: Node) -> None:
    put(project, "edited", gate(project, "first"))
    wait_until((project / "first.out.running").exists, "the first run")
    put(project, "edited", gate(project, "second"))
    wait_until((project / "second.out.running").exists, "the second run")
    (project / "second.gate").touch()
    wait_until((project / "pipeline" / "edited.done.yaml").exists, "the done file")
    assert "second.gate" in (project / "pipeline" / "edited.done.yaml").read_text()
    assert not (project / "first.out").exists()


def test_deleted_while_it_runs_the_run_stops(project: Path, agent: Node) -> None:
    config = put(project, "deleted", gate(project, "deleted"))
    running = project / "deleted.out.running"
    wait_until(running.exists, "the run")
    pid = int(running.read_text())
    config.unlink()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the task's process to end")
    agent.until("config-gone")
    assert not list((project / "pipeline").iterdir())


def test_cancelled_by_rename_the_run_stops(project: Path, agent: Node) -> None:
    config = put(project, "mine", gate(project, "mine"))
    running = project / "mine.out.running"
    wait_until(running.exists, "the run")
    pid = int(running.read_text())
    config.rename(config.with_name("mine.cancelled.yaml"))
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the task's process to end")
    agent.until("outcome-stands")
    assert [path.name for path in (project / "pipeline").iterdir()] == ["mine.cancelled.yaml"]


def test_ctrl_c_lets_the_task_finish_and_leaves_nothing_behind(project: Path, agent: Node) -> None:
    put(project, "last", gate(project, "last"))
    wait_until((project / "last.out.running").exists, "the run")
    agent.signal(signal.SIGINT)
    agent.until("draining")
    (project / "last.gate").touch()
    assert agent.wait() == 0
    assert (project / "last.out").exists()
    assert (project / "pipeline" / "last.done.yaml").exists()
    assert "Traceback" not in agent.log
    assert descendants_with(str(project)) == []
    assert not list((project / "pipeline.poltergust" / "nodes").glob("*.json"))


def test_a_second_signal_stops_now_and_the_config_is_kept(project: Path, agent: Node) -> None:
    config = put(project, "kept", gate(project, "kept"))
    wait_until((project / "kept.out.running").exists, "the run")
    agent.signal(signal.SIGTERM)
    agent.until("draining")
    agent.signal(signal.SIGTERM)
    assert agent.wait() == 0
    assert config.exists()
    assert "Traceback" not in agent.log
    assert descendants_with(str(project)) == []


def test_killed_it_leaves_no_process_and_the_next_one_takes_the_run_up(project: Path, cache: Path, agent: Node) -> None:
    put(project, "survivor", gate(project, "survivor"))
    wait_until((project / "survivor.out.running").exists, "the run")
    agent.signal(signal.SIGKILL)
    agent.wait()
    wait_until(lambda: descendants_with(str(project)) == [], "every process to end with the agent")
    (project / "survivor.gate").touch()
    arguments = ["listen", "--path", "./pipeline", "--node", "here", "--cache-dir", str(cache)]
    with node(arguments, log=project / "second.log", cwd=project):
        wait_until((project / "pipeline" / "survivor.done.yaml").exists, "the done file")
