"""A small cluster of real processes to break: agents, luigid, Google's Pub/Sub emulator, the strict storage server.

`Cluster` starts and kills them, uploads configs, and after a fault `check` says whether everything is as it has to be:
each config became exactly one outcome and the right one, no process is left, and the agents serve on.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.nodes import Node, node
from tests.emulators import pubsub
from tests.emulators.gcs import StrictGcs, strict_gcs
from tests.emulators.servers import wait_until
from tests.faults.processes import is_fork_server, is_luigi, marked
from tests.faults.scheduler import Luigid

BUCKET = f"mybucket-{uuid.uuid4().hex[:8]}"  # agents of one name and path find each other on the machine
PROJECT = "faults"
TOPIC = "uploads"
PATH = "pipeline/"
ENVIRONMENT = f"gs://{BUCKET}/environment/plain.yaml"
PIPELINES = Path(__file__).with_name("pipelines")
CLOCK = Path(__file__).with_name("clock")
OUTCOMES = ("done", "error", "cancelled")

QUICK = """\
[scheduler]
prune_on_get_work = true
worker_disconnect_delay = 6
retry_delay = 1
record_task_history = false
"""
"""For tests that wait for a take-over often; `tests.emulators.luigid.CONFIG` is what an operator sets."""


@dataclass
class Upload:
    """The latest config of a name and what it has to become."""

    data: bytes
    outcome: str


@dataclass
class Cluster:
    """See `cluster`."""

    folder: Path
    cache: Path
    storage: StrictGcs
    luigid: Luigid
    pubsub: str | None
    options: tuple[str, ...] = ()
    own_subscriptions: bool = False
    nodes: dict[str, Node] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: f"faults-{uuid.uuid4().hex}")
    uploads: dict[str, Upload] = field(default_factory=dict)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _targets: dict[str, Path] = field(default_factory=dict)

    # Nodes

    def start(
        self,
        name: str = "node-1",
        *more: str,
        ready: bool = True,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = (),
    ) -> Node:
        """An agent; again under the same name after it ended. `command` stands before poltergust's."""
        arguments = ["listen", "--path", f"gs://{BUCKET}/{PATH.rstrip('/')}", "--node", name]
        arguments += ["--scheduler-url", self.luigid.url, "--cache-dir", str(self.cache)]
        if self.pubsub is not None and self.own_subscriptions:
            arguments += ["--topic", TOPIC, "--project", PROJECT]
        elif self.pubsub is not None:
            if pubsub.subscription(self.pubsub, PROJECT, name) is None:
                pubsub.create_subscription(self.pubsub, PROJECT, name, TOPIC)
            arguments += ["--subscription", name, "--project", PROJECT]
        full = {
            "STORAGE_EMULATOR_HOST": self.storage.url,
            "PYTHONPATH": f"{CLOCK}:{PIPELINES}",
            "FAULTS_MARK": self.mark,
            "FAULTS_NODE": name,
            "FAULTS_CLOCK": str(self.folder / "clock"),
            **({} if self.pubsub is None else {"PUBSUB_EMULATOR_HOST": self.pubsub}),
            **(env or {}),
        }
        log = self.folder / f"{name}-{next(self._numbers)}.log"
        arguments += [*self.options, *more]
        starting = node(arguments, log=log, cwd=self.folder, env=full, ready=ready, command=command)
        self.nodes[name] = self._stack.enter_context(starting)
        return self.nodes[name]

    def kill(self, *names: str) -> None:
        """SIGKILL the agents, all at once; returns when what they ran is gone as well."""
        for name in names:
            self.nodes[name].process.kill()
        for name in names:
            self.nodes.pop(name).wait()
        self.wait_gone(*names)

    def stop(self, name: str) -> None:
        """A clean stop."""
        stopping = self.nodes.pop(name)
        stopping.signal(signal.SIGTERM)
        assert stopping.wait(90) == 0, stopping.log

    def wait_gone(self, *names: str) -> None:
        """Until no process of these nodes is left."""
        marks = [f"FAULTS_NODE={name}" for name in names]

        def left() -> list[str]:
            return [text for each in marks for pid, text in marked(each).items() if pid in marked(self.mark)]

        wait_until(lambda: not left(), "the killed node's processes to be gone", timeout=30)

    # The bucket

    def names(self, prefix: str = PATH) -> list[str]:
        return [name for name in self.storage.objects(BUCKET) if name.startswith(prefix)]

    def put(self, name: str, data: bytes, outcome: str = "done") -> str:
        """Upload a config, and remember what it has to become."""
        self.uploads[name] = Upload(data, outcome)
        self.storage.put(BUCKET, f"{PATH}{name}.config.yaml", data)
        return name

    def upload(
        self, task: str = "Touch", *, name: str = "", outcome: str = "done", module: str = "faulty", **more: object
    ) -> str:
        """A config of `task`; its name. `environment`, `timeout`, `retries` and `variables` are the file's own keys,
        all else are arguments of the task. Each upload has a target of its own, `target(name)`."""
        number = next(self._numbers)
        name = name or f"{task.lower()}-{number}"
        self._targets[name] = self.folder / "targets" / f"{name}-{number}"
        lines = [f"environment: {more.pop('environment', ENVIRONMENT)}"]
        lines += [f"{key}: {more.pop(key)}" for key in ("timeout", "retries") if key in more]
        variables = more.pop("variables", {})
        assert isinstance(variables, dict)
        if variables:
            lines += ["variables:", *(f"  {key}: {value}" for key, value in variables.items())]
        lines += ["task:", f"  module: {module}", f"  name: {task}", f"  target: {self.target(name)}"]
        lines += [f"  {key}: {value}" for key, value in more.items()]
        return self.put(name, ("\n".join(lines) + "\n").encode(), outcome)

    def target(self, name: str) -> Path:
        """Of the latest upload of that name."""
        return self._targets[name]

    def started(self, name: str) -> list[list[str]]:
        """Node and process id of every start of the root task so far."""
        path = Path(f"{self.target(name)}.running")
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def runs_on(self, name: str, times: int = 1, timeout: float = 120) -> str:
        """The node that runs the root task, once it was started so often."""
        self.wait(lambda: len(self.started(name)) >= times, f"{name} to start {times} times", timeout)
        return self.started(name)[-1][0]

    def log(self, name: str) -> str:
        """The run's logs of all nodes and generations."""
        prefix = f"pipeline.poltergust/logs/{name}/"
        found = self.storage.objects(BUCKET)
        return "".join(each.data.decode() for key, each in found.items() if key.startswith(prefix))

    def wait_logged(self, text: str, *names: str) -> None:
        """Until that is in the log of one of these runs: its end is written in the background, after the outcome."""
        self.wait(lambda: any(text in self.log(name) for name in names), f"{text!r} in the log")

    # Afterwards

    def settled(self, *names: str) -> bool:
        """Whether all uploads (or those of these names) have become something."""
        standing = self.names()
        return not any(f"{PATH}{name}.config.yaml" in standing for name in names or self.uploads)

    def wait(self, condition: object, what: str, timeout: float = 120) -> None:
        """`wait_until`, with all agents' logs where it comes to nothing."""
        assert callable(condition)
        try:
            wait_until(condition, what, timeout)
        except AssertionError as error:
            logs = "\n\n".join(f"{path.name}:\n{path.read_text()[-6000:]}" for path in self.folder.glob("*-*.log"))
            raise AssertionError(f"{error}\n{self.names()}\n{marked(self.mark)}\n{logs}") from None

    def wait_settled(self, *names: str, timeout: float = 120) -> None:
        self.wait(lambda: self.settled(*names), "every config to become an outcome", timeout)

    def check(self, timeout: float = 120) -> None:
        """Everything is as it has to be: see the module. Forgets what was uploaded so far."""
        self.storage.heal()
        if self.nodes:
            self.upload(name=f"canary-{next(self._numbers)}")
        self.wait_settled(timeout=timeout)
        standing = {name: each.data for name, each in self.storage.objects(BUCKET).items() if name.startswith(PATH)}
        expected = {f"{PATH}{name}.{upload.outcome}.yaml": upload.data for name, upload in self.uploads.items()}
        wrong = sorted(set(standing) ^ set(expected))
        assert standing == expected, "\n".join(
            [str(wrong), *(self.log(key[len(PATH) :].split(".")[0]) for key in wrong)]
        )
        self.wait(self.quiet, "no Luigi process to be left", timeout=60)
        for name, each in self.nodes.items():
            assert each.process.poll() is None, f"{name} ended:\n{each.log[-4000:]}"
            assert "please report this" not in each.log, each.log[-6000:]
        self.forget()

    def forget(self) -> None:
        """Clear the path, so that the next fault begins on a clean one."""
        self.uploads.clear()
        client = self.storage.client()
        with contextlib.closing(client):
            for name in self.names(PATH):
                client.bucket(BUCKET).blob(name).delete()
        self.storage.forget_requests()

    def quiet(self) -> bool:
        """Only agents and their fork servers are left: no supervisor, no Luigi process, nothing a task started."""
        agents = {each.process.pid for each in self.nodes.values()}
        return not [pid for pid in marked(self.mark) if pid not in agents and not is_fork_server(pid)]

    def luigi_processes(self) -> list[int]:
        return sorted(pid for pid, text in marked(self.mark).items() if is_luigi(pid, text))

    def close(self) -> None:
        self.storage.heal()
        self.luigid.go_on()
        self._stack.close()


@contextlib.contextmanager
def cluster(
    folder: Path,
    cache: Path,
    *options: str,
    emulator: str | None = None,
    own_subscriptions: bool = False,
    luigid: str = QUICK,
) -> Iterator[Cluster]:
    """Storage and luigid, without any agent yet. `options` go to each agent; `emulator` is a Pub/Sub emulator's address
    (without: reconcile only), whose subscriptions are made for the agents or by them; `luigid` its configuration. No
    process may be left at the end."""
    with contextlib.ExitStack() as stack:
        storage = stack.enter_context(strict_gcs(pubsub=emulator))
        storage.create_bucket(BUCKET)
        storage.put(BUCKET, "environment/plain.yaml", b"dependencies: []\n")
        if emulator is not None:
            topic = pubsub.create_topic(emulator, PROJECT, TOPIC)
            storage.notify(BUCKET, topic, prefix=PATH, event_types=("OBJECT_FINALIZE",))
        (folder / "targets").mkdir()
        scheduler = Luigid(folder, luigid)
        stack.callback(scheduler.close)
        scheduler.start()
        made = Cluster(folder, cache, storage, scheduler, emulator, options, own_subscriptions)
        stack.callback(made.close)
        yield made
    wait_until(lambda: not marked(made.mark), "every process to be gone", timeout=60)
