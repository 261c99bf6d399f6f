"""How often a run waits for the storage, counted: what is not on the way to user code or to the outcome is held by the
server for as long as the run lasts, and what is on the way is held until all of its neighbours have arrived."""

from __future__ import annotations

import itertools
from fnmatch import fnmatchcase

from poltergust.runs.first_node import order
from tests.emulators.gcs.faults import Fault
from tests.faults.cluster import PATH, Cluster

SIDE = "pipeline.poltergust/"
FIRST = ("objects.download", PATH + "{}.config.yaml")
START = [
    ("objects.insert", SIDE + "runs/{}/*/node-1.json"),
    ("objects.insert", SIDE + "runs/{}/*/.first"),
    ("objects.download", "environment/plain.yaml"),
    ("objects.download", SIDE + "locks/*"),
]
"""Before user code, all at once."""

END = [("objects.download", PATH + "{}.error.yaml"), ("objects.download", PATH + "{}.cancelled.yaml")]
"""Before the rename, all at once."""

LAST = ("objects.move", PATH + "{}.config.yaml")
NOT_WAITED_FOR = [
    ("objects.*", SIDE + "logs/*", 0),
    ("objects.*", SIDE + "runs/{}/*/node-1.tasks.jsonl*", 0),
    ("objects.*", SIDE + "content/*", 0),
    ("objects.*", SIDE + "nodes/*", 0),
    ("objects.insert", SIDE + "runs/{}/*/node-1.json", 1),
    ("objects.insert", SIDE + "runs/{}/*/.first", 1),
]
"""With how many of them pass."""


def hold(cluster: Cluster, name: str, call: str, pattern: str, *, skip: int = 0, times: int | None = 1) -> Fault:
    return cluster.storage.fail(call, how="hold", object=pattern.format(name), skip=skip, times=times)


def test_two_round_trips_to_user_code_and_two_to_the_outcome(told: Cluster) -> None:
    told.start("node-1")
    for name in ("builds", "warm"):
        told.upload(name=name)
        told.wait_settled(name)
    told.check()
    know_the_live_nodes(told)
    counted = "counted"
    for call, pattern, skip in NOT_WAITED_FOR:
        hold(told, counted, call, pattern, skip=skip, times=None)
    start, end = ([hold(told, counted, call, pattern) for call, pattern in group] for group in (START, END))
    told.upload(name=counted)
    for fault in start:
        fault.wait_reached()
    assert not told.started(counted)
    for fault in start:
        fault.release()
    for fault in end:
        fault.wait_reached(120)
    assert len(told.started(counted)) == 1
    for fault in end:
        fault.release()
    told.wait_settled(counted)
    waited: list[tuple[str, str]] = []
    for request in told.storage.requests:
        made = (request.call, request.object)
        late = "/asks-" in request.object  # of a run before this one
        if not late and not held_until_the_end(made, counted, waited.count(made)):
            waited.append(made)
        if made == (LAST[0], LAST[1].format(counted)):
            break
    expected = [(call, pattern.format(counted)) for call, pattern in (FIRST, *START, *END, LAST)]
    assert len(waited) == len(expected), waited
    for made in waited:
        assert any(made[0] == call and fnmatchcase(made[1], pattern) for call, pattern in expected), made
    told.check()


def know_the_live_nodes(told: Cluster) -> None:
    """Until the node has just asked which others live: for ten seconds it asks nobody."""
    told.storage.forget_requests()
    for number in itertools.count():
        told.upload(name=f"asks-{number}")
        told.wait_settled(f"asks-{number}")
        if any(request.call == "objects.list" for request in told.storage.requests):
            told.storage.forget_requests()
            return


def held_until_the_end(made: tuple[str, str], name: str, before: int) -> bool:
    """Whether nothing can have waited for that call, of whose kind so many had come before."""
    return any(
        fnmatchcase(made[0], call) and fnmatchcase(made[1], pattern.format(name)) and before >= skip
        for call, pattern, skip in NOT_WAITED_FOR
    )


def test_a_node_that_has_nothing_to_do_asks_four_times(told: Cluster) -> None:
    """Another node begins the run and ends it. Left are the config, its environment's file and lock, and once more the
    config, which is gone. Nothing is written."""
    if "node-1" not in told.nodes:
        told.start("node-1")
    told.start("node-2", env={"STORAGE_EMULATOR_HOST": told.storage.url.replace("127.0.0.1", "localhost")})
    names = [f"quick-{number}" for number in range(40)]
    names = [name for name in names if order(["node-1", "node-2"], name)[0] == "node-1"][:6]
    for name in names:
        if name == names[1]:  # the environment is ready, and each knows the other
            told.storage.forget_requests()
        told.upload(name=name)
        told.wait_settled(name)
        config = f"{PATH}{name}.config.yaml"
        told.wait(
            lambda config=config: asked(told).count(("objects.download", config)) >= 2, "the other to see it gone"
        )
    made = [each for each in asked(told) if not each[1].startswith(SIDE + "nodes/")]
    made = [each for each in made if f"/{names[0]}" not in each[1]]  # both took part in it, and write that down late
    # One more where the notification of the outcome comes while the config is being found gone: it is looked for again.
    assert len(made) <= 4 * len(names[1:]) + 2, "\n".join(map(str, made))
    told.stop("node-2")
    told.check()


def asked(told: Cluster) -> list[tuple[str, str]]:
    """By the node that knows the server as localhost, of single objects."""
    requests = (each for each in told.storage.requests if "localhost" in each.base)
    return [(each.call, each.object) for each in requests if each.call != "objects.list"]
