"""The Luigi scheduler as a node sees it: ask it, and judge what it says.

`SchedulerClient` speaks luigid's own JSON calls (`/api/<method>`, luigi/server.py) with short timeouts; every failure
is a `Temporary`. `judge` is pure: from a dependency graph to "can this pipeline go on?", which decides two rows of the
outcome table.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NoReturn, cast

from poltergust.base.errors import Temporary, UsageError
from poltergust.base.json_text import plausible_number
from poltergust.base.progress import Progress
from poltergust.base.reasons import Reason
from poltergust.base.urls import can_be_looked_up
from poltergust.luigi_run import LOOPBACK
from poltergust.luigi_run.notes import NOTE, Note

__all__ = ["Graph", "GraphTask", "Judgement", "SchedulerClient", "Worker", "judge"]

_REFUSED: Mapping[int, tuple[str, str]] = {  # why, and what to do
    HTTPStatus.UNAUTHORIZED: ("it wants a password", "name the file with --scheduler-password-file"),
    HTTPStatus.MISDIRECTED_REQUEST: ("it does not go by that name", "start it with --allow-host and the name"),
}

MAX_ANSWER_BYTES, MAX_ANSWER_SECONDS = 256 * 1024 * 1024, 60.0
"""What is read of one answer, and for how long: a record may name any address as its scheduler."""

RUNNING = ("RUNNING", "BATCH_RUNNING")
_UNKNOWN = "UNKNOWN"  # the scheduler has forgotten (or never knew) a dependency that somebody names


class SchedulerRefuses(Temporary):
    """It is there, and does not answer us: `why`, and the `remedy`."""

    def __init__(self, why: str, remedy: str, status: int) -> None:
        super().__init__(Reason.SCHEDULER_UNREACHABLE, f"{why}: {remedy} (HTTP {status})")
        self.why, self.remedy = why, remedy


@dataclass(frozen=True)
class GraphTask:
    """One task at the scheduler. `status` is Luigi's own word (PENDING, RUNNING, BATCH_RUNNING, DONE, FAILED, DISABLED,
    UNKNOWN); `workers` are the live workers that could run it, empty for an external task whose data is missing;
    `running_on` is the worker that runs it, or ran it last. Times are in seconds since 1970 by the scheduler's clock:
    `started` is when it last began to run (None: it has not), `updated` when its status last changed."""

    task_id: str
    family: str
    status: str
    deps: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()
    running_on: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    started: float | None = None
    updated: float | None = None


@dataclass(frozen=True)
class Graph:
    """The root task and everything below it, done tasks too. Empty if the scheduler does not know the root."""

    root: str
    tasks: Mapping[str, GraphTask]


@dataclass(frozen=True)
class Worker:
    """A Luigi worker the scheduler counts as alive."""

    worker_id: str
    host: str
    running: tuple[str, ...]


@dataclass(frozen=True)
class HeardWorker:
    """A Luigi worker as the scheduler hears of it: `silent` for so many seconds, known since `started`, asked at `now`
    (both in seconds since 1970 by the scheduler's clock). `enabled`: it may be given tasks; False: it was taken for
    dead by somebody, and what it reports of a task that it does not run counts for nothing. It takes `slots` tasks at
    once, works on the root task of the id `root` ("": not said yet), and says `note` to the other nodes."""

    worker_id: str
    silent: float
    started: float
    enabled: bool
    now: float
    slots: int = 1
    root: str = ""
    note: Note = field(default_factory=Note)


@dataclass(frozen=True)
class Judgement:
    """What a graph says, as task ids. `running` anywhere; `runnable` are PENDING with all dependencies DONE and a live
    worker that could take them; `unclaimed` are the same without any such worker (external data that is missing, or
    every process that announced them has ended: only a new process can find out); `retrying` are FAILED, which the
    scheduler makes PENDING again after its retry_delay; `disabled` are failed for good (budget spent) or disabled by
    Luigi."""

    progress: Progress
    running: tuple[str, ...] = ()
    runnable: tuple[str, ...] = ()
    unclaimed: tuple[str, ...] = ()
    retrying: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    root_done: bool = False
    known: bool = False

    @property
    def stuck(self) -> bool:
        """The pipeline cannot go on, for anybody: something failed for good, nothing runs, nothing is left to try."""
        return bool(self.disabled) and not (
            self.running or self.runnable or self.unclaimed or self.retrying or self.root_done
        )

    @property
    def worth_a_process(self) -> bool:
        """Whether a new Luigi process here would find anything to do, as far as the scheduler knows; also for a root
        that is done (its process asks `complete()`, in case the node that ran it died before the rename)."""
        return not self.known or self.root_done or bool(self.runnable or self.unclaimed or self.retrying)


def judge(graph: Graph) -> Judgement:
    """Pure; `inside/judging.py` judges the same graph where Poltergust cannot be imported.

    A dependency the scheduler has forgotten (done tasks are dropped after remove_delay, 600 s) counts as
    `unclaimed`: a new process announces it again and learns how it stands."""
    found: dict[str, list[str]] = {key: [] for key in ("running", "runnable", "unclaimed", "retrying", "disabled")}
    counts = dict.fromkeys(("done", "running", "pending", "failed"), 0)
    for task in graph.tasks.values():
        if task.status == "DONE":
            counts["done"] += 1
        elif task.status in RUNNING:
            counts["running"] += 1
            found["running"].append(task.task_id)
        elif task.status in ("FAILED", "DISABLED"):
            counts["failed"] += 1
            found["retrying" if task.status == "FAILED" else "disabled"].append(task.task_id)
        else:
            counts["pending"] += 1
            if task.status == _UNKNOWN:
                found["unclaimed"].append(task.task_id)
            elif all(dep in graph.tasks and graph.tasks[dep].status == "DONE" for dep in task.deps):
                found["runnable" if task.workers else "unclaimed"].append(task.task_id)
    root = graph.tasks.get(graph.root)
    return Judgement(
        progress=Progress(**counts),
        root_done=root is not None and root.status == "DONE",
        known=bool(graph.tasks),
        **{key: tuple(sorted(ids)) for key, ids in found.items()},
    )


class SchedulerClient:
    """Calls to one luigid; `timeout` in seconds bounds each. Usable from any thread. Every method that asks raises
    `Temporary(SCHEDULER_UNREACHABLE)`; the message names the URL without its credentials."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        try:
            parts = urllib.parse.urlsplit(url)
            host = parts.hostname if parts.port != 0 else None
            asked = f"{host or ''}{parts.path}"
            if not asked.isprintable() or " " in asked or not parts.path.isascii() or not can_be_looked_up(host or ""):
                raise ValueError
        except ValueError:  # also: brackets that hold no address, a port that is no number
            raise UsageError("the scheduler's URL cannot be read; write for example http://host:8082") from None
        if parts.scheme not in ("http", "https") or not host:
            raise UsageError(f"the scheduler's URL {parts.scheme}://{host or ''} is not of the form http://host:8082")
        host = parts.netloc.rpartition("@")[2]
        self.url = urllib.parse.urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._headers = {}
        if parts.username:
            pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        self._timeout = timeout
        # The machine's proxy is for the world outside; luigid on loopback is never behind it.
        handlers = [urllib.request.ProxyHandler({})] if parts.hostname in LOOPBACK else []
        self._opener = urllib.request.build_opener(*handlers)

    def healthy(self, timeout: float | None = None) -> bool:
        """Whether luigid answers its health check (`HEAD /` is 204) within `timeout` seconds, by default the
        client's."""
        try:
            request = urllib.request.Request(self.url + "/", method="HEAD", headers=self._headers)  # noqa: S310  # the scheme was checked to be http or https
            with self._opener.open(request, timeout=timeout or self._timeout) as answer:
                return bool(answer.status == 204)
        except (OSError, http.client.HTTPException):
            return False

    def graph(self, root_task_id: str) -> Graph:
        """All tasks below the root, done ones too. Asking also makes the scheduler prune dead workers."""
        found = self.call("dep_graph", task_id=root_task_id, include_done=True)
        try:
            return Graph(root_task_id, _tasks(found))
        except KeyError as error:
            self._fail("its graph has tasks without name or status: is this a luigid?", error)

    def heard(self) -> tuple[HeardWorker, ...]:
        """All workers that the scheduler knows, with how long it has not heard of each, by its own clock: within a
        second, since its answer bears no finer time."""
        answer, date = self._ask("worker_list", {"include_running": False})
        try:
            now = parsedate_to_datetime(date).timestamp()
            return tuple(
                HeardWorker(
                    worker_id=str(worker["name"]),
                    silent=now - float(worker["last_active"]),
                    started=float(worker["started"]),
                    enabled=worker["state"] == "active",
                    now=now,
                    slots=int(worker.get("workers") or 1),
                    root=str(worker.get("first_task") or ""),
                    note=Note.of(worker.get(NOTE)),
                )
                for worker in cast("list[dict[str, Any]]", answer)
            )
        except (ValueError, KeyError, TypeError) as error:
            self._fail("its list of workers has no times: is this a luigid?", error)

    def workers(self) -> tuple[Worker, ...]:
        """All workers that count as alive. Asking also makes the scheduler prune dead ones."""
        answer = self.call("worker_list", include_running=True)
        if not isinstance(answer, list):
            self._fail("its list of workers is no list: is this a luigid?")
        return tuple(
            Worker(
                worker_id=str(worker["name"]),
                host=str(worker.get("host", "")),
                running=tuple(worker.get("running", ())),
            )
            for worker in answer
        )

    def call(self, method: str, **arguments: object) -> object:
        """What luigid answers to one of its own calls."""
        return self._ask(method, arguments)[0]

    def _ask(self, method: str, arguments: Mapping[str, object]) -> tuple[object, str]:
        """The answer, and the time at which it was given, as HTTP has it ("" where it is not said)."""
        body = urllib.parse.urlencode({"data": json.dumps(arguments)}).encode()
        request = urllib.request.Request(f"{self.url}/api/{method}", data=body, headers=self._headers)  # noqa: S310  # the scheme was checked to be http or https
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                content = json.loads(_whole(answer))
                return cast("dict[str, object]", content)["response"], answer.headers.get("Date", "")
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in _REFUSED:
                why, remedy = _REFUSED[error.code]
                raise SchedulerRefuses(self._cannot(why), remedy, error.code) from error
            self._fail(f"{method} answered HTTP {error.code}", error)
        except urllib.error.URLError as error:
            self._fail(str(error.reason), error)
        except (OSError, http.client.HTTPException) as error:
            self._fail(str(error) or type(error).__name__, error)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            self._fail(f"{method} did not answer as luigid does", error)

    def _fail(self, why: str, cause: BaseException | None = None) -> NoReturn:
        raise Temporary(Reason.SCHEDULER_UNREACHABLE, self._cannot(why)) from cause

    def _cannot(self, why: str) -> str:
        return f"the Luigi scheduler at {self.url} cannot be asked: {why}"


def _whole(answer: http.client.HTTPResponse) -> bytes:
    """Raises `ValueError` for one that is too long, or is not at its end in time."""
    data, end = bytearray(), time.monotonic() + MAX_ANSWER_SECONDS
    while piece := answer.read1(1024 * 1024):
        data += piece
        if len(data) > MAX_ANSWER_BYTES or time.monotonic() > end:
            raise ValueError("the answer does not end")
    return bytes(data)


def _tasks(answer: object) -> dict[str, GraphTask]:
    """Serialized tasks as dep_graph and task_list give them (luigi/scheduler.py, _serialize_task)."""
    if not isinstance(answer, dict):
        return {}
    return {
        task_id: GraphTask(
            task_id=task_id,
            family=str(entry["name"]),
            status=str(entry["status"]),
            deps=_names(entry.get("deps")),
            workers=_names(entry.get("workers")),
            running_on=_name(entry.get("worker_running")),
            params=_texts(entry.get("params")),
            started=plausible_number(entry.get("time_running")),
            updated=plausible_number(entry.get("last_updated")),
        )
        for task_id, entry in answer.items()
        if isinstance(entry, dict)
    }


def _name(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _names(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _texts(value: object) -> dict[str, str]:
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}
