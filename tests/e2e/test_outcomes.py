"""The rows of the outcome table that two nodes bring about together, each by its name, on a folder and on a bucket.

Every config is dropped at once; each test then looks at its own.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.nodes import Node
from tests.e2e.paths import Folder, Place
from tests.emulators.servers import wait_until
from tests.integration.environments import packages

RETRIES = 1
NODES = ("one", "two")
UNBUILDABLE_ON_ONE = """
import os
if os.environ.get("NODE") == "one":
    raise SystemExit("error: command 'gcc' failed: No such file or directory")
"""


@dataclass(frozen=True)
class Stage:
    place: Place
    nodes: Mapping[str, Node]

    def mark(self, name: str) -> Path:
        return self.place.scratch / f"{name}.mark"

    def executions(self, name: str) -> int:
        mark = self.mark(name)
        return len(mark.read_text().splitlines()) if mark.exists() else 0


def task(place: Place, name: str, cls: str, *arguments: str, module: str = "outcomes") -> str:
    """Lines of a task whose files are named after the config; `arguments` are of target, mark, gate, data."""
    files = "".join(f"  {each}: {place.scratch}/{name}.{each}\n" for each in arguments)
    return f"  module: {module}\n  name: {cls}\n{files}"


@pytest.fixture(scope="module")
def stage(place: Place, shared_cache: Path, scheduler: str) -> Iterator[Stage]:
    """Both nodes, every config dropped. `one` lacks what `two` has."""
    only_two = place.scratch / "bin"
    only_two.mkdir()
    wrapper = only_two / "moonpython"
    wrapper.write_text(f'#!/bin/sh\nexec {sys._base_executable} "$@"\n')  # type: ignore[attr-defined]
    wrapper.chmod(0o755)
    code = packages.source(place.scratch / "code", "moonlight", "1.0")
    (code / "backend.py").write_text(UNBUILDABLE_ON_ONE + (code / "backend.py").read_text())
    for name, text in {
        "install": f"dependencies:\n- {code}\n",
        "interpreter": "virtualenv:\n  python: moonpython\n",
        "variable": "dependencies:\n- --find-links ${MOON_LINKS}\n",
    }.items():
        place.environment(name, text)
    place.write("elsewhere/plain.yaml", b"dependencies: []\n")
    options = ["--retries", str(RETRIES), "--scheduler-url", scheduler, "--parallel", "32"]
    options += ["--allow-environments", place.url("environment/*")]
    with contextlib.ExitStack() as stack:
        env = {"one": {}, "two": {"PATH": f"{only_two}:{os.environ['PATH']}", "MOON_LINKS": str(only_two)}}
        nodes = {
            # Caches of their own, as two machines have: what one cannot build the other has not built for it.
            name: stack.enter_context(place.agent(name, shared_cache / name, *options, **env[name]))
            for name in NODES
        }
        drop(place)  # when both are there: the last live node to give up makes an error
        yield Stage(place, nodes)


def drop(place: Place) -> None:
    put = place.put
    put("complete", task(place, "complete", "Once", "target", "mark"))
    put("no-output", task(place, "no-output", "NoOutput", "mark"))
    put("wrong", "  module: outcomes\n  nam: Once\n")
    put("missing", task(place, "missing", "Once", "target", "mark"), environment="../environment/never.yaml")
    put("late", task(place, "late", "Once", "target", "mark"), environment="../environment/late.yaml")
    put("forbidden", task(place, "forbidden", "Once", "target", "mark"), environment="../elsewhere/plain.yaml")
    put("fails", task(place, "fails", "BelowFails", "mark"))
    put("fails-more", task(place, "fails-more", "Fails", "mark"), more="retries: 3\n")
    put("disabled", task(place, "disabled", "Disabled", "mark"))
    put("nowhere", task(place, "nowhere", "Once", "target", "mark", module="breaks"))
    put("timeout", task(place, "timeout", "Gate", "target", "gate"), more="timeout: 30s\n")
    put("shared", task(place, "shared", "Gate", "target", "gate"))
    put("data", task(place, "data", "NeedsData", "target", "data"))
    put("one-import", task(place, "one-import", "Gates", "target", "gate", module="breaks_on_one"))
    put("one-killed", task(place, "one-killed", "Gates", "target", "gate", module="dies_on_one"))
    for name in ("install", "interpreter", "variable"):
        put(
            f"one-{name}",
            task(place, f"one-{name}", "Gate", "target", "gate"),
            environment=f"../environment/{name}.yaml",
        )


def test_complete_is_renamed_to_done_by_one_node(stage: Stage) -> None:
    stage.place.until("complete", "done")
    assert stage.executions("complete") == 1

    def ended() -> bool:
        found = stage.place.records("complete").values()
        return len(found) == 2 and all(each["state"] == "ended" for each in found)

    wait_until(ended, "both records to end")
    records = stage.place.records("complete")
    winners = [node for node, each in records.items() if each["renamed"]]
    assert len(winners) == 1
    assert records[winners[0]]["outcome"] == "done"
    assert records[winners[0]]["reason"] in ("complete", "executed-root")


def test_executed_root_without_outputs_is_done(stage: Stage) -> None:
    stage.place.until("no-output", "done")
    assert stage.executions("no-output") == 1
    winner = stage.place.until_records("no-output", "the winner's record", renamed=True)
    assert (winner["reason"], winner["outcome"]) == ("executed-root", "done")


def test_wrong_files_are_an_error_at_once(stage: Stage) -> None:
    stage.place.until("wrong", "error")
    record = stage.place.until_records("wrong", "the winner's record", renamed=True)
    assert record["reason"] == "missing-key"
    assert "wrong.config.yaml" in record["text"]
    assert any(record["text"] in node.log for node in stage.nodes.values())


def test_an_environment_that_is_not_on_the_allow_list_is_an_error(stage: Stage) -> None:
    stage.place.until("forbidden", "error")
    record = stage.place.until_records("forbidden", "the winner's record", renamed=True)
    assert record["reason"] == "environment-not-allowed"
    url, allowed = stage.place.url("elsewhere/plain.yaml"), stage.place.url("environment/*")
    assert record["text"] == f"{url} is not among the environments this node allows ({allowed})"
    assert stage.executions("forbidden") == 0


def test_an_environment_that_arrives_late_is_waited_for(stage: Stage) -> None:
    stage.place.until_records("late", "a node to wait for the environment", reason="environment-awaited")
    assert stage.place.standing("late") == ["config"]
    stage.place.environment("late")
    stage.place.until("late", "done")
    assert stage.executions("late") == 1


@pytest.mark.parametrize(("name", "budget"), [("fails", RETRIES + 1), ("fails-more", 4)])
def test_a_pipeline_that_failed_for_good_is_an_error_after_its_retries_in_the_whole_cluster(
    stage: Stage, name: str, budget: int
) -> None:
    stage.place.until(name, "error")
    assert stage.executions(name) == budget
    record = stage.place.until_records(name, "the winner's record", renamed=True)
    assert record["reason"] == "task-failed"
    (failure,) = record["failures"]
    assert failure["family"] == "Fails"
    assert "RuntimeError: the moon is in the wrong house" in failure["error"]
    assert "RuntimeError: the moon is in the wrong house" in stage.place.log(name)
    assert not Path(f"{stage.mark(name)}.root").exists()


def test_a_pipeline_whose_task_is_disabled_is_an_error(stage: Stage) -> None:
    stage.place.until("disabled", "error")
    record = stage.place.until_records("disabled", "the winner's record", renamed=True)
    assert record["reason"] == "task-disabled"
    assert stage.executions("disabled") == 0


def test_a_timeout_is_an_error_and_nothing_of_it_runs_on(stage: Stage) -> None:
    stage.place.until("timeout", "error")
    record = stage.place.until_records("timeout", "the winner's record", renamed=True)
    assert record["reason"] == "timeout"
    texts = [each["text"] for each in stage.place.records("timeout").values()]
    assert any("Gate" in text for text in texts), "what ran is named, by the node that ran it or the other one"
    running = stage.place.scratch / "timeout.target.running"
    if running.exists():
        for pid in running.read_text().split():
            wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the task's process to end")  # noqa: B023


def test_all_nodes_gave_up_is_an_error_that_says_why(stage: Stage) -> None:
    stage.place.until("nowhere", "error")
    record = stage.place.until_records("nowhere", "the last node's record", renamed=True)
    assert record["reason"] == "gave-up"
    assert record["text"].startswith(f"no node can run it; on {record['node']}: import-error: importing breaks failed")
    for each in stage.place.records("nowhere").values():
        assert each["attempts"] == 1, "importing the same code again would fail in the same way"


@pytest.mark.parametrize(
    ("name", "reason", "attempts"),
    [
        ("one-import", "import-error", 1),
        ("one-killed", "child-died", RETRIES + 1),
        ("one-install", "install-failed", RETRIES + 1),
        ("one-interpreter", "interpreter-missing", RETRIES + 1),
        ("one-variable", "variable-missing", RETRIES + 1),
    ],
)
def test_a_node_that_cannot_gives_up_and_the_other_one_makes_it_done(
    stage: Stage, name: str, reason: str, attempts: int
) -> None:
    """No error while another node is at it."""
    record = stage.place.until_records(name, "one node to give up", state="gave-up")
    assert (record["node"], record["reason"], record["attempts"]) == ("one", reason, attempts)
    # Of two such tasks Luigi begins with either.
    wait_until(lambda: any(stage.place.scratch.glob(f"{name}.target*.running")), "the other node to run it")
    assert stage.place.standing(name) == ["config"]
    (stage.place.scratch / f"{name}.gate").touch()
    stage.place.until(name, "done")
    winner = stage.place.until_records(name, "the winner's record", renamed=True)
    assert winner["node"] == "two"


def test_waiting_for_other_nodes_keeps_no_process(stage: Stage) -> None:
    record = stage.place.until_records("shared", "a node to wait for the other", state="waiting", reason="others-run")
    assert record["text"].startswith(("waiting for 1 task", "other nodes run 1 task"))
    (pid,) = (stage.place.scratch / "shared.target.running").read_text().split()
    assert Path(f"/proc/{pid}").exists(), "the other node's task goes on"
    (stage.place.scratch / "shared.gate").touch()
    stage.place.until("shared", "done")
    assert len((stage.place.scratch / "shared.target.running").read_text().split()) == 1


def test_waiting_for_external_data_until_it_appears(stage: Stage) -> None:
    record = stage.place.until_records("data", "a node to wait for data", state="waiting", reason="data-missing")
    data = stage.place.scratch / "data.data"
    assert record["text"] == f"external data is not there yet: Data(target={data}): {data}"
    (stage.place.scratch / "data.data").touch()
    stage.place.until("data", "done", timeout=180)


def test_an_environment_still_missing_after_its_grace_is_an_error(stage: Stage) -> None:
    if not isinstance(stage.place, Folder):
        pytest.skip("a minute's wait, once is enough: nothing in it depends on the kind of path")
    stage.place.until("missing", "error", timeout=180)
    record = stage.place.until_records("missing", "the winner's record", renamed=True)
    assert record["reason"] == "environment-missing"
    url = stage.place.url("environment/never.yaml")
    assert record["text"] == f"{url}: no such environment file, 60 s after the config was seen"


def test_every_node_is_alive_and_well(stage: Stage) -> None:
    for name, node in stage.nodes.items():
        assert node.process.poll() is None
        assert "Traceback" not in node.log
        assert "unexpected; please report this" not in node.log
        heartbeat = stage.place.heartbeat(name)
        assert (heartbeat["state"], heartbeat["taking"]) == ("ready", True)
