"""Words that the stories are told in."""

from __future__ import annotations

from poltergust.base.reasons import Reason
from poltergust.path.layout import Kind
from tests.property.node import Node
from tests.property.parts import RETRIES, FakeRun
from tests.property.world import World

DATA = b"environment: gs://bucket/environment/env.yaml\ntask: {name: T, module: m}\n"
OTHER = DATA + b"# other bytes\n"


def deliver(world: World) -> None:
    """Every notification arrives, and everybody does what there is to do."""
    world.settle()
    while any(node.inbox for node in world.nodes):
        for node in world.nodes:
            while node.inbox:
                node.hear(node.inbox.pop(0))
        world.settle()


def scan(world: World) -> None:
    for node in world.nodes:
        node.scan()
    world.settle()


def run_of(node: Node) -> FakeRun:
    """The one process of that node."""
    (run,) = [run for run in node.world.runs if run in node.runs]
    return run


def end(world: World, run: FakeRun, reason: Reason) -> None:
    world.end(run, reason)
    deliver(world)


def kinds(world: World, name: str = "a") -> set[Kind]:
    return {kind for kind in Kind if world.stands(name, kind)}


def spend(world: World, node: Node) -> None:
    """Every attempt of that node fails."""
    for _ in range(RETRIES + 1):
        end(world, run_of(node), Reason.SCHEDULING_FAILED)
        world.pass_time(10.0)
