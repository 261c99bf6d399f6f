"""Submit, retry and cancel on every store: each is one conditional step, however many people and nodes act at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from poltergust.base.errors import Permanent
from poltergust.path.actions import Actions, Refused, check_environment
from poltergust.path.layout import Kind, WatchedPath
from poltergust.path.outcome import Config, Outcomes, RenameResult
from poltergust.path.state import PathState
from poltergust.stores import Store
from tests.contract.conftest import Place

TASK = b"environment: ../environment/e.yaml\ntask: {module: m, name: T}\n"


@pytest.fixture
def path(place: Place) -> WatchedPath:
    return WatchedPath(place.root)


@pytest.fixture
def actions(place: Place, path: WatchedPath) -> Actions:
    return of(place.store, path)


def of(store: Store, path: WatchedPath, node: str = "anna@desk") -> Actions:
    return PathState(store, path, node, "1").actions


def put(place: Place, path: WatchedPath, name: str, kind: Kind, data: bytes = TASK) -> None:
    place.store.write(path.of(name, kind), data)


def submit(place: Place, path: WatchedPath, name: str = "x", data: bytes = TASK, **how: bool) -> None:
    actions = of(place.store, path)
    actions.submit(actions.check(name, data, "x.yaml"), **how)


def content(place: Place, path: WatchedPath, name: str, kind: Kind = Kind.CONFIG) -> bytes:
    return place.store.read(path.of(name, kind)).data


def test_submit_overwrites_only_when_told_to(place: Place, path: WatchedPath) -> None:
    submit(place, path)
    with pytest.raises(Refused, match=r"waits or runs already; add --replace"):
        submit(place, path, data=TASK + b"# other\n")
    assert content(place, path, "x") == TASK
    submit(place, path, data=TASK + b"# other\n", replace=True)
    assert content(place, path, "x") == TASK + b"# other\n"


def test_who_submitted_is_kept_beside_the_path(place: Place, path: WatchedPath) -> None:
    submit(place, path, "sub/x")
    detail = PathState(place.store, path).reader().detail("sub/x")
    assert detail is not None
    assert detail.submitted is not None
    assert detail.submitted.by == "anna@desk"
    assert abs(detail.submitted.at - detail.config.updated) < 60
    assert json.loads(place.store.read(path.submitted("sub/x")).data)["format"] == 1


def test_an_older_outcome_is_no_obstacle(place: Place, path: WatchedPath) -> None:
    put(place, path, "x", Kind.DONE)
    submit(place, path)
    assert place.names() == ["x.config.yaml", "x.done.yaml"]


@pytest.mark.parametrize("name", ["../x", "a/../b", "x\ny", "x" * 2000])
def test_a_name_that_no_node_takes_is_not_submitted(path: WatchedPath, actions: Actions, name: str) -> None:
    with pytest.raises(Permanent):
        actions.check(name, TASK, "x.yaml")


def test_the_environment_counts_from_where_the_config_goes(path: WatchedPath, actions: Actions) -> None:
    folder = path.root.rpartition("/")[0]
    assert actions.check("x", TASK, "/tmp/x.yaml").environment == f"{folder}/environment/e.yaml"
    assert actions.check("sub/x", TASK, "/tmp/x.yaml").environment == f"{path.root}/environment/e.yaml"


def test_a_missing_environment_is_said_before_anything_is_uploaded(
    place: Place, path: WatchedPath, actions: Actions
) -> None:
    checked = actions.check("x", TASK.replace(b"../", b""), "x.yaml")
    with pytest.raises(Refused, match="no such environment file"):
        check_environment(place.store, checked)
    place.store.write(checked.environment, b"dependences: []\n")
    with pytest.raises(Permanent, match="dependencies"):
        check_environment(place.store, checked)
    place.store.write(checked.environment, b"dependencies: []\n")
    check_environment(place.store, checked)


def test_retry_puts_the_error_back_as_a_new_generation(place: Place, path: WatchedPath, actions: Actions) -> None:
    put(place, path, "x", Kind.ERROR)
    before = place.store.read(path.of("x", Kind.ERROR)).generation
    assert actions.retry("x").data == TASK
    assert place.names() == ["x.config.yaml"]
    assert place.store.read(path.of("x", Kind.CONFIG)).generation != before


def test_retry_of_anything_else_wants_force(place: Place, path: WatchedPath, actions: Actions) -> None:
    with pytest.raises(Refused, match="nothing of the name x"):
        actions.retry("x")
    for kind in (Kind.DONE, Kind.CANCELLED):
        put(place, path, kind.value, kind)
        with pytest.raises(Refused, match=f"{kind.value} is {kind.value}, not an error; add --force"):
            actions.retry(kind.value)
        actions.retry(kind.value, force=True)
    assert place.names() == ["cancelled.config.yaml", "done.config.yaml"]
    with pytest.raises(Refused, match="waits or runs already"):
        actions.retry("done", force=True)


def test_retry_never_overwrites_what_was_uploaded_at_that_moment(
    place: Place, path: WatchedPath, actions: Actions, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(place, path, "x", Kind.ERROR)
    real: Callable[..., object] = place.store.write

    def write(url: str, data: bytes, **how: str) -> object:
        monkeypatch.undo()
        put(place, path, "x", Kind.CONFIG, TASK + b"# somebody's\n")
        return real(url, data, **how)

    monkeypatch.setattr(place.store, "write", write)
    with pytest.raises(Refused, match="waits or runs already"):
        actions.retry("x")
    assert content(place, path, "x") == TASK + b"# somebody's\n"
    assert content(place, path, "x", Kind.ERROR) == TASK


def test_of_many_retries_one_wins(place: Place, path: WatchedPath) -> None:
    put(place, path, "x", Kind.ERROR)
    stores = [place.another() for _ in range(6)]

    def one(store: Store) -> bool:
        try:
            of(store, path).retry("x")
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(len(stores)) as pool:
        assert sum(pool.map(one, stores)) == 1
    assert place.names() == ["x.config.yaml"]


def test_cancel_says_what_came_of_it(place: Place, path: WatchedPath, actions: Actions) -> None:
    with pytest.raises(Refused, match="nothing of the name x"):
        actions.cancel("x")
    put(place, path, "x", Kind.ERROR)  # of an earlier run
    submit(place, path)
    assert actions.cancel("x") is True
    assert place.names() == ["x.cancelled.yaml"]
    assert actions.cancel("x") is False
    detail = PathState(place.store, path).reader().detail("x")
    assert detail is not None
    assert detail.cancelled is not None
    assert detail.cancelled.by == "anna@desk"
    put(place, path, "y", Kind.DONE)
    with pytest.raises(Refused, match="y is done already, nothing to cancel"):
        actions.cancel("y")


def test_who_cancelled_is_not_named_for_a_later_outcome(place: Place, path: WatchedPath, actions: Actions) -> None:
    submit(place, path)
    actions.cancel("x")
    put(place, path, "x", Kind.CANCELLED, TASK + b"# somebody else's\n")
    detail = PathState(place.store, path).reader().detail("x")
    assert detail is not None
    assert (detail.config.state.value, detail.cancelled) == ("cancelled", None)


def test_cancel_and_completion_at_once_are_one_outcome(place: Place, path: WatchedPath) -> None:
    if place.kind == "fake":
        pytest.skip("fake-gcs-server has no objects.move: renames to two targets are not one step")
    for attempt in range(10):
        name = f"x{attempt}"
        submit(place, path, name)
        blob = place.store.read(path.of(name, Kind.CONFIG))
        node = PathState(place.another(), path, "node-1", "1").outcomes
        person = of(place.another(), path)

        def complete(node: Outcomes = node, name: str = name, generation: str = blob.generation) -> RenameResult:
            return node.finish(Config(name, generation, TASK), Kind.DONE)[0]

        def cancel(person: Actions = person, name: str = name) -> bool:
            try:
                return person.cancel(name)
            except Refused:
                return False

        with ThreadPoolExecutor(2) as pool:
            done, cancelled = pool.submit(complete), pool.submit(cancel)
        assert (done.result() is RenameResult.WON) is not cancelled.result()
        kind = Kind.CANCELLED if cancelled.result() else Kind.DONE
        assert [one for one in place.names() if one.startswith(f"{name}.")] == [f"{name}{kind.suffix}"]
