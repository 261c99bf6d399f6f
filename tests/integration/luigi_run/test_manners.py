"""What the process shows the world and what it survives: environment, log, rude tasks, a scheduler that restarts."""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from poltergust.base.progress import Progress
from poltergust.base.reasons import Reason
from poltergust.luigi_run import Request
from poltergust.luigi_run.launch import INSIDE
from tests.emulators.servers import free_port, port_open, running, wait_until
from tests.integration.luigi_run.conftest import HERE, LUIGID, Node


def test_what_a_task_sees(node: Node) -> None:
    started = node.start("Environment", arguments={"mark": "a-secret"}, env={"FROM_FILE": " as is "})
    started.report()
    lines = (node.shared / "environment").read_text().splitlines()
    env = dict(ast.literal_eval(lines[0]))
    assert env["FROM_FILE"] == " as is "
    assert env["PYTHONUNBUFFERED"] == "1"
    assert not [name for name in env if name in ("POLTERGUST_CONTROL_FD", "POLTERGUST_RESULT_FD", "HOME")]
    path, argv, cwd = ast.literal_eval(lines[1]), ast.literal_eval(lines[2]), lines[3]
    assert Path(cwd).parent == node.scratch
    assert path[-1] == cwd
    assert str(INSIDE) not in path
    assert not [entry for entry in path if entry.startswith(str(INSIDE.parent))]
    assert argv == ["luigi", "Environment"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_command_line_holds_no_argument(node: Node) -> None:
    started = node.start("Held", arguments={"mark": "a-secret"})
    wait_until((node.shared / "held").exists, "the task to run")
    command = Path(f"/proc/{started.run.pid}/cmdline").read_bytes().split(b"\0")
    assert command == [os.fsencode(node.python), os.fsencode(INSIDE), b""]
    assert b"a-secret" not in Path(f"/proc/{started.run.pid}/environ").read_bytes()


@pytest.mark.parametrize("env", [{}, {"PYTHONSAFEPATH": "1"}], ids=["usual", "safe-path"])
def test_a_module_in_the_working_directory_is_found(node: Node, env: dict[str, str]) -> None:
    text = "from pipeline import Marked\nclass Local(Marked):\n    pass\n"
    report = node.report("Local", module="local", files={"local.py": text}, env=env)
    assert report.reason is Reason.COMPLETE, report.detail


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_task_that_changes_the_directory_does_so_for_itself_only(node: Node, workers: str) -> None:
    report = node.report("Moves", arguments={"workers": workers})
    assert report.reason is Reason.COMPLETE, report.detail


def test_a_library_that_hangs_at_the_end_of_its_process_delays_no_outcome_for_ever(node: Node) -> None:
    report = node.report("HangsAtExit")
    assert report.reason is Reason.COMPLETE, report.detail


def test_a_thread_that_is_cut_off_is_said_in_the_log(node: Node) -> None:
    started = node.start("LeavesThread")
    assert started.report().reason is Reason.COMPLETE
    wait_until(lambda: "threads or exit handlers of the pipeline are cut off" in started.log, "the line")


def test_a_module_may_choose_how_its_processes_start(node: Node) -> None:
    text = (
        "import multiprocessing\nimport pipeline\nmultiprocessing.set_start_method('spawn')\n"
        "class Spawns(pipeline.Marked):\n"
        "    def work(self):\n"
        "        with multiprocessing.Pool(1) as pool:\n"
        "            assert pool.map(abs, [-1]) == [1]\n"
    )
    report = node.report("Spawns", module="spawns", files={"spawns.py": text})
    assert report.reason is Reason.COMPLETE, report.detail


@pytest.mark.parametrize("name", ["luigi.py", "json.py", "pipeline.py"])
def test_what_stands_in_the_working_directory_shadows_nothing(node: Node, name: str) -> None:
    """An earlier run may have left it there."""
    report = node.report("Marked", files={name: "raise SystemExit('the wrong one')\n"})
    assert report.reason is Reason.COMPLETE, report.detail


def configured_word(node: Node) -> str:
    return str(ast.literal_eval((node.shared / "configured").read_text())[1])


@pytest.mark.parametrize("name", ["luigi.cfg", "client.cfg"])
def test_configuration_in_the_working_directory_is_not_read(node: Node, name: str) -> None:
    """An earlier run may have left it there; a reload of Luigi's configuration does not find it either."""
    reload = "import luigi, pipeline\nluigi.configuration.get_config().reload()\nConfigured = pipeline.Configured\n"
    files = {"local.py": reload, name: "[Settings]\nword = left\n"}
    report = node.report("Configured", module="local", files=files)
    assert (report.reason, configured_word(node)) == (Reason.COMPLETE, "none"), report.detail


def test_configuration_that_a_variable_names_counts_from_the_working_directory(node: Node) -> None:
    files = {"mine.cfg": "[Settings]\nword = named\n"}
    report = node.report("Configured", files=files, env={"LUIGI_CONFIG_PATH": "mine.cfg"})
    assert (report.reason, configured_word(node)) == (Reason.COMPLETE, "named"), report.detail


def test_a_variable_python_cannot_print_everywhere(node: Node) -> None:
    text = "import pipeline\nprint('täsk ✓')\nclass Local(pipeline.Marked):\n    pass\n"
    started = node.start("Local", module="local", files={"local.py": text}, env={"LC_ALL": "C"})
    assert started.report().reason is Reason.COMPLETE, started.log


def test_the_log_has_each_record_once_with_its_time(node: Node) -> None:
    started = node.start("Tree", arguments={"leaves": "2"})
    started.report()
    done = [line for line in started.lines if "Worker" in line and "done" in line and "Tree(" in line]
    assert len(done) == 1
    assert done[0][:2] == "20"
    assert " INFO [pid " in done[0]
    assert not [line for line in started.lines if "DEBUG" in line]


@pytest.mark.parametrize("way", ["argument", "luigi.cfg"])
def test_the_users_log_level_wins(node: Node, way: str) -> None:
    if way == "argument":
        started = node.start("Tree", arguments={"log-level": "ERROR"})
    else:
        files = {"own.cfg": "[core]\nlog_level = ERROR\n"}
        started = node.start("Tree", files=files, env={"LUIGI_CONFIG_PATH": "own.cfg"})
    started.report()
    assert not [line for line in started.lines if "INFO" in line]


def test_the_users_own_handler_is_the_only_one(node: Node) -> None:
    text = "import logging, pipeline\nlogging.basicConfig(format='OWN %(message)s')\n"
    text += "class Local(pipeline.Marked):\n    pass\n"
    started = node.start("Local", module="local", files={"local.py": text})
    started.report()
    assert len([line for line in started.lines if "running" in line and "Local(" in line]) == 1
    assert [line for line in started.lines if line.startswith("OWN ")]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_rude_task_does_not_end_the_log_or_the_result(node: Node, workers: str) -> None:
    started = node.start("Rude", arguments={"workers": workers})
    report = started.report()
    assert report.reason is Reason.COMPLETE, started.log
    assert "to descriptor one" in started.lines
    assert [line for line in started.lines if "done" in line and "Rude(" in line], "Luigi's log went on"


def test_a_task_that_closes_luigis_own_descriptors_is_reported(node: Node) -> None:
    report = node.report("ClosesAll")
    assert report.reason is Reason.SCHEDULING_FAILED
    assert report.detail.startswith("luigi ended with OSError: ")


def test_a_task_process_that_closes_them_is_judged_by_what_it_left(node: Node) -> None:
    report = node.report("ClosesAll", arguments={"workers": "2"})
    assert report.reason is Reason.COMPLETE, "the scheduler was told of a failure, but the output is there"
    assert report.progress == Progress(failed=1)


def test_a_loud_task_is_streamed(node: Node) -> None:
    started = node.start("Loud", arguments={"megabytes": "20"})
    assert started.report().reason is Reason.COMPLETE
    assert sum(len(line) == 1023 for line in started.lines) == 20 * 1024


def test_options_of_luigi_and_other_tasks(node: Node) -> None:
    arguments = {"workers": "2", "Settings-word": "set", "Settings_flag": "true", "word": "own"}
    started = node.start("Configured", arguments=arguments)
    started.report()
    assert ast.literal_eval((node.shared / "configured").read_text()) == ("own", "set", True)
    assert "Running Worker with 2 processes" in started.log


def test_threads_and_exit_handlers_of_the_pipeline_do_not_hold_the_result(node: Node) -> None:
    text = "import atexit, pathlib, threading, pipeline\nclass Local(pipeline.Marked):\n    pass\n"
    text += f"atexit.register(pathlib.Path(r'{node.shared}', 'handler').touch)\n"
    started = node.start("Local", module="local", files={"local.py": text})
    assert started.report().reason is Reason.COMPLETE
    assert (node.shared / "handler").exists()
    text += "threading.Thread(target=threading.Event().wait).start()\n"
    (node.shared / "Local").unlink()
    arguments = {"mark": f"second-{node.shared.name}"}  # the scheduler runs no task twice within 10 s
    assert node.report("Local", module="local", arguments=arguments, files={"local.py": text}).reason is Reason.COMPLETE


def test_progress_is_told_while_it_runs(node: Node) -> None:
    started = node.start("NeedsHeld")
    wait_until(lambda: started.run.progress() == Progress(running=1, pending=1), "the counts")
    assert started.run.result(0) is None
    (node.shared / "go").touch()
    assert started.report().progress == Progress(done=2)


@pytest.mark.parametrize("drained_first", [False, True])
def test_without_an_agent_the_process_ends(node: Node, drained_first: bool) -> None:
    """Started by hand, without a supervisor, so that only the end of the pipe can tell it."""
    control, result = os.pipe(), os.pipe()
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(HERE / "pipelines"),
        "SHARED": str(node.shared),
        "POLTERGUST_CONTROL_FD": str(control[0]),
        "POLTERGUST_RESULT_FD": str(result[1]),
    }
    request = Request("pipeline", "Deaf", (), node.scheduler_url, node.shared.name, budget=1)
    process = subprocess.Popen(
        [str(node.python), str(INSIDE)],
        env=env,
        cwd=node.scratch,
        pass_fds=(control[0], result[1]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        os.write(control[1], (json.dumps({"request": dataclasses.asdict(request)}) + "\n").encode())
        wait_until((node.shared / "held").exists, "the task to run")
        if drained_first:
            os.write(control[1], b'{"drain": true}\n')
        os.close(control[1])
        assert process.wait(60) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
        for descriptor in (control[0], *result):
            os.close(descriptor)


def test_a_scheduler_that_restarts_empty_in_the_middle(node: Node, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "luigi.cfg").write_text(LUIGID.format(folder=tmp_path / "nowhere"))

    def luigid(log: str) -> AbstractContextManager[object]:
        argv = [str(Path(sys.executable).with_name("luigid")), "--address", "127.0.0.1", "--port", str(port)]
        env = {**os.environ, "LUIGI_CONFIG_PATH": str(tmp_path / "luigi.cfg")}
        return running(argv, ready=lambda: port_open(port), log=tmp_path / log, env=env, cwd=tmp_path)

    with luigid("first"):
        started = node.start("NeedsHeld", scheduler_url=f"http://127.0.0.1:{port}")
        wait_until((node.shared / "held").exists, "the task to run")
    (node.shared / "go").touch()
    wait_until((node.shared / "Held").exists, "the task to end without a scheduler")
    with luigid("second"):
        assert started.report().reason is Reason.COMPLETE, started.log
    assert node.executions("Held") == node.executions("NeedsHeld") == 1
