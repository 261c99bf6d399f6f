"""The commands on a folder, beside a live agent: as a user works with them on one machine."""

from __future__ import annotations

import getpass
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.commands import Commands
from tests.e2e.nodes import Node, node
from tests.emulators.servers import wait_until


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("pipeline", "environment"):
        (tmp_path / folder).mkdir()
    (tmp_path / "environment" / "plain.yaml").write_text("dependencies: []\n")
    return tmp_path


@pytest.fixture
def agent(project: Path, cache: Path) -> Iterator[Node]:
    arguments = ["listen", "--path", "./pipeline", "--node", "here", "--cache-dir", str(cache), "--drain-timeout", "60"]
    with node(arguments, log=project / "agent.log", cwd=project) as running:
        yield running


@pytest.fixture
def poltergust(project: Path) -> Commands:
    return Commands("./pipeline", project)


def write(project: Path, name: str, task: str, more: str = "") -> str:
    (project / f"{name}.config.yaml").write_text(f"environment: ../environment/plain.yaml\ntask:\n{task}{more}")
    return f"{name}.config.yaml"


def gate(project: Path, name: str) -> str:
    return write(
        project, name, f"  module: waits\n  name: Gate\n  target: {project}/{name}.out\n  gate: {project}/open\n"
    )


def whole(project: Path, name: str) -> str:
    task = f"  module: repairs\n  name: Whole\n  target: {project}/whole\n  broken: {project}/broken\n"
    return write(project, name, task, "retries: 0\n")


def outcomes(project: Path, name: str) -> list[str]:
    """What stands at that name, by kind."""
    return sorted(path.name[len(name) + 1 : -5] for path in (project / "pipeline").glob(f"{name}.*.yaml"))


def test_submit_and_wait_tells_the_way_to_done(project: Path, agent: Node, poltergust: Commands) -> None:
    said = poltergust("submit", whole(project, "good"), "--wait")
    assert said.code == 0, said.err
    first, *changes, last = said.out.splitlines()
    assert first == f"submitted good: {project}/pipeline/good.config.yaml"
    assert any("running" in line for line in changes), said.out
    assert last.startswith("good is done in ")
    assert "\x1b" not in said.out
    assert outcomes(project, "good") == ["done"]


def test_a_failing_pipeline_is_mended_and_retried(project: Path, agent: Node, poltergust: Commands) -> None:
    (project / "broken").touch()
    said = poltergust("submit", whole(project, "weekly"), "--follow")
    assert said.code == 3, said.out + said.err
    assert "here | part 2 red" in said.out  # the pipeline's own colours are gone, its words are not
    assert "\x1b" not in said.out
    assert "task-failed" in said.err
    screen = poltergust("status", "weekly").out
    assert "weekly  error" in screen
    assert "part 2 is broken: remove" in screen
    assert "2 of 4 tasks done, 1 pending, 1 failed" in screen

    still = poltergust("retry", "weekly", "--wait")
    assert still.code == 3, still.out  # not repaired: it fails again, in a run of its own

    (project / "broken").unlink()
    again = poltergust("retry", "weekly", "--wait")
    assert again.code == 0, again.out + again.err
    assert again.out.startswith("weekly runs again: ")
    assert outcomes(project, "weekly") == ["done"]
    detail = json.loads(poltergust("status", "weekly", "--json").out)
    assert (detail["state"], detail["reason"], detail["task"]) == ("done", "complete", "repairs.Whole")
    assert "@" in detail["submitted"]["by"]
    assert detail["progress"] == {"done": 4, "running": 0, "pending": 0, "failed": 0}

    refused = poltergust("retry", "weekly")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == "poltergust: weekly is done, not an error; add --force to run it again all the same\n"
    assert poltergust("retry", "weekly", "--force", "--wait").code == 0


def test_while_it_runs_it_is_seen_followed_and_cancelled(project: Path, agent: Node, poltergust: Commands) -> None:
    file = gate(project, "long")
    with poltergust.started("submit", file, "--wait") as waiting:
        wait_until((project / "long.out.running").exists, "the task to run")
        wait_until(
            lambda: "0 of 1 tasks done, 1 running" in poltergust("status", "long").out, "its counts in the status"
        )
        overview = poltergust("status").out
        assert "1 running" in overview.splitlines()[0]
        assert "here" in overview
        taken = poltergust("submit", file)
        assert taken.code == 1
        assert "waits or runs already; add --replace" in taken.err
        with poltergust.started("logs", "long", "--follow") as following:
            wait_until(lambda: "Gate" in (project / "logs.out").read_text(), "the log")
            cancelled = poltergust("cancel", "long")
            by = f"{getpass.getuser()}@{socket.gethostname()}"
            assert (cancelled.code, cancelled.out) == (0, f"long is cancelled by {by}; nodes that run it stop\n")
            assert following.wait(60) == 4
        assert waiting.wait(60) == 4
    assert "long was cancelled" in (project / "submit.out").read_text()
    assert outcomes(project, "long") == ["cancelled"]
    again = poltergust("cancel", "long")
    assert (again.code, again.out.partition(",")[0]) == (0, "long is cancelled already")
    pid = int((project / "long.out.running").read_text())
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the task's process to end")


def test_replaced_while_it_runs(project: Path, agent: Node, poltergust: Commands) -> None:
    file = gate(project, "twice")
    with poltergust.started("submit", file, "--wait") as waiting:
        wait_until((project / "twice.out.running").exists, "the task to run")
        with (project / file).open("a") as config:
            config.write("variables: {CHANGED: 'yes'}\n")
        assert poltergust("submit", file, "--replace").code == 0
        assert waiting.wait(60) == 4
    assert "was replaced by another upload" in (project / "submit.out").read_text()
    (project / "open").touch()
    wait_until(lambda: outcomes(project, "twice") == ["done"], "the second run")


def test_ctrl_c_ends_only_the_looking_on(project: Path, agent: Node, poltergust: Commands) -> None:
    with poltergust.started("submit", gate(project, "on"), "--wait") as waiting:
        wait_until((project / "on.out.running").exists, "the task to run")
        wait_until(lambda: "running" in (project / "submit.out").read_text(), "a line about it")
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(60) == 130
    interrupted = f"poltergust: interrupted; the run goes on: poltergust status on --path {project}/pipeline\n"
    assert (project / "submit.err").read_text() == interrupted
    (project / "open").touch()
    wait_until(lambda: outcomes(project, "on") == ["done"], "the run to go on")


def test_what_cannot_be_submitted_is_not(project: Path, poltergust: Commands) -> None:
    wrong = write(project, "wrong", "  module: waits\n  nam: Touch\n")
    missing = project / "missing.config.yaml"
    missing.write_text("environment: ../environment/none.yaml\ntask: {module: waits, name: Touch}\n")
    broken = project / "broken.config.yaml"
    broken.write_text("environment: ../environment/broken.yaml\ntask: {module: waits, name: Touch}\n")
    (project / "environment" / "broken.yaml").write_text("dependences: []\n")
    for arguments, text in {
        (wrong,): "wrong.config.yaml:",
        (missing.name,): "environment/none.yaml: no such environment file",
        (broken.name,): 'did you mean "dependencies"?',
        ("none.yaml",): "none.yaml: cannot be read: No such file or directory",
    }.items():
        said = poltergust("submit", *arguments)
        assert (said.code, said.out) == (1, ""), said
        assert text in said.err
        assert len(said.err.splitlines()) == 1
    several = write(project, "several", "  module: waits.py\n  nam: Touch\n")
    said = poltergust("submit", several)
    assert [text.split(": ")[0] for text in said.err.splitlines()] == ["poltergust"] * 2, "a line for each mistake"
    assert poltergust("submit", "-").code == 2
    up = poltergust("submit", whole(project, "good"), "--name", "../up")
    assert (up.code, up.out) == (2, "")
    assert "'../up' is no name of a config below" in up.err
    assert list((project / "pipeline").iterdir()) == []
    assert poltergust("submit", missing.name, "--no-check").code == 0
    queued = poltergust("status").out
    assert "1 queued" in queued
    assert "No node listens to this path" in queued


def test_from_standard_input_into_a_sub_folder(project: Path, poltergust: Commands) -> None:
    text = (project / gate(project, "piped")).read_text().replace("../environment", "../../environment")
    said = poltergust("submit", "-", "--name", "reports/march", stdin=text)
    assert said.code == 0, said.err
    assert (project / "pipeline" / "reports" / "march.config.yaml").read_text() == text
    detail = json.loads(poltergust("status", "reports/march.config.yaml", "--json").out)
    assert (detail["name"], detail["state"], detail["runs"]) == ("reports/march", "queued", [])


def test_nothing_of_that_name_says_what_there_is(project: Path, poltergust: Commands) -> None:
    assert poltergust("submit", gate(project, "nightly")).code == 0
    for command in ("status", "logs"):
        said = poltergust(command, "nigthly")
        assert (said.code, said.out) == (1, "")
        assert "did you mean nightly?" in said.err
    none = poltergust("logs", "nightly", "--generation", "7")
    assert (none.code, none.err) == (1, "poltergust: nightly has no run number 7, no run left records\n")
    for command in ("history", "diff"):
        assert poltergust(command, "nigthly").err.endswith("; did you mean nightly?\n")
        assert poltergust(command, "nightly").err.endswith("pipeline.poltergust/runs/\n")  # itself it is there
    assert poltergust("cancel", "other").code == 1


def test_watching_tells_each_change_and_ends_with_the_run(project: Path, agent: Node, poltergust: Commands) -> None:
    poltergust("submit", gate(project, "seen"))
    with poltergust.started("status", "seen", "--watch", "--every", "0.2s") as watching:
        wait_until(lambda: "running" in (project / "status.out").read_text(), "a line that it runs")
        (project / "open").touch()
        assert watching.wait(60) == 0
    assert (project / "status.out").read_text().splitlines()[
        -1
    ] == "done       seen  complete: the root task is complete"


def test_a_long_log_comes_whole(project: Path, poltergust: Commands) -> None:
    (project / "pipeline.poltergust" / "logs" / "big" / "1").mkdir(parents=True)
    (project / "pipeline.poltergust" / "logs" / "big" / "1" / "here.log").write_text("line\n" * 200_000)
    with poltergust.started("logs", "big", "--node", "here") as whole_log:
        assert whole_log.wait(60) == 0
    assert (project / "logs.out").read_text() == "line\n" * 200_000


def test_why_it_waits_and_its_place_in_line(project: Path, cache: Path, poltergust: Commands) -> None:
    arguments = ["listen", "--path", "./pipeline", "--node", "here", "--cache-dir", str(cache), "--parallel", "1"]
    with node(arguments, log=project / "agent.log", cwd=project):
        for name in ("first", "second", "third"):
            assert poltergust("submit", gate(project, name)).code == 0
            wait_until(lambda: (project / "first.out.running").exists(), "the first to run")
        wait_until(lambda: "2nd in line" in poltergust("status", "--waiting").out, "their places in the heartbeat")
        screen = poltergust("status", "--waiting").out
        assert "third   " in screen
        assert "2nd in line on here, 1 of 1 slots taken by first" in screen
        assert "first   " not in screen
        assert "1st in line on here, 1 of 1 slots taken by first" in poltergust("status", "second").out
        waiting = json.loads(poltergust("status", "--waiting", "--json").out)
        assert [one["name"] for one in waiting["configs"]] == ["second", "third"]
        assert (waiting["nodes"][0]["slots"], waiting["nodes"][0]["queue"]) == (1, ["second", "third"])
        (project / "open").touch()
        wait_until(lambda: outcomes(project, "third") == ["done"], "all of them")


def test_tasks_have_the_names_that_people_wrote_and_attempts_add_up(
    project: Path, agent: Node, poltergust: Commands
) -> None:
    (project / "broken").touch()
    assert poltergust("submit", whole(project, "named"), "--wait").code == 3
    screen = poltergust("status", "named").out
    assert "Part(" in screen
    assert "_broken_" not in screen
