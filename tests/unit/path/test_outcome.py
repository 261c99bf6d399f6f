"""The outcome protocol on a real folder: once, superseding, refusing, cleaning up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from poltergust.path import layout
from poltergust.path.layout import Kind
from poltergust.path.outcome import Config, Outcomes, RenameResult
from poltergust.path.state import PathState
from poltergust.stores import Denied
from poltergust.stores.folder import FolderStore


@pytest.fixture
def path(tmp_path: Path) -> layout.WatchedPath:
    (tmp_path / "pipeline").mkdir()
    return layout.WatchedPath(str(tmp_path / "pipeline"))


@pytest.fixture
def store(path: layout.WatchedPath) -> FolderStore:
    return FolderStore(Path(path.state_prefix))


def put(store: FolderStore, path: layout.WatchedPath, name: str = "x", data: bytes = b"task") -> Config:
    store.write(path.of(name, Kind.CONFIG), data)
    blob = store.read(path.of(name, Kind.CONFIG))
    return Config(name, blob.generation, blob.data, blob.updated)


def outcomes(store: FolderStore, path: layout.WatchedPath, node: str) -> Outcomes:
    return PathState(store, path, node).outcomes


def files(path: layout.WatchedPath) -> dict[str, str]:
    return {entry.name: entry.read_text() for entry in Path(path.root).iterdir()}


def test_the_first_renames_and_the_second_has_lost(store: FolderStore, path: layout.WatchedPath) -> None:
    config = put(store, path)
    assert outcomes(store, path, "a").finish(config, Kind.DONE) == (RenameResult.WON, "")
    assert outcomes(store, path, "b").finish(config, Kind.DONE) == (RenameResult.LOST, "")
    assert files(path) == {"x.done.yaml": "task"}


def test_a_newer_generation_is_left_alone(store: FolderStore, path: layout.WatchedPath) -> None:
    config = put(store, path)
    put(store, path, data=b"newer")
    assert outcomes(store, path, "a").finish(config, Kind.DONE)[0] is RenameResult.NEWER
    assert files(path) == {"x.config.yaml": "newer"}


def test_success_supersedes_another_nodes_error(store: FolderStore, path: layout.WatchedPath) -> None:
    config = put(store, path)
    assert outcomes(store, path, "a").finish(config, Kind.ERROR)[0] is RenameResult.WON
    assert outcomes(store, path, "b").finish(config, Kind.DONE)[0] is RenameResult.WON
    assert files(path) == {"x.done.yaml": "task"}


def test_an_error_never_replaces_success(store: FolderStore, path: layout.WatchedPath) -> None:
    config = put(store, path)
    outcomes(store, path, "a").finish(config, Kind.DONE)
    assert outcomes(store, path, "b").finish(config, Kind.ERROR)[0] is RenameResult.LOST
    assert files(path) == {"x.done.yaml": "task"}


def test_success_does_not_touch_an_error_of_other_bytes(store: FolderStore, path: layout.WatchedPath) -> None:
    config = put(store, path)
    os.unlink(path.of("x", Kind.CONFIG))
    store.write(path.of("x", Kind.ERROR), b"other")
    assert outcomes(store, path, "a").finish(config, Kind.DONE)[0] is RenameResult.LOST
    assert files(path) == {"x.error.yaml": "other"}


@pytest.mark.parametrize("kind", [Kind.DONE, Kind.ERROR])
def test_older_outcomes_of_the_same_name_go(store: FolderStore, path: layout.WatchedPath, kind: Kind) -> None:
    for other in (Kind.DONE, Kind.ERROR, Kind.CANCELLED):
        store.write(path.of("x", other), b"older")
    store.write(path.of("xy", Kind.ERROR), b"another name's")
    config = put(store, path)
    assert outcomes(store, path, "a").finish(config, kind)[0] is RenameResult.WON
    assert files(path) == {f"x.{kind.value}.yaml": "task", "xy.error.yaml": "another name's"}


def test_a_refusal_is_an_ending_with_the_storages_words(
    store: FolderStore, path: layout.WatchedPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = put(store, path)

    def refuse(source: str, generation: str, target: str, *, since: float | None) -> bool:
        raise Denied("retention policy not met")

    monkeypatch.setattr(store, "move", refuse)
    assert outcomes(store, path, "a").finish(config, Kind.DONE) == (RenameResult.REFUSED, "retention policy not met")
    assert files(path) == {"x.config.yaml": "task"}


def test_an_unsure_move_is_won_by_who_marks_first(
    store: FolderStore, path: layout.WatchedPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = put(store, path)
    move = store.move

    def answer_lost(source: str, generation: str, target: str, *, since: float | None) -> bool:
        if os.path.exists(source):
            move(source, generation, target)
        return False

    monkeypatch.setattr(store, "move", answer_lost)
    endings = [outcomes(store, path, nonce).finish(config, Kind.DONE)[0] for nonce in ("a", "b", "a")]
    assert endings == [RenameResult.WON, RenameResult.LOST, RenameResult.WON], (
        "asked again, the winner is still the winner"
    )


def test_what_stands_is_this_runs_only_with_its_bytes(store: FolderStore, path: layout.WatchedPath) -> None:
    config = put(store, path)
    mine = outcomes(store, path, "a")
    assert mine.outcome_of(config) is None
    store.write(path.of("x", Kind.DONE), b"older")
    assert mine.outcome_of(config) is None
    store.write(path.of("x", Kind.CANCELLED), b"task")
    assert mine.outcome_of(config) is Kind.CANCELLED


def test_an_older_runs_outcome_of_the_same_bytes_did_not_take_its_place(
    store: FolderStore, path: layout.WatchedPath
) -> None:
    store.write(path.of("x", Kind.ERROR), b"task")
    config = put(store, path)  # uploaded again, as it was
    mine = outcomes(store, path, "a")
    assert mine.outcome_of(config) is None
    store.delete(path.of("x", Kind.CONFIG))  # by a person
    assert mine.outcome_of(config) is None
    assert mine.finish(config, Kind.DONE) == (RenameResult.LOST, "")
    assert files(path) == {"x.error.yaml": "task"}


def test_a_success_takes_the_place_of_this_runs_error(store: FolderStore, path: layout.WatchedPath) -> None:
    store.write(path.of("x", Kind.ERROR), b"task")
    config = put(store, path)
    assert outcomes(store, path, "b").finish(config, Kind.ERROR)[0] is RenameResult.WON
    mine = outcomes(store, path, "a")
    assert mine.outcome_of(config) is Kind.ERROR
    assert mine.finish(config, Kind.DONE)[0] is RenameResult.WON
    assert files(path) == {"x.done.yaml": "task"}
