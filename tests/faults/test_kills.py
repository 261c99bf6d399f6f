"""SIGKILL of a node at each phase of a run, of all nodes at once, of the whole process tree.

The storage server holds the very call at which the agent is killed, and drops it, as a dead client's would be.
"""

from __future__ import annotations

import io
import os
import signal
import zipfile

import pytest

from tests.emulators.gcs.faults import Fault
from tests.faults.cluster import BUCKET, PATH, Cluster
from tests.faults.conftest import long
from tests.faults.processes import marked


def wheel(name: str) -> bytes:
    """An empty package."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]))
    return data.getvalue()


def hold(cluster: Cluster, call: str, object: str, *, skip: int = 0, after: bool = False) -> Fault:
    how = "hold-answer" if after else "hold"
    return cluster.storage.fail(call, how=how, object=object, skip=skip)  # type: ignore[arg-type]


def kill_there(cluster: Cluster, fault: Fault) -> None:
    """Kill the only node while it waits for the answer to that call."""
    fault.wait_reached()
    cluster.kill("node-1")
    fault.drop()


PHASES = {
    "config-read": ("objects.download", f"{PATH}{{}}.config.yaml", 0, False),
    "first-record": ("objects.insert", "pipeline.poltergust/runs/{}/*.json", 0, False),
    "environment-read": ("objects.download", "environment/plain.yaml", 0, False),
    "later-record": ("objects.insert", "pipeline.poltergust/runs/{}/*.json", 1, False),
    "between-completion-and-rename": ("objects.download", f"{PATH}{{}}.error.yaml", 0, False),
    "during-the-rename": ("objects.move", f"{PATH}{{}}.config.yaml", 0, False),
    "renamed-without-an-answer": ("objects.move", f"{PATH}{{}}.config.yaml", 0, True),
    "mark-of-the-winner": ("objects.insert", "pipeline.poltergust/runs/{}/*.done-by", 0, False),
    "log": ("objects.*", "pipeline.poltergust/logs/{}/*", 0, False),
}


MORE = {"environment-read", "later-record", "mark-of-the-winner", "log"}
"""Points whose neighbours are among the others: left to the long run, as each costs two starts of an agent."""


@pytest.mark.parametrize("phase", [pytest.param(phase, marks=[long] if phase in MORE else []) for phase in PHASES])
def test_killed_at_a_storage_call(calm: Cluster, phase: str) -> None:
    """The other node, started only now, brings it to its end; so does the killed one when it is back."""
    call, pattern, skip, after = PHASES[phase]
    name = f"killed-{phase}"
    fault = hold(calm, call, pattern.format(name), skip=skip, after=after)
    if "node-1" not in calm.nodes:
        calm.start("node-1")
    calm.upload(name=name)
    kill_there(calm, fault)
    calm.start("node-2" if len(phase) % 2 else "node-1")  # half of them by another node: the dead one stays away
    calm.check()
    if "node-2" in calm.nodes:
        calm.stop("node-2")


def test_killed_while_the_environment_is_built(calm: Cluster) -> None:
    """The half-made environment is made again by whoever comes next; the dead builder's lock holds nobody up."""
    calm.storage.put(BUCKET, "environment/waits_here-1.0-py3-none-any.whl", wheel("waits_here"))
    line = f"dependencies:\n  - gs://{BUCKET}/environment/waits_here-1.0-py3-none-any.whl\n"
    calm.storage.put(BUCKET, "environment/building.yaml", line.encode())
    fault = hold(calm, "objects.download", "environment/waits_here-*")
    if "node-1" not in calm.nodes:
        calm.start("node-1")
    name = calm.upload(environment=f"gs://{BUCKET}/environment/building.yaml")
    kill_there(calm, fault)
    calm.start("node-1")
    calm.wait_settled(name)
    calm.wait_logged("built in", name)
    calm.check()


def test_killed_just_after_luigi_started(calm: Cluster) -> None:
    if "node-1" not in calm.nodes:
        calm.start("node-1")
    importing, go = calm.folder / "importing", calm.folder / "go"
    name = calm.upload("Slow", module="slow_import", variables={"IMPORTING": importing, "GO": go})
    calm.wait(importing.exists, "Luigi to import the module")
    calm.kill("node-1")
    go.touch()
    calm.start("node-1")
    calm.wait_settled(name)
    assert len(importing.read_text().splitlines()) == 2
    calm.check()


def test_all_nodes_killed_at_once(calm: Cluster) -> None:
    for node in ("node-1", "node-2"):
        if node not in calm.nodes:
            calm.start(node)
    gate = calm.folder / "all-nodes"
    waiting = [calm.upload("Gate", gate=gate) for _ in range(3)]
    for each in waiting:
        calm.runs_on(each)
    wrong = calm.put("wrong", b"task: 5\n", "error")
    calm.kill("node-1", "node-2")
    late = calm.upload()
    gate.touch()
    for node in ("node-1", "node-2"):
        calm.start(node)
    calm.wait_settled(wrong, late, *waiting)
    calm.check()


def test_whole_process_tree_killed(calm: Cluster) -> None:
    """As when the machine loses its power: agent, supervisors, Luigi, its tasks and luigid, nobody sees another die."""
    for node in [node for node in calm.nodes if node != "node-1"]:
        calm.stop(node)
    if "node-1" not in calm.nodes:
        calm.start("node-1")
    gate = calm.folder / "power"
    name = calm.upload("Gate", gate=gate, workers=2)
    calm.runs_on(name)
    everybody = list(marked(calm.mark))
    assert len(everybody) >= 3, "agent, supervisor, Luigi at least"
    for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first, so that none can do anything about another
        for pid in everybody:
            os.kill(pid, number)
    calm.luigid.kill()
    calm.nodes.pop("node-1").wait()
    calm.luigid.start()
    calm.start("node-1")
    calm.runs_on(name, times=2)
    gate.touch()
    calm.check()


@long
def test_killed_between_any_two_requests(calm: Cluster) -> None:
    """The whole sweep of which the phases above are the named points."""
    for node in [node for node in calm.nodes if node != "node-1"]:
        calm.stop(node)
    for skip in range(40):
        if "node-1" not in calm.nodes:
            calm.start("node-1")
        fault = calm.storage.hold("objects.*", skip=skip)
        name = calm.upload(name=f"sweep-{skip}")
        calm.wait(lambda fault=fault, name=name: fault.hits or calm.settled(name), "the call or the end")
        calm.kill("node-1")
        fault.drop()
        calm.start("node-1")
        calm.check()
