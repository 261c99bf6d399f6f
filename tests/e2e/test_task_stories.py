"""What every task did, told from what lies beside the path alone: the scheduler is dead, and so is every node."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from poltergust.path.layout import WatchedPath
from poltergust.path.state import PathState
from poltergust.path.tasks import TaskState, TaskStory
from poltergust.stores.folder import FolderStore
from tests.e2e.paths import SIDE, Place
from tests.emulators.luigid import luigid
from tests.emulators.servers import wait_until


def told(root: Path) -> dict[str, TaskStory]:
    """The stories, by name, in a copy of the path at `root`."""
    path = WatchedPath(str(root / "pipeline"))
    reader = PathState(FolderStore(Path(path.state_prefix)), path).reader()
    (run,) = reader.runs("forty")
    return {story.name: story for story in reader.tasks("forty", run.generation, run.runs)}


def both_ended(place: Place) -> bool:
    """A record says that its run has ended once its logs are whole."""
    records = [key for key in place.keys(f"{SIDE}/runs/") if key.endswith(("/one.json", "/two.json"))]
    return [json.loads(place.read(key) or b"{}").get("state") for key in records] == ["ended", "ended"]


def test_forty_tasks_of_two_nodes_when_everything_is_dead(place: Place, shared_cache: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (tmp_path / "luigid").mkdir()
    with luigid(tmp_path / "luigid") as scheduler:
        options = ["--retries", "1", "--scheduler-url", scheduler]
        with (
            place.agent("one", shared_cache, *options, SHARED=str(shared)) as one,
            place.agent("two", shared_cache, *options, SHARED=str(shared)) as two,
        ):
            place.put("forty", "  module: forty\n  name: Forty\n  workers: 2\n")
            place.until("forty", "error")
            wait_until(lambda: both_ended(place), "what is written behind the outcome", timeout=60)
            for node in (one, two):
                node.signal(signal.SIGKILL)
                node.wait()
    copy = tmp_path / "elsewhere"
    for key in place.keys(SIDE):
        target = copy / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(place.read(key) or b"")

    stories = told(copy)
    assert len(stories) == 40
    assert {story.node for story in stories.values() if story.attempts} == {"one", "two"}

    done = [story for story in stories.values() if story.state is TaskState.DONE]
    assert len(done) == 38
    for story in done:
        assert story.seconds is not None
        assert story.seconds > 0.0
        number = story.parameters["number"]
        assert (shared / f"leaf-{number}").read_text() == story.node

    again = next(story for story in stories.values() if story.parameters.get("number") == "7")
    assert again.attempts == 2
    assert "RuntimeError: the first attempt fails" in again.failure

    failed = next(story for story in stories.values() if story.parameters.get("number") == "13")
    assert failed.state is TaskState.FAILED
    assert failed.attempts == 2
    assert "ValueError: this one never works" in failed.failure

    root = stories["Forty()"]
    assert root.state is TaskState.PENDING
    assert set(root.dependencies) == {story.task_id for story in stories.values()} - {root.task_id}
    assert all("not-for-records" not in (place.read(key) or b"").decode() for key in place.keys(f"{SIDE}/runs/"))
