"""Several nodes on one pipeline: the work is shared, budgets are the cluster's, a dead node's tasks are taken over."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from poltergust.base.reasons import Reason, ReasonKind
from poltergust.luigi_run import Report
from poltergust.luigi_run.give_back import give_back
from poltergust.luigi_run.scheduler import SchedulerClient
from tests.emulators.servers import wait_until
from tests.integration.luigi_run.conftest import Node


def test_two_nodes_share_a_tree_and_both_see_its_end(make_node: Callable[[], Node]) -> None:
    nodes = [make_node(), make_node()]
    runs = [node.start("Tree", arguments={"leaves": "12", "seconds": "0.3"}) for node in nodes]
    assert [run.report().reason for run in runs] == [Reason.COMPLETE, Reason.COMPLETE]
    workers = (nodes[0].shared / "Leaf.runs").read_text().split()
    assert len(workers) == 12
    assert set(workers) == {str(run.run.pid) for run in runs}, "both took part"
    assert nodes[0].executions("Tree") == 1


def test_a_node_stays_while_another_runs_what_it_waits_for(make_node: Callable[[], Node]) -> None:
    first, second = make_node(), make_node()
    holding = first.start("NeedsHeld")
    wait_until((first.shared / "held").exists, "the task to run")
    waiting = second.start("NeedsHeld", idle=60)
    wait_until(lambda: waiting.run.progress().running == 1, "the second node to see it running")
    (first.shared / "go").touch()
    assert holding.report().reason is Reason.COMPLETE
    assert waiting.report().reason is Reason.COMPLETE
    assert first.executions("Held") == first.executions("NeedsHeld") == 1


def test_a_node_with_nothing_to_do_leaves_and_says_what_it_waits_for(make_node: Callable[[], Node]) -> None:
    first, second = make_node(), make_node()
    first.start("NeedsHeld")
    wait_until((first.shared / "held").exists, "the task to run")
    report = second.report("NeedsHeld", idle=0.5)
    assert (report.reason, report.detail) == (Reason.OTHERS_RUN, "other nodes run 1 task(s): Held")
    assert report.progress.running == 1
    assert report.progress.pending == 1


def test_what_a_task_builds_goes_to_the_scheduler_of_the_run(node: Node) -> None:
    report = node.report("Builds")
    assert (report.reason, node.executions("Leaf")) == (Reason.COMPLETE, 1), report.detail


def test_root_tasks_that_differ_between_nodes_are_named_with_the_parameter(make_node: Callable[[], Node]) -> None:
    first, second = make_node(), make_node()
    runs = [
        node.start("Differs", run="-run-", worker=f"{node.shared.name}-run-{node.count}") for node in (first, second)
    ]
    wait_until(lambda: all(run.run.progress().running == 1 for run in runs), "both to run")
    (first.shared / "go").touch()
    details = [run.report().detail for run in runs]
    known = "the root task is complete; the root task is another one on another node, and both do the work:"
    assert all(detail.startswith(f"{known} they differ in when (") for detail in details), details
    assert first.executions("Differs") == 2


def test_a_target_on_a_disk_of_one_node_is_named_by_the_node_that_does_not_see_it(
    make_node: Callable[[], Node],
) -> None:
    first, second = make_node(), make_node()
    made = first.start("OnDisk", env={"DISK": str(first.scratch)})
    assert made.report().reason is Reason.COMPLETE
    report = second.report("OnDisk", env={"DISK": str(second.scratch)})
    assert report.reason is Reason.OTHERS_RUN
    assert report.detail == (
        f"another node ran the root task, and this node does not see its output: {second.scratch}/output;"
        " outputs must be where every node sees them"
    )


def test_a_requirement_on_a_disk_of_one_node_is_named_too(make_node: Callable[[], Node]) -> None:
    first, second = make_node(), make_node()
    holding = first.start("NeedsHeldOnDisk", env={"DISK": str(first.scratch)})
    wait_until((first.shared / "held").exists, "the requirement to run on the first node")
    waiting = second.start("NeedsHeldOnDisk", env={"DISK": str(second.scratch)}, idle=60)
    wait_until(lambda: waiting.run.progress().running == 1, "the second node to see it running")
    holding.run.drain()  # finishes what runs, takes nothing more: the rest is the second node's
    (first.shared / "go").touch()
    holding.report()
    report = waiting.report()
    assert report.reason is Reason.TASK_FAILED
    assert report.detail == (
        f"NeedsHeldOnDisk failed as often as it may: RuntimeError: HeldOnDisk(mark={first.shared.name}) ran on another"
        f" node, and this node does not see its output: {second.scratch}/held;"
        " outputs must be where every node sees them"
    )


def test_a_root_without_outputs_is_not_run_again_by_the_node_that_waited(make_node: Callable[[], Node]) -> None:
    first, second = make_node(), make_node()
    holding = first.start("HeldNoOutput")
    wait_until((first.shared / "held").exists, "the task to run")
    waiting = second.start("HeldNoOutput", idle=60)
    wait_until(lambda: waiting.run.progress().running == 1, "the second node to see it running")
    (first.shared / "go").touch()
    assert holding.report().reason is Reason.EXECUTED_ROOT
    report = waiting.report()
    assert report.reason is Reason.OTHERS_RUN
    assert report.detail == "another node ran the root task; its complete() does not say so here"
    assert first.executions("NoOutput") == 1


def test_a_failing_task_is_tried_three_times_in_the_whole_cluster(make_node: Callable[[], Node]) -> None:
    nodes = [make_node(), make_node()]
    ends: list[Report] = []
    while len(ends) < 20:
        runs = [node.start("NeedsFailing", budget=3) for node in nodes]
        ends += [run.report() for run in runs]
        if all(end.reason.kind is ReasonKind.FAILED for end in ends[-2:]):
            break
        assert {end.reason for end in ends} <= {Reason.TASK_RETRY, Reason.TASK_FAILED, Reason.OTHERS_RUN}
    assert ends[-1].reason is ends[-2].reason is Reason.TASK_FAILED
    assert nodes[0].executions("Failing") == 3


def test_what_is_failed_for_good_stays_so_until_it_is_forgiven(node: Node) -> None:
    assert node.report("NeedsFailing").reason is Reason.TASK_FAILED
    (node.shared / "fixed").touch()
    unforgiven = node.start("NeedsFailing")
    assert unforgiven.report().reason is Reason.TASK_FAILED
    assert not unforgiven.forgiven.is_set()
    assert node.executions("Failing") == 1
    forgiven = node.start("NeedsFailing", reset_failures=True)
    assert forgiven.report().reason is Reason.COMPLETE
    assert forgiven.forgiven.is_set()


def test_forgiving_gives_the_whole_budget_back(node: Node) -> None:
    assert node.report("NeedsFailing", budget=2).reason is Reason.TASK_RETRY
    assert node.report("NeedsFailing", budget=2, reset_failures=True).reason is Reason.TASK_RETRY
    assert node.report("NeedsFailing", budget=2).reason is Reason.TASK_FAILED
    assert node.report("NeedsFailing", budget=2, reset_failures=True).reason is Reason.TASK_RETRY
    assert node.executions("Failing") == 4


def test_a_dead_nodes_tasks_are_run_by_a_survivor_and_cost_no_budget(make_node: Callable[[], Node]) -> None:
    first, second = make_node(), make_node()
    dead = first.start("NeedsHeld", worker="dead/1", agent_lives=False)
    wait_until((first.shared / "held").exists, "the task to run")
    survivor = second.start("NeedsHeld", idle=10, budget=1)
    wait_until(lambda: survivor.run.progress().running == 1, "the survivor to see it running")
    os.kill(dead.run.pid, signal.SIGKILL)
    assert dead.report().reason is Reason.CHILD_DIED
    (first.shared / "go").touch()
    (given_back,) = give_back(SchedulerClient(first.scheduler_url), "dead/1", budget=1)
    assert given_back.startswith("Held(")
    assert survivor.report().reason is Reason.COMPLETE, survivor.log
    assert first.executions("Held") == 2


def test_the_next_attempt_takes_over_what_the_last_one_ran(node: Node) -> None:
    dead = node.start("NeedsHeld", worker="attempt-1", agent_lives=False)
    wait_until((node.shared / "held").exists, "the task to run")
    os.kill(dead.run.pid, signal.SIGKILL)
    dead.report()
    (node.shared / "go").touch()
    assert node.report("NeedsHeld", idle=0.5).reason is Reason.OTHERS_RUN
    assert node.report("NeedsHeld", dead_workers=("attempt",), idle=0.5).reason is Reason.OTHERS_RUN, "a whole id"
    assert node.report("NeedsHeld", dead_workers=("attempt-1",)).reason is Reason.COMPLETE


def test_giving_back_leaves_requirements_and_live_workers_alone(make_node: Callable[[], Node]) -> None:
    first, second = make_node(), make_node()
    running = first.start("NeedsHeld")
    wait_until((first.shared / "held").exists, "the task to run")
    second.report("NeedsHeld", dead_workers=("somebody-else/1",), idle=0.5)
    client = SchedulerClient(first.scheduler_url)
    wait_until(lambda: running.run.progress().running == 1, "the first progress")
    root = second.started[-1].report().root_task_id
    graph = client.graph(root).tasks
    assert sorted((task.family, task.status) for task in graph.values()) == [
        ("Held", "RUNNING"),
        ("NeedsHeld", "PENDING"),
    ]


def test_requirements_found_while_running(make_node: Callable[[], Node]) -> None:
    nodes = [make_node(), make_node()]
    runs = [node.start("NeedsDynamic", idle=60) for node in nodes]
    wait_until((nodes[0].shared / "Dynamic").exists, "the task that finds its requirements")
    (nodes[0].shared / "go").touch()
    assert [run.report().reason for run in runs] == [Reason.COMPLETE, Reason.COMPLETE]
    assert nodes[0].executions("Leaf") == 3


def test_resources_are_the_clusters(make_node: Callable[[], Node]) -> None:
    nodes = [make_node(), make_node()]
    runs = [node.start("NeedsExclusive", arguments={"workers": "2"}, idle=60) for node in nodes]
    assert [run.report().reason for run in runs] == [Reason.COMPLETE, Reason.COMPLETE], runs[0].log
    assert nodes[0].executions("Exclusive") == 5


def test_a_node_taken_for_dead_by_mistake_takes_nothing_more(make_node: Callable[[], Node]) -> None:
    first, second = make_node(), make_node()
    living = first.start("NeedsHeld", worker="living/1")
    wait_until((first.shared / "held").exists, "the task to run")
    survivor = second.start("NeedsHeld", dead_workers=("living/1",), idle=60)
    wait_until(lambda: first.executions("Held") == 2, "the survivor to run it, too")
    (first.shared / "go").touch()
    assert survivor.report().reason is Reason.COMPLETE
    assert living.report().reason in (Reason.COMPLETE, Reason.OTHERS_RUN)
    assert first.executions("NeedsHeld") == 1
