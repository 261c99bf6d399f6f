"""Twenty times the same fault: descriptors as before, memory as before. What leaks once leaks every day."""

from __future__ import annotations

import os
import signal

from poltergust.stores.gs.calls import CONNECTIONS
from tests.faults.cluster import PATH, Cluster
from tests.faults.processes import connections, descriptors, memory

TO_THE_SCHEDULER = 8
"""Connections at most, at any time."""

AT_ONCE = 4
ROUNDS = 5
"""Twenty repetitions in all."""

WARM_UP = 2
"""Rounds before the first count: connections, threads' stacks and caches come into being once."""

MOST_GROWTH = 5 * 1024 * 1024


def round_of_faults(cluster: Cluster, number: int) -> None:
    """Some runs whose task is killed, one whose storage calls go wrong in each way, one wrong file."""
    gate = cluster.folder / f"round-{number}"
    killed = [cluster.upload("Gate", name=f"killed-{number}-{turn}", gate=gate) for turn in range(AT_ONCE)]
    shaken = f"shaken-{number}"
    record = f"pipeline.poltergust/runs/{shaken}/*.json"
    cluster.storage.fail("objects.download", status=503, object=f"{PATH}{shaken}.config.yaml")
    cluster.storage.fail("objects.insert", how="reset", object=record)
    cluster.storage.fail("objects.move", how="lost", object=f"{PATH}{shaken}.config.yaml")
    cluster.upload(name=shaken)
    cluster.put(f"wrong-{number}", b"task: 5\n", "error")
    for name in killed:
        cluster.runs_on(name)
    for name in killed:
        os.kill(int(cluster.started(name)[0][1]), signal.SIGKILL)
    gate.touch()
    cluster.wait_settled()
    cluster.check()


def others(agent: int) -> int:
    """Open descriptors that are no connections."""
    return descriptors(agent) - connections(agent)


def test_nothing_leaks(calm: Cluster) -> None:
    agent = calm.start().process.pid
    for number in range(WARM_UP):
        round_of_faults(calm, number)
    open_before, held_before = others(agent), memory(agent)
    for number in range(WARM_UP, WARM_UP + ROUNDS):
        round_of_faults(calm, number)
    # A pool of connections grows whenever more threads ask at once than ever did before, up to its size.
    assert connections(agent) <= CONNECTIONS + TO_THE_SCHEDULER
    # What leaks leaks in every round.
    calm.wait(lambda: others(agent) < open_before + ROUNDS, f"fewer than {open_before + ROUNDS} open descriptors")
    assert memory(agent) - held_before < MOST_GROWTH
