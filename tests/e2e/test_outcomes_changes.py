"""The rows of the outcome table about what somebody else does to a config while a node is at it, or before: gone,
outcome in its place, newer generation, rename refused, older outcomes, run again. On a folder and on a bucket.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.nodes import Node
from tests.e2e.paths import BUCKET, Bucket, Place
from tests.emulators.servers import wait_until


@pytest.fixture(scope="module")
def agent(place: Place, shared_cache: Path, scheduler: str) -> Iterator[Node]:
    with place.agent("here", shared_cache / "one", "--retries", "0", "--scheduler-url", scheduler) as running:
        yield running


class Gated:
    """A config whose task runs until its gate is opened."""

    def __init__(self, place: Place, name: str, version: str = "") -> None:
        self.place = place
        self.name = name
        self.target = place.scratch / f"{name}{version}.target"
        self.gate = place.scratch / f"{name}{version}.gate"
        self.data = place.put(name, f"  module: waits\n  name: Gate\n  target: {self.target}\n  gate: {self.gate}\n")

    @property
    def config(self) -> str:
        return f"pipeline/{self.name}.config.yaml"

    def outcome(self, kind: str) -> str:
        return f"pipeline/{self.name}.{kind}.yaml"

    def running(self) -> int:
        """Wait until its task runs; the task's process."""
        said = Path(f"{self.target}.running")
        wait_until(lambda: said.exists() and said.read_text().strip(), f"{self.name} to run")
        return int(said.read_text().split()[-1])

    def until_stopped(self, pid: int) -> None:
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), f"the process of {self.name} to end")
        assert not self.target.exists()


def counted(place: Place, name: str, cls: str = "NoOutput") -> Path:
    """A config whose root tells each of its executions."""
    mark = place.scratch / f"{name}.mark"
    more = f"  target: {place.scratch}/{name}.target\n" if cls == "Once" else ""
    place.put(name, f"  module: outcomes\n  name: {cls}\n  mark: {mark}\n{more}")
    return mark


@pytest.mark.parametrize("kind", ["done", "cancelled"])
def test_an_outcome_in_its_place_stops_the_local_run(place: Place, agent: Node, kind: str) -> None:
    run = Gated(place, f"stops-{kind}")
    pid = run.running()
    place.rename(run.config, run.outcome(kind))
    run.until_stopped(pid)
    place.until_records(run.name, "the record to end", state="ended", reason="outcome-stands")
    assert place.standing(run.name) == [kind]
    assert place.read(run.outcome(kind)) == run.data


def test_an_error_in_its_place_lets_the_local_run_end_and_its_success_supersedes_it(place: Place, agent: Node) -> None:
    run = Gated(place, "superseded")
    pid = run.running()
    place.rename(run.config, run.outcome("error"))
    # Something else happens on the path, and is done, while that run goes on.
    counted(place, "beside-superseded")
    place.until("beside-superseded", "done")
    assert Path(f"/proc/{pid}").exists()
    run.gate.touch()
    place.until(run.name, "done")
    assert place.read(run.outcome("done")) == run.data
    place.until_records(run.name, "the record of the success", state="ended", outcome="done", renamed=True)


def test_a_config_that_is_gone_stops_its_run(place: Place, agent: Node) -> None:
    run = Gated(place, "gone")
    pid = run.running()
    place.delete(run.config)
    run.until_stopped(pid)
    place.until_records(run.name, "the record to end", state="ended", reason="config-gone")
    assert place.standing(run.name) == []


def test_a_rename_by_copy_and_delete_has_ten_seconds(place: Place, agent: Node) -> None:
    """Seen between the two, in the worse order: no config and no outcome yet."""
    run = Gated(place, "between")
    pid = run.running()
    place.delete(run.config)
    counted(place, "beside-between")
    place.until("beside-between", "done")  # a look or more at the path while nothing stands there
    assert Path(f"/proc/{pid}").exists()
    place.write(run.outcome("cancelled"), run.data)
    run.until_stopped(pid)
    place.until_records(run.name, "the record to end", state="ended", reason="outcome-stands")


def test_a_config_put_back_within_the_grace_goes_on(place: Place, agent: Node) -> None:
    """On a folder the same file comes back as the same generation; on a bucket it is a newer one, and runs again."""
    run = Gated(place, "back")
    run.running()
    place.rename(run.config, f"elsewhere-{run.name}" if isinstance(place, Bucket) else "scratch/aside")
    place.rename(f"elsewhere-{run.name}" if isinstance(place, Bucket) else "scratch/aside", run.config)
    run.gate.touch()
    place.until(run.name, "done")


def test_a_newer_generation_stops_the_older_run_and_counts(place: Place, agent: Node) -> None:
    first = Gated(place, "edited", "-first")
    pid = first.running()
    second = Gated(place, "edited", "-second")
    first.until_stopped(pid)
    second.running()
    second.gate.touch()
    place.until("edited", "done")
    assert place.read(second.outcome("done")) == second.data
    place.until_records("edited", "the older run's end", reason="complete")


def test_uploaded_again_the_same_bytes_are_a_newer_generation(place: Place, agent: Node) -> None:
    run = Gated(place, "again-while-running")
    run.running()
    said = Path(f"{run.target}.running")
    place.write(run.config, run.data)
    wait_until(lambda: len(said.read_text().split()) == 2, "it to run again")
    run.gate.touch()
    place.until(run.name, "done")


def test_a_success_leaves_no_older_outcome(place: Place, agent: Node) -> None:
    for kind in ("error", "cancelled", "done"):
        place.write(f"pipeline/older.{kind}.yaml", b"of an earlier run\n")
    counted(place, "older")
    place.until("older", "done")
    assert place.read("pipeline/older.done.yaml") != b"of an earlier run\n"


def test_run_again_after_done(place: Place, agent: Node) -> None:
    mark = counted(place, "twice")
    place.until("twice", "done")
    counted(place, "twice")
    wait_until(lambda: len(mark.read_text().split()) == 2, "the second run")
    place.until("twice", "done")


def test_run_again_after_done_with_its_output_there_is_done_without_running(place: Place, agent: Node) -> None:
    mark = counted(place, "output", "Once")
    place.until("output", "done")
    counted(place, "output", "Once")
    place.until("output", "done")
    assert len(mark.read_text().split()) == 1


def test_run_again_after_error(place: Place, agent: Node) -> None:
    mark = counted(place, "mended", "Fails")
    place.until("mended", "error")
    counted(place, "mended", "Fails")
    wait_until(lambda: len(mark.read_text().split()) == 2, "the second run, its failure forgiven")
    place.until("mended", "error")


def bucket_of(place: Place) -> Bucket:
    if not isinstance(place, Bucket):
        pytest.skip("a folder has neither holds nor faults")
    return place


@pytest.mark.parametrize(("status", "words"), [(403, None), (412, "Request violates constraint 'constraints/x'")])
def test_rename_refused_is_remembered_and_the_pipeline_never_run_again(
    place: Place, agent: Node, status: int, words: str | None
) -> None:
    bucket = bucket_of(place)
    name = f"held-{status}"
    refusal = bucket.server.fail("objects.move", status=status, message=words, times=None, object=f"pipeline/{name}.*")
    mark = counted(place, name)
    record = place.until_records(name, "the refusal in the record", state="finished", outcome="done")
    wait_until(lambda: place.records(name)["here"]["refused"], "the storage's words in the record")
    assert record["reason"] == "executed-root"
    wait_until(lambda: place.heartbeat("here")["problems"], "the refusal in the node's health")
    (problem,) = place.heartbeat("here")["problems"]
    assert problem.startswith(f"{name} is done, but cannot be renamed: ")
    tries = refusal.hits
    wait_until(lambda: refusal.hits > tries + 1, "two more tries of the rename alone")
    assert place.standing(name) == ["config"]
    bucket.server.heal()
    place.until(name, "done")
    assert len(mark.read_text().split()) == 1
    wait_until(lambda: not place.heartbeat("here")["problems"], "the node's health to be good again")


def test_a_hold_on_the_config_delays_only_its_rename(place: Place, agent: Node) -> None:
    bucket = bucket_of(place)
    mark = place.scratch / "hold.mark"
    counted(place, "hold-first")
    data = f"environment: ../environment/plain.yaml\ntask:\n  module: outcomes\n  name: NoOutput\n  mark: {mark}\n"
    bucket.server.put(BUCKET, "pipeline/hold.config.yaml", data.encode(), temporaryHold=True)
    place.until_records("hold", "the finished run", state="finished", outcome="done")
    wait_until(lambda: "hold" in place.records("hold")["here"]["refused"], "the storage's words in the record")
    bucket.hold("pipeline/hold.config.yaml", False)
    place.until("hold", "done")
    assert len(mark.read_text().split()) == 1


def test_an_environment_file_that_may_not_be_read_is_this_nodes_failure(place: Place, agent: Node) -> None:
    bucket = bucket_of(place)
    place.environment("denied")
    bucket.server.fail("objects.*", status=403, times=None, object="environment/denied.yaml")
    place.put("denied", "  module: outcomes\n  name: NoOutput\n", environment="../environment/denied.yaml")
    place.until("denied", "error")
    bucket.server.heal()
    record = place.until_records("denied", "the record", state="ended", reason="gave-up")
    assert "environment-denied" in record["text"]


def test_the_agent_is_alive_and_well(place: Place, agent: Node) -> None:
    assert agent.process.poll() is None
    assert "Traceback" not in agent.log
    assert "unexpected; please report this" not in agent.log
