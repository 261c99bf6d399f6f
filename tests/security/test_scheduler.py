"""Whoever reaches a luigid can have code run on the nodes. Each test here is an attack on that way."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from poltergust.base.errors import UsageError
from poltergust.base.reasons import Reason
from poltergust.luigi_run.own_state import own_password_file, with_own_password
from poltergust.luigi_run.passwords import read_passwords
from poltergust.luigi_run.scheduler import SchedulerClient
from tests.emulators.servers import free_port, port_open, running, wait_until
from tests.integration.luigi_run.conftest import Node, make_node, node, python, scheduler_url, starts, warm

__all__ = ["make_node", "node", "python", "scheduler_url", "starts", "warm"]  # fixtures

NOBODY = 65534
PASSWORD = "correct-horse-battery"
OTHER_USER = pytest.mark.skipif(os.geteuid() != 0, reason="acting as another user needs root: run the tests as root")


@contextlib.contextmanager
def scheduler(folder: Path, *options: str, password: str | None = PASSWORD) -> Iterator[str]:
    """`poltergust scheduler` with its password in `folder`; its URL without it."""
    port = free_port()
    argv = [sys.executable, "-m", "poltergust", "scheduler", "--port", str(port), "--state-dir", str(folder / "state")]
    if password is not None:
        write_password(folder / "password", password)
        argv += ["--password-file", str(folder / "password")]
    with running([*argv, *options], ready=lambda: port_open(port), log=folder / "log", cwd=folder):
        yield f"http://127.0.0.1:{port}"


def write_password(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


def status(url: str, password: str | None = None, **headers: str) -> int:
    auth = None if password is None else ("poltergust", password)
    return requests.get(url, headers=headers, auth=auth, timeout=10, allow_redirects=False).status_code


def call(url: str, method: str, **arguments: object) -> None:
    """As an attacker who reaches a luigid that asks for no password."""
    requests.post(f"{url}/api/{method}", data={"data": json.dumps(arguments)}, timeout=10).raise_for_status()


def refused(*options: str) -> str:
    """What `poltergust scheduler` says that does not start because of its options."""
    done = subprocess.run(
        [sys.executable, "-m", "poltergust", "scheduler", "--port", str(free_port()), *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


PAGES = ["/", "/api/worker_list", "/api/add_task", "/static/visualiser/index.html", "/tasklist", "/history", "/metrics"]


def test_nothing_is_served_without_the_password(tmp_path: Path) -> None:
    with scheduler(tmp_path) as url:
        for page in PAGES:
            assert status(url + page) == 401, page
            assert status(url + page, "wrong") == 401, page
        assert requests.head(url, timeout=10).status_code == 401
        assert requests.post(f"{url}/api/add_task", data={"data": "{}"}, timeout=10).status_code == 401
        assert status(url + "/api/worker_list", PASSWORD) == 200
        assert status(url + "/metrics", PASSWORD) == 200
        assert requests.head(url, auth=("poltergust", PASSWORD), timeout=10).status_code == 204
    assert PASSWORD not in (tmp_path / "log").read_text()


def test_a_tunnel_is_not_open_to_every_page_of_a_browser(tmp_path: Path) -> None:
    """A site can let its name lead to 127.0.0.1; another can send a form there, password and all."""
    with scheduler(tmp_path, "--allow-host", "head") as url:
        page = f"{url}/api/worker_list"
        port = url.rpartition(":")[2]
        assert status(page, PASSWORD, Host=f"evil.example:{port}") == 421
        assert status(page, PASSWORD, Host=f"127.0.0.1.evil.example:{port}") == 421
        assert status(page, PASSWORD, Origin="http://evil.example") == 403
        assert status(page, PASSWORD, Origin="null") == 403
        assert status(page, PASSWORD, **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}) == 403
        assert status(page, PASSWORD, **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}) == 403
        for name in ("localhost", "127.0.0.1", "[::1]", "head", "HEAD"):
            assert status(page, PASSWORD, Host=f"{name}:{port}") == 200, name
        assert status(page, PASSWORD, Origin=url, **{"Sec-Fetch-Site": "same-origin"}) == 200


def test_the_password_is_changed_while_it_runs(tmp_path: Path) -> None:
    with scheduler(tmp_path) as url:
        page = f"{url}/api/worker_list"
        write_password(tmp_path / "password", f"{PASSWORD}\npoltergust:the-new-one\n")
        assert [status(page, password) for password in (PASSWORD, "the-new-one")] == [200, 200]
        write_password(tmp_path / "password", "")
        assert status(page, "the-new-one") == 200, "an empty file is a mistake, not an open door"
        assert status(page, "") == 401
        write_password(tmp_path / "password", "the-new-one\n")
        assert [status(page, password) for password in (PASSWORD, "the-new-one")] == [401, 200]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_password_that_others_can_read_is_none(tmp_path: Path, mode: int) -> None:
    write_password(tmp_path / "password", PASSWORD, mode)
    said = refused("--password-file", str(tmp_path / "password"))
    assert "others can read the password file" in said
    assert PASSWORD not in said
    with pytest.raises(UsageError, match="chmod 600"):
        read_passwords(tmp_path / "password")


def as_nobody(*argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, user=NOBODY, group=NOBODY, extra_groups=(), cwd="/")


class Evil:
    """Runs code where it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return (os.mkdir, (str(self.file),))


@OTHER_USER
@pytest.mark.parametrize("whose", ["folder", "file", "mode"])
def test_the_state_of_somebody_else_is_not_unpickled(tmp_path: Path, whose: str) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "state.pickle").write_bytes(pickle.dumps(Evil(tmp_path / "was-here")))
    (state / "state.pickle").chmod(0o600)
    if whose == "mode":
        state.chmod(0o777)
    else:
        os.chown(state if whose == "folder" else state / "state.pickle", NOBODY, NOBODY)
    said = refused("--state-dir", str(state))
    assert "would be run as code" in said
    assert not (tmp_path / "was-here").exists()


@OTHER_USER
def test_another_user_of_the_machine_gets_nothing_from_the_embedded_scheduler(tmp_path: Path) -> None:
    pipeline = tmp_path / "pipeline"
    pipeline.mkdir()
    argv = [sys.executable, "-m", "poltergust", "listen", "--path", str(pipeline), "--cache-dir", str(tmp_path / "c")]
    log = tmp_path / "log"
    with running(argv, ready=lambda: "is listening to" in log.read_text(), log=log, cwd=tmp_path):
        line = next(line for line in log.read_text().splitlines() if "the embedded scheduler is at" in line)
        url = line.split(" is at ")[1].split(",")[0]
        file = own_password_file(os.environ)
        password = read_passwords(file)[0].password
        assert str(file) in line
        assert SchedulerClient(with_own_password(url, os.environ)).workers() == ()
        assert as_nobody("cat", str(file)).wait() != 0
        assert status(f"{url}/api/worker_list") == 401
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                assert password.encode() not in (process / "cmdline").read_bytes()
                assert password.encode() not in (process / "environ").read_bytes()
        beside = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
        assert not [text for text in beside if password.encode() in text], "not in log, records, state"


@OTHER_USER
def test_the_own_password_is_not_given_to_another_users_port(tmp_path: Path) -> None:
    """Records beside a path may name any address of this machine as their scheduler."""
    file = own_password_file(os.environ)
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        write_password(file, f"poltergust:{PASSWORD}")
    port = free_port()
    listen = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)"
    trap = as_nobody("/usr/bin/python3", "-c", listen)
    try:
        wait_until(lambda: port_open(port), "the trap to listen")
        url = f"http://127.0.0.1:{port}"
        assert with_own_password(url, os.environ) == url
    finally:
        trap.kill()
        trap.wait()
    with socket.create_server(("127.0.0.1", 0)) as ours:
        assert "@" in with_own_password(f"http://127.0.0.1:{ours.getsockname()[1]}", os.environ)


def test_a_runs_process_shows_nobody_the_password(node: Node, tmp_path: Path) -> None:
    with scheduler(tmp_path, password="user:p@ss word%") as url:
        client_url = read_passwords(tmp_path / "password")[0].in_url(url)
        started = node.start("NeedsHeld", scheduler_url=client_url)
        wait_until((node.shared / "held").exists, "the task to run")
        for name in ("cmdline", "environ"):
            text = Path(f"/proc/{started.run.pid}/{name}").read_bytes()
            assert b"p@ss" not in text
            assert b"p%40ss" not in text
        (node.shared / "go").touch()
        assert started.report().reason is Reason.COMPLETE, started.log
        assert "p@ss" not in started.log
        assert "p%40ss" not in started.log
    again = node.start("Tree", arguments={"leaves": "1"}, scheduler_url=client_url)
    assert again.report().reason is Reason.SCHEDULER_UNREACHABLE
    assert "p%40ss" not in again.log + again.report().detail


EVIL_MODULE = """
import os, luigi
open(os.path.join(os.environ["SHARED"], "was-here"), "w").close()
class Evil(luigi.Task):
    values = luigi.Parameter(batch_method=max)
"""


def test_a_task_that_somebody_hands_to_a_live_worker_is_not_imported(node: Node) -> None:
    worker = f"worker-{node.shared.name}"
    started = node.start("NeedsHeld", worker=worker, files={"evil.py": EVIL_MODULE}, idle=30)
    wait_until((node.shared / "held").exists, "the run to be at work")
    stranger = f"Evil_{node.shared.name}"
    task = {"task_id": stranger, "family": "Evil", "module": "evil", "params": {"values": "1"}, "priority": 100}
    call(node.scheduler_url, "add_task", worker=worker, **task)
    (node.shared / "go").touch()
    assert started.report().reason is Reason.COMPLETE, started.log
    assert not (node.shared / "was-here").exists()
    assert f"the scheduler handed out {stranger}, which is no part of this run" in started.log
    assert tasks(node.scheduler_url, [stranger]) == {stranger: "DISABLED"}


def test_a_batch_with_a_stranger_in_it_is_not_imported(node: Node) -> None:
    """Luigi imports the module of a batch before it looks at the batch's members."""
    worker = f"worker-{node.shared.name}"
    started = node.start("NeedsHeld", worker=worker, files={"evil.py": EVIL_MODULE}, idle=30)
    wait_until((node.shared / "held").exists, "the run to be at work")
    strangers = [f"Evil_{number}_{node.shared.name}" for number in (1, 2)]
    call(node.scheduler_url, "add_task_batcher", worker=worker, task_family="Evil", batched_args=["values"])
    for stranger in strangers:
        task = {"task_id": stranger, "family": "Evil", "module": "evil", "params": {"values": "1"}, "priority": 100}
        call(node.scheduler_url, "add_task", worker=worker, batchable=True, **task)
    (node.shared / "go").touch()
    assert started.report().reason is Reason.COMPLETE, started.log
    assert not (node.shared / "was-here").exists()
    assert tasks(node.scheduler_url, strangers) == dict.fromkeys(strangers, "DISABLED")


def tasks(url: str, ids: list[str]) -> dict[str, str]:
    """How they stand at the scheduler."""
    graphs = [SchedulerClient(url).graph(task_id) for task_id in ids]
    return {task_id: graph.tasks[task_id].status for task_id, graph in zip(ids, graphs, strict=True)}


def test_a_batch_of_the_runs_own_tasks_is_what_the_run_knows_of_them(node: Node) -> None:
    """Parameters and module that somebody else put into the scheduler for a member change nothing."""
    text = """
import os, time, luigi, pipeline
class One(luigi.Task):
    value = luigi.Parameter(batch_method=max)
    mark = luigi.Parameter()
    def output(self):
        return luigi.LocalTarget(os.path.join(os.environ["SHARED"], "one-" + self.value))
    def run(self):
        with open(os.path.join(os.environ["SHARED"], "ran"), "a") as file:
            file.write(self.value + "\\n")
        for value in "123":
            open(os.path.join(os.environ["SHARED"], "one-" + value), "w").close()
class All(pipeline.Marked):
    def requires(self):
        return [One(value=value, mark=self.mark) for value in "123"]
"""
    started = node.start("All", module="batches", files={"batches.py": text})
    assert started.report().reason is Reason.COMPLETE, started.log
    assert (node.shared / "ran").read_text().split() == ["3"]


def test_a_scheduler_open_to_the_network_without_a_password_says_so(tmp_path: Path) -> None:
    with scheduler(tmp_path, "--address", "0.0.0.0", password=None) as url:
        assert status(f"{url}/api/worker_list") == 200
        begin = time.monotonic()
        while "can run code on the nodes" not in (tmp_path / "log").read_text():
            assert time.monotonic() - begin < 20
            time.sleep(0.05)


@pytest.mark.parametrize("address", ["", "head..lan"])
def test_an_address_that_is_none_is_not_taken_for_all_of_them(tmp_path: Path, address: str) -> None:
    """`--address "$ADDRESS"` with the variable unset: to the library that is every address of the machine."""
    said = refused("--address", address, "--state-dir", str(tmp_path))
    assert said == f"poltergust: --address {address!r}: write one of this machine's, or 0.0.0.0 for all of them\n"
