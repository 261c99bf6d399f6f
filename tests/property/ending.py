"""How a story ends: fate stops, everything gets its time, and the referee looks at what stands."""

from __future__ import annotations

from poltergust.base.reasons import Reason
from poltergust.path.layout import Kind
from tests.property.parts import Plan
from tests.property.world import World


def calm(world: World) -> None:
    """Fate stops: no faults, every node up, the scheduler and the environment there."""
    world.refusing = False
    world.scheduler.up = world.runnable = True
    world.set_environment(present=True)
    for node in world.nodes:
        node.faults.clear()
        node.plan = Plan.READY
        node.cut = False
    for run in [run for run in world.runs if run.stopped]:
        world.end(run, Reason.CHILD_DIED)
    world.settle()
    for node in world.nodes:
        if node.draining:
            for run in [run for run in world.runs if run in node.runs]:
                world.end(run, Reason.CHILD_DIED)
            world.settle()
        if not node.up:
            node.start()


def check_stopped(world: World) -> None:
    """After a scan and the grace for a missing config nothing runs on that cannot count."""
    for seconds in (0.0, 5.0, 6.0, 6.0):
        world.pass_time(seconds)
        for node in world.nodes:
            node.scan()
        world.settle()
    for run in world.runs:
        upload = world.referee.uploads[run.generation]
        config = world.stands(upload.name, Kind.CONFIG)
        error = world.stands(upload.name, Kind.ERROR)
        counts = config is not None and config.generation == run.generation
        may_count = config is None and error is not None and error.data == upload.data
        assert counts or may_count or run.stopped, f"{run.generation} of {upload.name} runs on for nothing"


def finish(world: World, reason: Reason) -> None:
    """All the time there is, a scan at each interval, every process ending so, sooner or later."""
    for _ in range(300):
        for node in world.nodes:
            node.scan()
        world.settle()
        for run in list(world.runs):
            if run in world.runs and world.order.random() < 0.6:
                world.end(run, Reason.CHILD_DIED if run.stopped else reason)
        world.settle()
        if not world.configs() and not world.runs and not any(node.runs_known() for node in world.nodes):
            break
        world.pass_time(world.next_due())
    world.referee.at_rest(world.outcomes(), set(world.configs()))
