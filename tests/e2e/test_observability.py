"""The service face of real agents: health that follows the world around them, numbers, systemd, outcome posts."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.nodes import Node, descendants_with, node
from tests.emulators import pubsub as pubsub_calls
from tests.emulators.gcs import StrictGcs, strict_gcs
from tests.emulators.luigid import luigid
from tests.emulators.pubsub import pubsub_emulator
from tests.emulators.receiver import receiver
from tests.emulators.servers import free_port, wait_until

PROJECT, TOPIC, SUBSCRIPTION, BUCKET = "test-project", "configs", "node-1", "mybucket"
SECRET = "s3cret-of-the-tests"
LONG = 180.0
"""Seconds a change of the world may take to show: Google's clients try again for about 30 s by themselves."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "plain.yaml").write_text("dependencies: []\n")
    return tmp_path


def put(project: Path, name: str, module: str, task: str, **arguments: object) -> None:
    """Drop a config whole."""
    lines = "".join(f"  {key}: {value}\n" for key, value in arguments.items())
    aside = project / f"{name}.aside"
    aside.write_text(f"environment: ../plain.yaml\ntask:\n  module: {module}\n  name: {task}\n{lines}")
    aside.rename(project / "pipeline" / f"{name}.config.yaml")


@dataclass(frozen=True)
class Face:
    """An agent's pages."""

    url: str

    @classmethod
    def of(cls, running: Node) -> Face:
        found = re.search(r"serving health and metrics at (http://[\w.:]+)", running.log)
        assert found is not None, running.log
        return cls(found[1])

    def get(self, page: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url + page, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def numbers(self) -> dict[tuple[str, ...], float]:
        """Every sample by its name and its labels' values."""
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in families
            for sample in family.samples
        }

    def ready(self) -> bool:
        return self.get("/readyz") == (200, "ok\n")

    def says(self, *words: str) -> bool:
        """Whether it is not ready, for that reason, and says the same in its numbers, and is alive all the while."""
        code, text = self.get("/readyz")
        assert self.get("/healthz")[0] == 200, "starting it again would not help"
        return code == 503 and all(word in text for word in words) and self.numbers()["poltergust_ready",] == 0


def test_numbers_during_and_after_a_real_run(project: Path, cache: Path) -> None:
    arguments = ["listen", "--path", "./pipeline", "--node", "here", "--cache-dir", str(cache), "--http", "0"]
    with node(arguments, log=project / "log", cwd=project) as running:
        face = Face.of(running)
        wait_until(face.ready, "the node to be ready")
        put(project, "gated", "waits", "Gate", target=project / "out", gate=project / "gate")
        wait_until((project / "out.running").exists, "the task to run", LONG)
        during = face.numbers()
        assert during["poltergust_running_runs",] == 1
        assert during["poltergust_queue_names", "processing"] == 1
        assert during["poltergust_event_to_start_seconds_count",] == 1
        assert during["poltergust_environment_builds_total", "ok"] == 1
        assert during["poltergust_environment_build_seconds_sum",] > 0
        assert during["poltergust_seconds_since_last_event",] >= 0
        (shown,) = json.loads(face.get("/status.json")[1])["runs"]
        assert (shown["name"], shown["state"]) == ("gated", "running")
        assert "running    gated" in face.get("/")[1]
        (project / "gate").touch()
        put(project, "second", "waits", "Touch", target=project / "second")
        put(project, "wrong", "waits", "NoSuchTask")
        for name in ("gated.done", "second.done", "wrong.error"):
            wait_until((project / "pipeline" / f"{name}.yaml").exists, name, LONG)
        wait_until(lambda: face.numbers()["poltergust_queue_names", "processing"] == 0, "the node to rest")
        after = face.numbers()
        assert after["poltergust_runs_total", "complete", "done", "won"] == 2
        assert after["poltergust_runs_total", "error", "unknown-task", "won"] == 1
        assert after["poltergust_environment_hits_total",] == 2
        assert after["poltergust_event_to_start_seconds_count",] == 3
        logs = (project / "pipeline.poltergust" / "logs").rglob("*.log")
        assert after["poltergust_log_bytes_total",] == sum(path.stat().st_size for path in logs) > 0
        assert after["poltergust_scans_total", "ok"] >= 1
        assert after["poltergust_seconds_since_last_scan",] >= 0
        lines = running.log.splitlines()
        assert any(re.search(r"gated: done .* \[gated@\S+ on here\]$", line) for line in lines)


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictGcs]:
    with strict_gcs() as server:
        server.create_bucket(BUCKET)
        yield server


def listen_to_cloud(storage: str, pubsub: str, scheduler: str, cache: Path) -> tuple[list[str], dict[str, str]]:
    arguments = ["listen", "--path", f"gs://{BUCKET}/pipeline", "--subscription", SUBSCRIPTION, "--project", PROJECT]
    arguments += ["--node", "here", "--scheduler-url", scheduler, "--reconcile-interval", "2s", "--http", "127.0.0.1:0"]
    env = {"STORAGE_EMULATOR_HOST": storage, "PUBSUB_EMULATOR_HOST": pubsub, "GOOGLE_CLOUD_PROJECT": PROJECT}
    return [*arguments, "--cache-dir", str(cache)], env


def subscribe(host: str) -> None:
    pubsub_calls.create_topic(host, PROJECT, TOPIC)
    pubsub_calls.create_subscription(host, PROJECT, SUBSCRIPTION, TOPIC)


def test_health_turns_red_and_green_again_as_scheduler_stream_and_storage_go_and_come(
    tmp_path: Path, cache: Path
) -> None:
    scheduler_port, pubsub_port = free_port(), free_port()
    with contextlib.ExitStack() as stack:
        scheduler = contextlib.ExitStack()
        stack.callback(scheduler.close)
        stream = contextlib.ExitStack()
        stack.callback(stream.close)
        storage = StrictGcs()
        stack.callback(lambda: storage.close())
        storage.start()
        storage.create_bucket(BUCKET)
        url = scheduler.enter_context(luigid(tmp_path, scheduler_port))
        host = stream.enter_context(pubsub_emulator(port=pubsub_port))
        subscribe(host)
        arguments, env = listen_to_cloud(storage.url, host, url, cache)
        running = stack.enter_context(node(arguments, log=tmp_path / "log", cwd=tmp_path, env=env))
        face = Face.of(running)
        wait_until(face.ready, "the node to be ready", LONG)
        pubsub_calls.finalize(host, PROJECT, TOPIC, BUCKET, "pipeline/none.config.yaml")
        pubsub_calls.finalize(host, PROJECT, TOPIC, BUCKET, "elsewhere/none.config.yaml")
        wait_until(
            lambda: (
                face.numbers()["poltergust_notifications_total", "accepted", "pubsub"] == 1
                and face.numbers()["poltergust_notifications_total", "ignored", "pubsub"] == 1
            ),
            "the notifications to be counted",
        )

        scheduler.close()
        wait_until(lambda: face.says(f"the Luigi scheduler at {url} does not answer"), "no scheduler", LONG)
        assert face.numbers()["poltergust_scheduler_reachable",] == 0
        scheduler.enter_context(luigid(tmp_path, scheduler_port))
        wait_until(face.ready, "the scheduler to be seen again", LONG)

        stream.close()
        wait_until(lambda: face.says("node-1"), "no stream", LONG)
        assert face.numbers()["poltergust_source_alive", "pubsub"] == 0
        subscribe(stream.enter_context(pubsub_emulator(port=pubsub_port)))
        wait_until(face.ready, "the stream to be open again", LONG)

        port = storage.port
        storage.close()
        wait_until(lambda: face.says("pipeline"), "no storage", LONG)
        storage = StrictGcs(port=port)
        storage.start()
        storage.create_bucket(BUCKET)
        wait_until(face.ready, "the storage to be seen again", LONG)

        running.signal(signal.SIGTERM)
        assert running.wait() == 0
        assert "Traceback" not in running.log


def test_a_refused_rename_is_named_until_it_is_allowed(storage: StrictGcs, tmp_path: Path, cache: Path) -> None:
    with luigid(tmp_path) as scheduler, pubsub_emulator() as host:
        subscribe(host)
        storage.put(BUCKET, "plain.yaml", b"dependencies: []\n")
        storage.fail("objects.move", status=403, times=None)
        arguments, env = listen_to_cloud(storage.url, host, scheduler, cache)
        arguments += ["--log-format", "json"]
        with node(arguments, log=tmp_path / "log", cwd=tmp_path, env=env) as running:
            face = Face.of(running)
            wait_until(face.ready, "the node to be ready", LONG)
            text = b"environment: ../plain.yaml\ntask: {module: m}\n"
            generation = str(storage.put(BUCKET, "pipeline/x.config.yaml", text).generation)
            wait_until(lambda: face.says("x is error, but cannot be renamed"), "the refusal", LONG)
            assert face.numbers()["poltergust_renames_refused",] == 1
            assert face.numbers()["poltergust_rename_refusals_total",] == 1
            storage.heal()
            wait_until(face.ready, "the rename", LONG)
            assert "pipeline/x.error.yaml" in storage.objects(BUCKET)
            numbers = face.numbers()
            assert numbers["poltergust_renames_refused",] == 0
            assert numbers["poltergust_runs_total", "error", "missing-key", "won"] == 1
        lines = [json.loads(line) for line in running.log.splitlines()]
        assert {line["node"] for line in lines} == {"here"}
        of_the_run = [
            line for line in lines if "missing-key" in line["message"] or "cannot be renamed" in line["message"]
        ]
        assert len(of_the_run) >= 2
        assert {line["name"] for line in of_the_run} == {"x"}
        assert {line["generation"] for line in of_the_run} == {generation}


def test_each_outcome_is_posted_once_whatever_the_number_of_nodes(project: Path, cache: Path) -> None:
    env = {"POLTERGUST_NOTIFY_SECRET": SECRET}
    with contextlib.ExitStack() as stack:
        web = stack.enter_context(receiver())
        web.answers.append(503)
        scheduler = stack.enter_context(luigid(project))
        env["POLTERGUST_NOTIFY"] = f"{web.url}/hook/in-the-path"
        nodes = []
        for name in ("one", "two", "three"):
            arguments = ["listen", "--path", "./pipeline", "--node", name, "--cache-dir", str(cache)]
            arguments += ["--scheduler-url", scheduler]
            nodes.append(stack.enter_context(node(arguments, log=project / f"{name}.log", cwd=project, env=env)))
        put(project, "good", "surroundings", "Surroundings", target=project / "environment.json")
        put(project, "bad", "waits", "NoSuchTask")
        for name in ("good.done", "bad.error"):
            wait_until((project / "pipeline" / f"{name}.yaml").exists, name, LONG)
        wait_until(lambda: len(web.posts) >= 3, "the posts", LONG)
        for each in nodes:
            each.signal(signal.SIGTERM)
            assert each.wait() == 0
        posts = {post.content["id"]: post for post in web.posts}
        assert len(web.posts) == 3, "two, and one again after the 503"
        assert sorted((post.content["name"], post.content["outcome"]) for post in posts.values()) == [
            ("bad", "error"),
            ("good", "done"),
        ]
        for post in web.posts:
            assert post.path == "/hook/in-the-path"
            made = hmac.new(SECRET.encode(), post.body, hashlib.sha256).hexdigest()
            assert post.headers["X-Poltergust-Signature-256"] == f"sha256={made}"
        said = "".join(each.log for each in nodes)
        said += "".join(path.read_text() for path in (project / "pipeline.poltergust").rglob("*") if path.is_file())
        said += (project / "environment.json").read_text()
        assert SECRET not in said
        assert "in-the-path" not in said


def test_systemd_hears_of_ready_life_and_stopping_and_no_task_can_speak_to_it(project: Path, cache: Path) -> None:
    address = project / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(address))
        listening.setblocking(False)
        lines: list[str] = []

        def heard(line: str) -> bool:
            with contextlib.suppress(BlockingIOError):
                while True:
                    lines.extend(listening.recv(4096).decode().splitlines())
            return line in lines

        env = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "2000000"}
        arguments = ["listen", "--path", "./pipeline", "--node", "here", "--cache-dir", str(cache)]
        with node(arguments, log=project / "log", cwd=project, env=env) as running:
            wait_until(lambda: heard("READY=1"), "ready")
            wait_until(lambda: heard("WATCHDOG=1"), "a sign of life")
            put(project, "seen", "surroundings", "Surroundings", target=project / "environment.json")
            put(project, "gated", "waits", "Gate", target=project / "out", gate=project / "gate")
            wait_until((project / "pipeline" / "seen.done.yaml").exists, "the done file", LONG)
            wait_until((project / "out.running").exists, "the task to run", LONG)
            found = json.loads((project / "environment.json").read_text())
            assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & set(found)
            # The agent's own /proc/PID/environ shows for ever what it was started with.
            others = [
                line for line in descendants_with(f"NOTIFY_SOCKET={address}") if f"{running.process.pid}:" not in line
            ]
            assert others == []
            lines.clear()
            running.signal(signal.SIGTERM)
            wait_until(lambda: heard("STOPPING=1"), "stopping")
            wait_until(lambda: heard("WATCHDOG=1"), "signs of life while it drains")
            (project / "gate").touch()
            assert running.wait() == 0
        assert (project / "pipeline" / "gated.done.yaml").exists()
        assert not heard("READY=1")


def test_a_stopped_agent_is_silent_to_the_watchdog(project: Path, cache: Path) -> None:
    """What systemd would see of a process that hangs as a whole."""
    address = project / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(address))

        def silent(seconds: float) -> bool:
            """Whether no sign of life comes for so long."""
            listening.settimeout(seconds)
            try:
                while b"WATCHDOG=1" not in listening.recv(4096):
                    pass
            except TimeoutError:
                return True
            return False

        env = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "1000000"}
        arguments = ["listen", "--path", "./pipeline", "--node", "here", "--cache-dir", str(cache)]
        with node(arguments, log=project / "log", cwd=project, env=env) as running:
            assert not silent(60)
            running.signal(signal.SIGSTOP)
            try:
                wait_until(lambda: silent(3), "three periods without a sign of life")
            finally:
                running.signal(signal.SIGCONT)
            assert not silent(60)


def test_an_address_in_use_ends_the_agent_with_one_line(project: Path, cache: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        arguments = ["listen", "--path", "./pipeline", "--cache-dir", str(cache), "--http", address]
        with node(arguments, log=project / "log", cwd=project, ready=False) as running:
            assert running.wait() == 2
    assert f"poltergust: --http {address}: Address already in use" in running.log
    assert "Traceback" not in running.log
    assert os.listdir(project / "pipeline") == []


def test_a_lost_stream_is_said_the_scan_carries_on_and_a_new_subscription_is_taken(tmp_path: Path, cache: Path) -> None:
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(pubsub_emulator())
        storage = stack.enter_context(strict_gcs(host))
        scheduler = stack.enter_context(luigid(tmp_path))
        storage.create_bucket(BUCKET)
        subscribe(host)
        storage.notify(BUCKET, f"projects/{PROJECT}/topics/{TOPIC}", prefix="pipeline/")
        arguments, env = listen_to_cloud(storage.url, host, scheduler, cache)
        running = stack.enter_context(node(arguments, log=tmp_path / "log", cwd=tmp_path, env=env))
        face = Face.of(running)
        wait_until(face.ready, "the node to be ready", LONG)

        pubsub_calls.delete_subscription(host, PROJECT, SUBSCRIPTION)
        wait_until(lambda: face.says(SUBSCRIPTION), "the loss to be said", LONG)
        storage.put(BUCKET, "pipeline/x.config.yaml", b"task: wrong\n")
        wait_until(lambda: "pipeline/x.error.yaml" in storage.objects(BUCKET), "the scan to find it", LONG)
        pubsub_calls.create_subscription(host, PROJECT, SUBSCRIPTION, TOPIC)
        wait_until(face.ready, "the new subscription to be taken", LONG)

        pubsub_calls.delete_topic(host, PROJECT, TOPIC)
        wait_until(lambda: face.says(SUBSCRIPTION, "topic"), "a stream without a topic to be said", LONG)
        storage.put(BUCKET, "pipeline/y.config.yaml", b"task: wrong\n")
        wait_until(lambda: "pipeline/y.error.yaml" in storage.objects(BUCKET), "the scan to find it", LONG)
        pubsub_calls.delete_subscription(host, PROJECT, SUBSCRIPTION)
        subscribe(host)
        wait_until(face.ready, "the new topic's subscription to be taken", LONG)


def test_an_own_subscription_that_was_deleted_is_made_again(tmp_path: Path, cache: Path) -> None:
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(pubsub_emulator())
        storage = stack.enter_context(strict_gcs(host))
        scheduler = stack.enter_context(luigid(tmp_path))
        storage.create_bucket(BUCKET)
        pubsub_calls.create_topic(host, PROJECT, TOPIC)
        storage.notify(BUCKET, f"projects/{PROJECT}/topics/{TOPIC}", prefix="pipeline/")
        arguments, env = listen_to_cloud(storage.url, host, scheduler, cache)
        place = arguments.index("--subscription")
        arguments[place : place + 2] = ["--topic", TOPIC]
        arguments[arguments.index("2s")] = "1h"
        running = stack.enter_context(node(arguments, log=tmp_path / "log", cwd=tmp_path, env=env))
        face = Face.of(running)
        wait_until(face.ready, "the node to be ready", LONG)
        (own,) = pubsub_calls.subscriptions(host, PROJECT)
        pubsub_calls.delete_subscription(host, PROJECT, own.rsplit("/", 1)[1])
        wait_until(lambda: pubsub_calls.subscriptions(host, PROJECT) == [own], "it to be there again", LONG)
        wait_until(face.ready, "the node to be ready again", LONG)
        storage.put(BUCKET, "pipeline/x.config.yaml", b"task: wrong\n")
        wait_until(lambda: "pipeline/x.error.yaml" in storage.objects(BUCKET), "the event alone to start it", LONG)
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
        assert pubsub_calls.subscriptions(host, PROJECT) == []
