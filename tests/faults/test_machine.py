"""What a machine does to an agent: full disks, killed processes, floods of output, leftovers, preemption."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import needs
from tests.faults.cluster import BUCKET, PATH, Cluster
from tests.faults.conftest import LONG
from tests.faults.processes import is_fork_server, marked, memory, parent

MEGABYTE = 1024 * 1024


@pytest.fixture
def node(calm: Cluster) -> Cluster:
    if "node-1" not in calm.nodes:
        calm.start("node-1")
    return calm


@pytest.fixture(params=["warm", "plain"])
def each(request: pytest.FixtureRequest, calm: Cluster) -> Iterator[Cluster]:
    """A node for each way in which it can start its runs."""
    if "node-1" in calm.nodes:
        calm.stop("node-1")
    calm.start("node-1", *(["--no-warm-starts"] if request.param == "plain" else []))
    yield calm
    if request.param == "plain" and "node-1" in calm.nodes:
        calm.stop("node-1")


def luigi_and_task(cluster: Cluster, name: str) -> tuple[int, int]:
    """Process ids: Luigi's own, and of the task it forked."""
    cluster.runs_on(name)
    task = int(cluster.started(name)[-1][1])
    return parent(task), task


# Killed processes


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_luigi_process_killed(node: Cluster, number: signal.Signals) -> None:
    """SIGKILL is how the kernel ends it for memory; the others come from a clumsy hand. It is run again."""
    gate = node.folder / f"luigi-{number}"
    name = node.upload("Gate", gate=gate)
    node.runs_on(name)
    os.kill(int(node.started(name)[0][1]), number)
    node.runs_on(name, times=2)
    gate.touch()
    node.check()
    assert "child-died" in node.log(name)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_task_process_killed(node: Cluster, number: signal.Signals) -> None:
    """With two workers tasks are Luigi's children: one that is killed has failed, and is tried again."""
    gate = node.folder / f"task-{number}"
    name = node.upload("Gate", gate=gate, workers=2)
    luigi, task = luigi_and_task(node, name)
    assert "luigi_run" in marked(node.mark)[luigi]
    os.kill(task, number)
    node.runs_on(name, times=2)
    gate.touch()
    node.check()


def test_task_without_memory(node: Cluster) -> None:
    """It meets a limit of its own: that is the task's failure, tried again within its budget."""
    node.upload("Hungry")
    node.check()


def test_supervisor_killed(each: Cluster) -> None:
    """The process between agent and Luigi: the agent does its work, nothing is left, the run starts again."""
    gate = each.folder / f"supervisor-{os.urandom(4).hex()}"  # of this variant alone
    name = each.upload("Gate", gate=gate)
    each.runs_on(name)
    supervisor = parent(int(each.started(name)[0][1]))
    above = parent(supervisor)
    assert each.nodes["node-1"].process.pid == (parent(above) if is_fork_server(above) else above)
    os.kill(supervisor, signal.SIGKILL)
    each.runs_on(name, times=2)
    gate.touch()
    each.check()


def test_agent_and_supervisors_killed_together(each: Cluster) -> None:
    """Nobody is left to end what they ran: Luigi and its tasks notice by themselves."""
    gate = each.folder / f"together-{os.urandom(4).hex()}"  # of this variant alone
    name = each.upload("Gate", gate=gate, workers=2)
    luigi, _task = luigi_and_task(each, name)
    agent, supervisor = each.nodes["node-1"].process.pid, parent(luigi)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in (supervisor, agent):
            os.kill(pid, number)
    each.nodes.pop("node-1").wait()
    each.wait_gone("node-1")
    each.start("node-1")
    each.runs_on(name, times=2)
    gate.touch()
    each.check()


def test_descendants_that_hide(each: Cluster) -> None:
    """Sessions of their own, closed pipes, an open log pipe, twice forked, deaf to SIGTERM: all end with the run."""
    name = each.upload("Leaves")
    each.wait_settled(name)
    each.check()  # no marked process but the agent


# Full disks


@contextmanager
def small_disk(cluster: Cluster, megabytes: int, name: str) -> Iterator[Path]:
    """A node whose cache is a file system of its own; its folder as seen from here."""
    probe = ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs -o size=1m tmpfs {cluster.folder}/targets"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, timeout=30).returncode != 0:
        needs.missing("the right to mount a small file system", "apt-get install util-linux, and be root")
    mount = cluster.folder / f"disk-{name}"
    mount.mkdir()
    for other in list(cluster.nodes):
        cluster.stop(other)
    kept, cluster.cache = cluster.cache, mount
    script = f'mount -t tmpfs -o size={megabytes}m tmpfs "$0" && exec "$@"'
    try:
        node = cluster.start(name, command=["unshare", "--mount", "sh", "-c", script, str(mount)])
        yield Path(f"/proc/{node.process.pid}/root{mount}")
        cluster.stop(name)
    finally:
        cluster.cache = kept


def fill(folder: Path, keep: int = 0) -> Path:
    """A file that takes all but `keep` bytes of the file system."""
    path = folder / "filler"
    free = shutil.disk_usage(folder).free
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - keep)
    return path


def test_disk_full_in_the_cache(calm: Cluster) -> None:
    """The environment cannot be built: said by its name, tried again, and done once there is room."""
    with small_disk(calm, 300, "full-cache") as disk:
        filler = fill(disk, keep=MEGABYTE)
        name = calm.upload(retries=10)
        calm.wait(lambda: "disk-full" in calm.nodes["full-cache"].log, "the node to say what is wrong")
        assert not calm.settled(name)
        filler.unlink()
        calm.check()


def test_disk_full_for_good(calm: Cluster) -> None:
    """No room comes: after its tries the last node gives up, and the reason is told."""
    with small_disk(calm, 64, "hopeless") as disk:
        fill(disk, keep=MEGABYTE)
        name = calm.upload(retries=1, outcome="error")
        calm.wait_settled(name)
        calm.wait_logged("disk-full", name)
        assert calm.names() == [f"{PATH}{name}.error.yaml"]
        calm.forget()


def test_disk_full_of_temporary_files(calm: Cluster) -> None:
    """A task fills it and fails; the room is there again for the next, whatever the task left in TMPDIR."""
    with small_disk(calm, 300, "full-work"):
        calm.wait_settled(calm.upload(), timeout=180)
        calm.upload("Fills", bytes=400 * MEGABYTE, retries=1, outcome="error")
        calm.wait_settled()
        calm.wait_logged("No space left", *calm.uploads)
        calm.check()


# Floods


def test_log_of_a_gigabyte(node: Cluster) -> None:
    """Neither memory nor disk nor the bucket takes it whole: cut with a notice, the last lines kept."""
    agent = node.nodes["node-1"].process.pid
    node.wait_settled(node.upload())
    before = memory(agent)
    node.storage.forget_requests()
    size = (1024 if LONG else 100) * MEGABYTE
    name = node.upload("Noise", bytes=size)
    node.wait_settled(name, timeout=900)
    limit = 64 * MEGABYTE
    # The outcome does not wait for the end of the log.
    node.wait(lambda: "was reached" in node.log(name)[-70_000:], "the end of the log")
    text = node.log(name)
    assert limit * 0.95 < len(text) < limit + 2 * MEGABYTE
    assert "limit of 67108864 bytes was reached" in text
    assert text.rstrip().splitlines()[-1].endswith("rename") or "the very last line" in text[-70_000:]
    parts = [each for each in node.storage.calls("objects.insert") if each.object.endswith(".part")]
    assert len(parts) < 64, "appended in large pieces, nothing uploaded twice"
    assert memory(agent, "VmHWM") - before < 100 * MEGABYTE
    node.check()


def test_thousands_of_configs_at_once(node: Cluster) -> None:
    """Every one gets its outcome; at most --parallel processes run; memory is bounded."""
    agent = node.nodes["node-1"].process.pid
    before = memory(agent)
    most = 0
    for number in range(10_000 if LONG else 200):
        node.put(f"wrong-{number}", f"task: {number}\n".encode(), "error")
        if number % 20 == 0 and number < 1000:
            node.upload()
    while not node.settled():
        most = max(most, len(node.luigi_processes()))
    assert 0 < most <= 8, "one process for each run at most, and no more than --parallel of them"
    assert memory(agent, "VmHWM") - before < 64 * MEGABYTE
    node.check()


# The end of a node


def test_preemption(calm: Cluster) -> None:
    """SIGTERM, and SIGKILL before the drain is over: what ran is lost, the config is not; the other node does it."""
    for name in ("node-1", "node-2"):
        if name not in calm.nodes:
            calm.start(name)
    gate = calm.folder / "preempted"
    name = calm.upload("Gate", gate=gate)
    first = calm.runs_on(name)
    calm.nodes[first].signal(signal.SIGTERM)
    calm.nodes[first].until("draining")
    calm.kill(first)
    second = calm.runs_on(name, times=2)
    assert second != first
    gate.touch()
    calm.check()


def test_drain_lets_tasks_finish(calm: Cluster) -> None:
    """First signal: what runs finishes, nothing new is taken, and it exits with 0 and its last words written."""
    for name in [name for name in calm.nodes if name != "drained"]:
        calm.stop(name)
    node = calm.start("drained", "--drain-timeout", "60s")
    gate = calm.folder / "drain"
    tree = calm.upload("Gate", gate=gate)
    calm.runs_on(tree)
    node.signal(signal.SIGTERM)
    node.until("draining")
    late = calm.upload()
    gate.touch()
    assert node.wait(60) == 0
    calm.nodes.pop("drained")
    assert calm.settled(tree)
    assert f"{PATH}{late}.config.yaml" in calm.names()
    calm.wait_logged("complete", tree)
    assert not [key for key in calm.storage.objects(BUCKET) if key.endswith("nodes/drained.json")]
    calm.start("node-1")
    calm.check()


def test_drain_is_bounded(calm: Cluster) -> None:
    """A task that does not finish within --drain-timeout is interrupted and given back; another node runs it."""
    for name in [name for name in calm.nodes if name != "bounded"]:
        calm.stop(name)
    node = calm.start("bounded", "--drain-timeout", "1s")
    gate = calm.folder / "bounded-gate"
    name = calm.upload("Gate", gate=gate)
    calm.runs_on(name)
    node.signal(signal.SIGTERM)
    assert node.wait(90) == 0
    calm.nodes.pop("bounded")
    calm.wait_gone("bounded")
    calm.start("node-1")
    calm.runs_on(name, times=2)
    gate.touch()
    calm.check()


def test_timeout_of_a_task_file(node: Cluster) -> None:
    name = node.upload("Gate", gate="/nowhere/ever", timeout="4s", outcome="error")
    node.wait_settled(name)
    assert "timeout" in node.log(name)
    node.check()
