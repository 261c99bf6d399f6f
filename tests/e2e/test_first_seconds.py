"""What is wrong at the start is said at the start, in one line, with what to do: cache, scheduler, storage, Pub/Sub."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from pathlib import Path

import pytest

from tests.e2e.commands import Commands
from tests.e2e.nodes import node
from tests.e2e.paths import Bucket, Folder
from tests.emulators import pubsub as pubsub_calls
from tests.emulators.gcs import strict_gcs
from tests.emulators.luigid import luigid
from tests.emulators.pubsub import pubsub_emulator
from tests.emulators.servers import free_port, wait_until

COUNTED = "  module: outcomes\n  name: NoOutput\n  mark: {0}/{1}.mark\n"
NOBODY = 65534


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "plain.yaml").write_text("dependencies: []\n")
    return tmp_path


@pytest.mark.parametrize(
    "command", ["listen --path ./pipeline", "env build plain.yaml", "env list", "env prune", "env show x"]
)
def test_a_cache_that_is_a_file_is_one_line(project: Path, command: str) -> None:
    (project / "cache").touch()
    said = Commands("./pipeline", project)(*command.split(), "--cache-dir", "cache")
    assert said.code == 2
    assert said.err == (
        f"poltergust: --cache-dir {project}/cache is no folder; name another --cache-dir, or let the node's user write "
        "there\n"
    )


def test_doctor_names_a_broken_cache_once(project: Path) -> None:
    (project / "cache").touch()
    said = Commands("./pipeline", project)("doctor", "--cache-dir", "cache")
    assert said.code == 1
    assert said.out.count("fail ") == 1
    assert "is no folder" in said.out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_cache_of_another_user_is_refused(project: Path) -> None:
    (project / "cache").mkdir()
    os.chown(project / "cache", NOBODY, NOBODY)
    said = Commands("./pipeline", project)("listen", "--cache-dir", "cache")
    assert said.code == 2
    assert (
        f"belongs to another user (number {NOBODY}), who could change what runs here; name a folder of this user"
        in said.err
    )


def test_a_scheduler_that_is_down_is_said_before_the_node_listens_and_is_why_a_config_waits(
    tmp_path: Path, shared_cache: Path
) -> None:
    folder = Folder(tmp_path)
    folder.environment("plain")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with folder.agent("here", shared_cache / "one", "--scheduler-url", url) as running:
        said = f"the Luigi scheduler at {url} does not answer: start it, or repair the way to it"
        assert running.log.index(said) < running.log.index("is listening to")
        folder.put("early", COUNTED.format(folder.scratch, "early"))
        record = folder.until_records("early", "the scheduler to be missed", reason="scheduler-unreachable")
        assert (record["state"], record["text"]) == ("retrying", f"waiting for the scheduler: {said}")
        assert record["attempts"] == 0, "nothing was started that would only wait for it"
        poltergust = Commands(folder.path, tmp_path, {"COLUMNS": "200"})
        assert "waiting for the scheduler" in poltergust("status", "early").out
        with luigid(tmp_path, port):
            folder.until("early", "done", timeout=180)
    assert (folder.scratch / "early.mark").read_text().count("\n") == 1


def test_a_storage_that_does_not_answer_is_said_and_waited_for(tmp_path: Path) -> None:
    port = free_port()
    path = "gs://places/pipeline"
    env = {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"}
    waits = re.compile(r"waiting for the storage: no answer about gs://places/pipeline\S* yet; asking for up to 30 s")
    poltergust = Commands(path, tmp_path, env)
    listen = ["listen", "--path", path, "--cache-dir", str(tmp_path / "cache"), "--scheduler-url", "http://127.0.0.1:9"]
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(node(listen, log=tmp_path / "log", cwd=tmp_path, env=env, ready=False))
        status = stack.enter_context(poltergust.started("status"))
        for log in (tmp_path / "log", tmp_path / "status.err"):
            wait_until(lambda: waits.search(log.read_text()), "what is waited for", 25)  # noqa: B023
        assert status.wait(120) == 1
        last = (tmp_path / "status.err").read_text().splitlines()[-2:]
        assert "no good answer from the storage" in last[0]
        assert last[1] == "poltergust: give the command again when the storage answers"
        assert "tried again" not in (tmp_path / "status.err").read_text()
        running.until("waiting for the storage: gs://", 60)
        running.signal(signal.SIGTERM)
        assert running.wait(20) == 0
        assert "is listening to" not in running.log
        assert "Traceback" not in running.log


def test_a_subscription_that_is_not_there_is_said_once(tmp_path: Path, shared_cache: Path, scheduler: str) -> None:
    with pubsub_emulator() as host, strict_gcs(host) as server:
        bucket = Bucket(server, tmp_path / "bucket")
        pubsub_calls.create_topic(host, "test-project", "configs")
        env = {"PUBSUB_EMULATOR_HOST": host}
        options = ["--subscription", "none", "--project", "test-project", "--scheduler-url", scheduler]
        with bucket.agent("here", shared_cache / "one", *options, **env) as running:
            running.signal(signal.SIGTERM)  # it ends when the checks beside its start have
            assert running.wait() == 0
        assert running.log.count("projects/test-project/subscriptions/none does not exist") == 1, running.log
