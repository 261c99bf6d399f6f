"""A warm start is a start: what a program sees, what is left of it, and what is started the plain way instead."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from poltergust.base.reasons import Reason
from poltergust.luigi_run.warm_starts import WarmStarts
from tests.emulators.servers import wait_until
from tests.integration.luigi_run.conftest import HERE, Node, Started

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")

ONLY_WARM = {"_ctypes", "ctypes", "ctypes._endian", "resource"}
"""What a server and a supervisor are made of, besides our own package; a run finds them imported."""


def probe(node: Node, name: str, **more: Any) -> dict[str, Any]:
    """What the probe sees, with its working directory and the name of its file left out."""
    report = node.report("Probe", module="probe", arguments={"name": name}, **more)
    assert report.reason is Reason.COMPLETE, report.detail
    text = (node.shared / name).read_text().replace(f"name={name}", "name=NAME")
    found: dict[str, Any] = json.loads(text.replace(str(node.scratch / f"run-{node.count}"), "WORKDIR"))
    return found


VARIABLES = {"TZ": "Asia/Kathmandu", "TMPDIR": "/var/tmp", "OURS": "é", "EMPTY": ""}


@pytest.mark.parametrize(
    "env",
    [
        {},
        VARIABLES,
        {"LUIGI_CONFIG_PATH": "mine.cfg"},
        {"PYTHONPATH": f"{HERE / 'pipelines'}:{HERE}:{HERE}:relative"},
    ],
    ids=["usual", "variables", "luigi.cfg", "path"],
)
def test_a_program_sees_no_difference(node: Node, warm: WarmStarts, env: Mapping[str, str]) -> None:
    compare(node, warm, env)


def compare(node: Node, warm: WarmStarts, env: Mapping[str, str]) -> None:
    """A plain start and two warm ones."""
    files = {"mine.cfg": "[Settings]\nword = named\n[core]\nlog_level = WARNING\n"}
    found = {}
    for name, starts in (("plain", None), ("warm", warm), ("again", warm)):
        node.warm = starts
        found[name] = probe(node, name, env=env, files=files)
        assert node.started[-1].forked is (starts is not None)
    plain = found["plain"]["seen"]
    modules = plain.pop("modules")
    for name in ("warm", "again"):
        other = found[name]["seen"]
        assert set(modules) <= set(other["modules"])
        more = set(other.pop("modules")) - set(modules)
        assert {each for each in more if not each.startswith("poltergust_inside.")} <= ONLY_WARM
        differing = [what for what in plain if other[what] != plain[what]]
        assert not differing, "\n".join(f"{what}: {plain[what]}\nwarm: {other[what]}" for what in differing)
    own = [each["differs"] for each in found.values()]
    for what in own[0]:
        assert len({str(each[what]) for each in own}) == 3, what


def test_a_run_ends_as_a_process_ends(node: Node, warm: WarmStarts) -> None:
    ends(node, warm)


def ends(node: Node, warm: WarmStarts) -> None:
    """A plain start and a warm one leave the same things to the end, and nothing is lost."""
    found = {}
    for name, starts in (("plain", None), ("warm", warm)):
        node.warm = starts
        folder = node.shared / name
        folder.mkdir()
        started = node.start("Leaves", module="leaving", arguments={"name": str(folder)}, env={"LEAVES_TO": name})
        assert started.report().reason is Reason.COMPLETE, started.log
        assert started.forked is (starts is not None)
        gone(started)
        assert started.log.count("RuntimeError: an exit handler that fails") == 1
        assert "without a line's end" in started.log
        assert "Zen of Python" not in started.log, "a module that was never used is not loaded to be cleared"
        found[name] = {each.name: each.read_text() if each.is_file() else "folder" for each in folder.iterdir()}
    assert found["warm"] == found["plain"]
    assert found["warm"]["opened"] == "left open by the module"
    assert found["warm"]["file"] == "left open by the task"
    assert found["warm"]["stream"] == "left open in C"
    assert found["warm"]["notes"].splitlines()[:3] == [
        "a thread that is waited for",
        "second exit handler",
        "first exit handler",
    ]
    assert set(found["warm"]) == {"complete", "file", "notes", "opened", "stream"}, "temporary files are gone"


def gone(started: Started) -> None:
    wait_until(lambda: not Path(f"/proc/{started.run.pid}").exists(), "the process to be gone")


def test_a_thread_that_is_not_waited_for_says_nothing_at_the_end(node: Node, warm: WarmStarts) -> None:
    (node.shared / "daemon").mkdir()
    arguments = {"name": str(node.shared), "daemon": "true"}
    started = node.start("Leaves", module="leaving", arguments=arguments, env={"LEAVES_TO": "daemon"})
    assert started.report().reason is Reason.COMPLETE, started.log
    gone(started)
    assert started.forked
    assert "Exception in thread" not in started.log


def test_others_see_a_runs_own_variables(node: Node) -> None:
    """An agent finds what a dead supervisor left by the mark in them."""
    started = node.start("Held", env={"FIRST": "1"})
    wait_until((node.shared / "held").exists, "the task to run")
    shown = Path(f"/proc/{started.run.pid}/environ").read_bytes().split(b"\0")
    (node.shared / "go").touch()
    assert started.report().reason is Reason.COMPLETE
    assert started.forked
    assert shown[0].startswith(b"POLTERGUST_CHILD=")
    assert {b"FIRST=1", f"SHARED={node.shared}".encode()} <= set(shown)
    assert not [entry for entry in shown if entry.startswith(b"POLTERGUST_FORK_SERVER")]


def test_a_run_outlives_its_server(node: Node, warm: WarmStarts) -> None:
    started = node.start("Held")
    wait_until((node.shared / "held").exists, "the task to run")
    for pid in warm.servers:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not warm.servers, "the servers to be gone")
    (node.shared / "go").touch()
    assert started.report().reason is Reason.COMPLETE
    assert started.forked


# What is started the plain way, and why


def test_preloaded_modules_are_imported_once(node: Node, own: WarmStarts, with_modules: Path, tmp_path: Path) -> None:
    node.python, node.warm = with_modules, own
    notes = tmp_path / "notes"
    for _ in range(2):
        report = node.report("Marked", preload=("noted",), shared_env={"NOTES": str(notes)})
        assert report.reason is Reason.COMPLETE, report.detail
        assert node.started[-1].forked
    assert notes.read_text().split() == [str(pid) for pid in own.servers]


def test_what_a_preloaded_module_changes_of_the_process_is_put_right(
    node: Node, own: WarmStarts, with_modules: Path
) -> None:
    node.python = with_modules
    found = []
    for name, preload, starts in (("plain", (), None), ("warm", ("rude",), own)):
        node.warm = starts
        found.append(probe(node, name, preload=preload)["seen"])
    assert node.started[-1].forked
    for what in ("umask", "limits", "signals", "kernel"):
        assert found[0][what] == found[1][what], what


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("threaded", "a module of preload started a thread"),
        ("starting", "a module of preload started a process"),
        ("broken", "importing broken failed: RuntimeError: not on this machine"),
    ],
)
def test_a_preload_from_which_none_can_be_forked(
    node: Node, own: WarmStarts, with_modules: Path, caplog: pytest.LogCaptureFixture, name: str, why: str
) -> None:
    node.python, node.warm = with_modules, own
    for _ in range(2):
        report = node.report("Marked", preload=(name,))
        assert report.reason is (Reason.IMPORT_ERROR if name == "broken" else Reason.COMPLETE), report.detail
        assert not node.started[-1].forked
    said = [record.message for record in caplog.records if "not started warm" in record.message]
    assert [text.partition(" (")[0] for text in said] == [
        f"runs in {with_modules.parent.parent} are not started warm: {why}"
    ]
    assert own.servers == ()


@pytest.mark.parametrize(
    ("variable", "value"), [("PYTHONHASHSEED", "7"), ("PYTHONWARNINGS", "error::UserWarning"), ("LC_ALL", "C")]
)
def test_variables_that_are_read_at_the_start_of_python(node: Node, variable: str, value: str) -> None:
    report = node.report("Environment", env={variable: value})
    assert report.reason is Reason.COMPLETE, report.detail
    assert not node.started[-1].forked


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sitecustomize", "import os\nos.environ['FROM_HERE'] = 'yes'\n"),
        ("getpass", "import os\nos.environ['FROM_HERE'] = 'yes'\ndef getuser():\n    return 'somebody'\n"),
    ],
)
def test_a_module_before_one_that_is_loaded(node: Node, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / f"{name}.py").write_text(text)
    path = f"{tmp_path}:{HERE / 'pipelines'}"
    report = node.report("Environment", env={"PYTHONPATH": path})
    assert report.reason is Reason.COMPLETE, report.detail
    assert not node.started[-1].forked
    assert "'FROM_HERE', 'yes'" in (node.shared / "environment").read_text()


def test_code_is_read_anew_by_each_run(node: Node, tmp_path: Path) -> None:
    """Also where `preload` names it, by mistake."""
    for text in ("first", "second"):
        (tmp_path / "mine.py").write_text(f"from pipeline import Marked\nclass Mine{text}(Marked):\n    pass\n")
        env = {"PYTHONPATH": f"{tmp_path}:{HERE / 'pipelines'}"}
        report = node.report(f"Mine{text}", module="mine", preload=("mine",), env=env)
        assert report.reason is Reason.COMPLETE, report.detail
        assert node.started[-1].forked
