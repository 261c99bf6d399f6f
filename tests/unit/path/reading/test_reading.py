"""Reading a path: what stands there, whoever wrote it, in whatever shape."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path as Folder

import pytest

from poltergust.path import layout
from poltergust.path.reading.history import run_summaries
from poltergust.path.reading.model import ConfigState
from poltergust.path.reading.reader import Reader, digest
from poltergust.path.reading.waiting import Awaited, Conclusion, outcomes
from poltergust.path.records import NodeRecord, RunRecord, State
from poltergust.path.state import PathState
from poltergust.path.tasks import TaskState
from poltergust.stores import Entry
from tests.emulators.gcs import strict_gcs
from tests.task_events import announced

TASK = b"environment: e.yaml\ntask: {module: m, name: T}\n"


class Place:
    """A path in a folder, written to as nodes and people do."""

    def __init__(self, folder: Folder) -> None:
        (folder / "p").mkdir()
        self.path = layout.WatchedPath(str(folder / "p"))
        self.state = PathState.open(self.path)
        self.store = self.state.store
        self.reader = self.state.reader()
        self._time = 1_000_000_000

    def put(self, name: str, kind: layout.Kind = layout.Kind.CONFIG, data: bytes = TASK) -> str:
        """Its generation."""
        self.store.write(self.path.of(name, kind), data)
        return self.store.read(self.path.of(name, kind)).generation

    def run(self, name: str, generation: str, node: str, state: State = State.RUNNING, **more: object) -> None:
        record = RunRecord(name, generation, node, state=state, **more)  # type: ignore[arg-type]
        PathState(self.store, self.path, node).records.save_run(record)

    def beat(self, node: str) -> None:
        record = NodeRecord(node, "i", "1", "host", 1, "http://127.0.0.1:1", True, True, "ready", running=("x",))
        PathState(self.store, self.path, node).records.save_node(record)


@pytest.fixture
def place(tmp_path: Folder) -> Place:
    return Place(tmp_path)


def test_each_name_once_the_config_before_its_outcomes(place: Place) -> None:
    place.put("new")
    place.put("done", layout.Kind.DONE)
    place.put("again", layout.Kind.ERROR)
    place.put("again")
    place.put("sub/deep", layout.Kind.CANCELLED)
    (Folder(place.path.root) / "notes.yaml").write_text("no config")
    view = place.reader.overview()
    assert {one.name: one.state for one in view.configs} == {
        "new": ConfigState.QUEUED,
        "again": ConfigState.QUEUED,
        "done": ConfigState.DONE,
        "sub/deep": ConfigState.CANCELLED,
    }
    assert view.counts == {"queued": 2, "done": 1, "cancelled": 1}


def test_a_config_is_asked_for_its_generation_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket's listing has milliseconds, and what reads an object whole seconds."""
    with strict_gcs() as server:
        server.create_bucket("bucket")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        reader = PathState.open(layout.WatchedPath("gs://bucket/p")).reader()
        seen: list[int] = []
        for data in (TASK, TASK, TASK, TASK + b"# newer"):
            if data != TASK or not seen:
                put = server.put("bucket", "p/x.config.yaml", data)
            (config,) = reader.overview().configs
            assert config.generation == str(put.generation)
            seen.append(len(server.calls("objects.download")))
    assert seen == [1, 1, 1, 2]


def test_the_latest_outcomes_are_shown_and_all_are_counted(place: Place) -> None:
    for number in range(5):
        place.put(f"n{number}", layout.Kind.DONE)
    place.put("live")
    view = place.reader.overview(limit=2)
    assert [one.name for one in view.configs] == ["live", "n4", "n3"]
    assert (view.counts, view.hidden) == ({"queued": 1, "done": 5}, 3)


def test_records_are_those_of_the_generation_that_stands(place: Place) -> None:
    old = place.put("x")
    place.run("x", old, "a", State.RUNNING)
    place.put("x", data=TASK + b"# changed\n")
    place.run("x/y", old, "b", State.RUNNING)  # of another name, below it
    view = place.reader.config("x")
    assert view is not None
    assert (view.state, view.runs) == (ConfigState.QUEUED, ())


def test_the_many_runs_before_the_latest_are_not_listed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.put("x", layout.Kind.DONE)
    ended = place.store.read(place.path.of("x", layout.Kind.DONE)).updated
    for days in range(40):
        generation = f"{int((ended - 60 - 86400 * days) * 1e6)}-a"
        place.run("x", generation, "a", State.ENDED, outcome="done", text=f"{days} days ago", renamed=True)
    listed: list[str] = []
    list_all = place.store.list

    def counted(prefix: str, *, suffix: str = "", since: str = "") -> Iterator[Entry]:
        for entry in list_all(prefix, suffix=suffix, since=since):
            listed.append(entry.url)
            yield entry

    monkeypatch.setattr(place.store, "list", counted)
    view = place.reader.config("x")
    assert view is not None
    assert view.text == "0 days ago"
    assert len([url for url in listed if url.startswith(place.path.runs_of("x"))]) == 1


def test_one_whose_upload_lies_long_before_its_outcome_has_its_records_too(place: Place) -> None:
    place.put("x", layout.Kind.DONE)
    ended = place.store.read(place.path.of("x", layout.Kind.DONE)).updated
    for days, text in ((9, "the earlier"), (8, "the later")):
        generation = f"{int((ended - 86400 * days) * 1e6)}-a"
        place.run("x", generation, "a", State.ENDED, outcome="done", text=text, renamed=True)
    view = place.reader.config("x")
    assert view is not None
    assert view.text == "the later"


def test_an_outcome_has_the_records_of_the_latest_run(place: Place) -> None:
    place.run("x", "1-a", "a", State.ENDED, outcome="error", reason="task-failed", renamed=True)
    place.run("x", "2-b", "b", State.ENDED, outcome="done", reason="complete", renamed=True)
    place.put("x", layout.Kind.DONE)
    view = place.reader.config("x")
    assert view is not None
    assert (view.generation, view.nodes, view.reason) == ("2-b", ("b",), "complete")
    assert place.reader.generations("x") == ["1-a", "2-b"]


def test_a_copy_tells_the_same_of_what_ended(place: Place, tmp_path: Folder) -> None:
    """The latest first, each as old and as long as in the original; the copy's own times say nothing."""
    now = place.reader.now()
    for number, name in enumerate(("latest", "middle", "oldest")):
        ran = {"started": now - 3600 * number - 600, "ended": now - 3600 * number - 500, "renamed": True}
        place.put(name, layout.Kind.DONE)
        place.run(name, "1-a", "a", State.ENDED, outcome="done", **ran)
    generation = place.put("stopped")
    PathState.open(place.path, "anna@desk").actions.cancel("stopped")
    place.run("stopped", generation, "a", State.ENDED, reason="outcome-stands", started=now - 9000, ended=now - 8788)
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    for folder in ("p", "p.poltergust"):
        shutil.copytree(tmp_path / folder, copy / folder)
    reader = PathState.open(layout.WatchedPath(str(copy / "p"))).reader()
    view = reader.overview()
    assert [one.name for one in view.configs] == ["latest", "middle", "oldest", "stopped"]
    assert [round(one.age) // 100 * 100 for one in view.configs] == [500, 4100, 7700, 8700]
    assert [round(one.took or 0) for one in view.configs] == [100, 100, 100, 212]
    stopped = reader.detail("stopped")
    assert stopped is not None
    assert stopped.cancelled is not None
    assert stopped.cancelled.by == "anna@desk"
    (past,) = reader.runs("stopped")
    (run,) = run_summaries(stopped.config, [past], reader.now())
    assert (run.outcome, run.text) == ("cancelled", "cancelled by anna@desk")
    assert round(run.seconds or 0) == 212
    put_back = reader.path.of("stopped", layout.Kind.CANCELLED)
    Folder(put_back).unlink()  # run again, as `retry --force` does: the earlier run is still known as cancelled
    (run,) = run_summaries(None, reader.runs("stopped"), reader.now())
    assert (run.outcome, run.text) == ("cancelled", "cancelled by anna@desk")


@pytest.mark.parametrize(("outcome", "state"), [("done", TaskState.COMPLETE), ("error", TaskState.PENDING)])
def test_of_a_run_that_is_done_no_task_is_pending(place: Place, outcome: str, state: TaskState) -> None:
    """Another config's run made them: both shared the scheduler, which gave each task to one of them."""
    place.store.append(place.path.tasks("x", "1-a", "a"), json.dumps(announced("Root")).encode() + b"\n")
    place.run("x", "1-a", "a", State.ENDED, outcome=outcome, renamed=True)
    place.run("x", "1-a", "b", State.ENDED)
    (run,) = place.reader.runs("x")
    (task,) = place.reader.tasks("x", run.generation, run.runs)
    assert task.state is state


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"name": 1}',
        json.dumps({**RunRecord("x", "g", "a").content(), "state": "unheard-of"}).encode(),
        json.dumps({**RunRecord("x", "g", "a").content(), "timings": ["a"]}).encode(),
        json.dumps({**RunRecord("x", "g", "a").content(), "timings": {"luigi": "long"}}).encode(),
        json.dumps({**RunRecord("x", "g", "a").content(), "failures": "all"}).encode(),
        json.dumps({**RunRecord("x", "g", "a").content(), "started": "now"}).encode(),
        json.dumps({**RunRecord("x", "g", "a").content(), "text": {"a": 1}}).encode(),
    ],
)
def test_a_damaged_record_is_as_good_as_none(place: Place, content: bytes) -> None:
    generation = place.put("x")
    place.store.write(place.path.run("x", generation, "odd"), content)
    place.store.write(place.path.node("odd"), content)
    place.run("x", generation, "sound")
    place.beat("sound")
    view = place.reader.overview()
    assert view.configs[0].nodes == ("sound",)
    assert [node.record.node for node in view.nodes] == ["sound"]


def test_a_record_is_called_after_its_file_whatever_it_says(place: Place) -> None:
    generation = place.put("x")
    data = json.dumps(RunRecord("other", "other", "somebody-else", state=State.RUNNING).content()).encode()
    place.store.write(place.path.run("x", generation, "real"), data)
    view = place.reader.config("x")
    assert view is not None
    assert view.nodes == ("real",)


def test_a_record_is_read_again_only_when_it_changed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    generation = place.put("x")
    place.run("x", generation, "a")
    place.reader.overview()
    read: list[str] = []
    real = place.store.read
    monkeypatch.setattr(place.store, "read", lambda url, **more: read.append(url) or real(url, **more))  # type: ignore[func-returns-value]
    place.reader.overview()
    assert [url for url in read if url.endswith(".json")] == []
    place.run("x", generation, "a", State.WAITING, text="for others")
    view = place.reader.overview()
    assert [os.path.basename(url) for url in read if url.endswith(".json")] == ["a.json"]
    assert view.configs[0].state is ConfigState.WAITING


def test_who_submitted_is_said_only_of_the_bytes_it_was_said_of(place: Place) -> None:
    place.put("x")
    note = {"format": 1, "by": "anna@desk", "digest": digest(TASK)}
    place.store.write(place.path.submitted("x"), json.dumps(note).encode())
    detail = place.reader.detail("x")
    assert detail is not None
    assert detail.submitted is not None
    assert detail.submitted.by == "anna@desk"
    place.put("x", data=TASK + b"# somebody else's\n")
    detail = place.reader.detail("x")
    assert detail is not None
    assert detail.submitted is None


def test_a_config_that_is_no_task_file_says_what_is_wrong(place: Place) -> None:
    place.put("x", data=b"task: [")
    detail = place.reader.detail("x")
    assert detail is not None
    assert "x.config.yaml:1" in detail.document.problem


def test_an_empty_or_missing_path_is_an_empty_view(place: Place) -> None:
    view = place.reader.overview()
    assert (view.configs, view.nodes, view.counts) == ((), (), {})
    assert place.reader.detail("x") is None
    assert place.reader.generations("x") == []


# Logs


def test_logs_grow_and_lines_come_whole(place: Place) -> None:
    tails = place.state.tails("x", "1")
    assert list(tails.new()) == []
    place.store.append(place.path.log("x", "1", "a"), b"one\ntw")
    place.store.append(place.path.log("x", "1", "b"), b"eins\n")
    assert list(tails.new()) == [("a", "one"), ("b", "eins")]
    half = "ö".encode()
    place.store.append(place.path.log("x", "1", "a"), b"o " + half[:1])
    assert list(tails.new()) == []
    place.store.append(place.path.log("x", "1", "a"), half[1:] + b"\nthree")
    assert list(tails.new()) == [("a", "two ö")]
    assert list(tails.rest()) == [("a", "three")]
    assert list(tails.rest()) == []


def test_a_log_begun_anew_is_read_from_its_start(place: Place) -> None:
    tails = place.state.tails("x", "1", node="a")
    place.store.append(place.path.log("x", "1", "a"), b"a long first line\n")
    place.store.append(place.path.log("x", "1", "b"), b"not asked for\n")
    assert list(tails.new()) == [("a", "a long first line")]
    place.store.delete(place.path.log("x", "1", "a"))
    place.store.append(place.path.log("x", "1", "a"), b"new\n")
    assert list(tails.new()) == [("a", "new")]


def test_a_log_of_several_pieces(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poltergust.path.reading.tails.MAX_READ_BYTES", 7)
    lines = [f"line {number} äöü" for number in range(50)]
    place.store.append(place.path.log("x", "1", "a"), ("\n".join(lines) + "\n").encode())
    assert [line for _, line in place.state.tails("x", "1").new()] == lines


# Waiting


def test_an_older_outcome_of_the_same_bytes_is_not_this_run_s_end(place: Place) -> None:
    place.put("x", layout.Kind.DONE)
    before = outcomes(place.reader, "x")
    place.put("x")
    awaited = Awaited(place.reader, "x", TASK, before)
    assert awaited.look().ending is None
    Folder(place.path.of("x", layout.Kind.CONFIG)).unlink()  # between a node's copy and its rename
    assert (awaited.look().view, awaited.look().ending) == (None, None)
    place.put("x", layout.Kind.ERROR)
    look = awaited.look()
    assert look.ending is Conclusion.ERROR
    assert look.view is not None
    assert look.view.state is ConfigState.ERROR


def test_a_config_that_goes_without_an_outcome_is_gone_after_a_while(place: Place) -> None:
    now = [0.0]
    place.put("x")
    awaited = Awaited(place.reader, "x", TASK, clock=lambda: now[0])
    assert awaited.look().ending is None
    place.store.delete(place.path.of("x", layout.Kind.CONFIG))
    assert awaited.look().ending is None
    now[0] = 9.9
    assert awaited.look().ending is None
    now[0] = 10.0
    assert awaited.look().ending is Conclusion.GONE


def test_other_bytes_are_another_upload(place: Place) -> None:
    place.put("x")
    awaited = Awaited(place.reader, "x", TASK)
    assert awaited.look().ending is None
    place.put("x", data=TASK + b"# other\n")
    assert awaited.look().ending is Conclusion.REPLACED


@pytest.mark.parametrize("kind", layout.OUTCOMES)
def test_each_outcome_is_an_end(place: Place, kind: layout.Kind) -> None:
    place.put("x", kind)
    assert Awaited(place.reader, "x", TASK).look().ending is Conclusion(kind.value)


def test_the_time_is_the_storage_s(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    reader = Reader(place.state, clock=lambda: 5.0)
    place.put("x")
    with caplog.at_level(logging.WARNING):
        view = reader.config("x")
    assert view is not None
    assert view.age < 60
    assert caplog.records == []
