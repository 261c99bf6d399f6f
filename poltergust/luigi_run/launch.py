"""Start a Luigi run: the environment's own Python on the folder `inside/`, the request by a pipe, at the end a report.

Nothing of the request is on the command line or in the child's environment, where every user of the machine could read
it. A child that ends without a result has died, whatever its exit code says: a task may have called `os._exit(0)`.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from poltergust.base.progress import Progress, TaskFailure
from poltergust.base.reasons import Reason
from poltergust.luigi_run import LOOPBACK, Report, Request
from poltergust.luigi_run.last_word import last_word
from poltergust.luigi_run.warm_starts import SharedStart, WarmStarts
from poltergust.luigi_run.worker_watch import WorkerWatch
from poltergust.processes import Child, Exit, Spawn

INSIDE = Path(__file__).with_name("inside")
TERM_GRACE_SECONDS = 3.0  # between SIGTERM and SIGKILL

_MAY_LEAVE_TASKS = (Reason.DRAINED, Reason.SCHEDULING_FAILED)
"""Results of a process that may have given up tasks which the scheduler takes for running."""

_REASONS = {reason.code: reason for reason in Reason}


class Launcher:
    """`Launch` on top of any `Spawn`. `on_death` is called with the worker id and the budget of a process that ended
    and may have left tasks; it gives them back and says which they are. `watch` speaks for those that live. With `warm`
    runs are forked where that can be."""

    def __init__(
        self,
        spawn: Spawn,
        on_death: Callable[[str, int], Sequence[str]] = lambda _worker, _budget: (),
        watch: WorkerWatch | None = None,
        warm: WarmStarts | None = None,
    ) -> None:
        self._spawn = spawn
        self._on_death = on_death
        self._watch = watch
        self._warm = warm

    def __call__(
        self,
        request: Request,
        *,
        python: Path,
        env: Mapping[str, str],
        workdir: Path,
        on_line: Callable[[str], None],
        on_end: Callable[[], None],
        on_reset: Callable[[], None] = lambda: None,
        on_tasks: Callable[[Sequence[object]], None] = lambda _: None,
        shared_env: Mapping[str, str] | None = None,
    ) -> LuigiProcess:
        watch = self._watch

        def ended() -> None:
            if watch is not None:
                watch.remove(request.worker)
            on_end()

        for worker in request.dead_workers:
            self._on_death(worker, request.budget)
        run = LuigiProcess(ended, on_reset, on_tasks, lambda: self._on_death(request.worker, request.budget))
        spawn = self._spawn
        if self._warm is not None and shared_env is not None:
            shared = SharedStart(python, request.preload, child_environment(shared_env, request.scheduler_url))
            spawn = self._warm.spawner(shared, plain=spawn)
        child = spawn(
            [str(python), str(INSIDE)],
            env=child_environment(env, request.scheduler_url),
            cwd=workdir,
            on_line=on_line,
            on_message=run._received,
            on_exit=run._exited,
            last_word=last_word(request.scheduler_url, request.worker, request.budget),
        )
        run._started(child)
        if watch is not None:
            watch.add(request.worker, run)
            if run.result(0) is not None:  # it ended before
                watch.remove(request.worker)
        child.send({"request": dataclasses.asdict(request)})
        return run


def child_environment(env: Mapping[str, str], scheduler_url: str) -> dict[str, str]:
    """`env`, with output unbuffered for a live log, and a scheduler on loopback never asked through a proxy."""
    full = {"PYTHONUNBUFFERED": "1", **env}
    host = urllib.parse.urlsplit(scheduler_url).hostname
    if host in LOOPBACK:
        for name in ("NO_PROXY", "no_proxy"):
            full[name] = ",".join(filter(None, (full.get(name), host)))
    return full


class LuigiProcess:
    """`LuigiRun`. The three private methods are called from the child's thread."""

    def __init__(
        self,
        on_end: Callable[[], None],
        on_reset: Callable[[], None],
        on_tasks: Callable[[Sequence[object]], None],
        on_death: Callable[[], Sequence[str]],
    ) -> None:
        self._on_death = on_death
        self._lost = ""  # why the other nodes have its tasks
        self._on_end = on_end
        self._on_reset = on_reset
        self._on_tasks = on_tasks
        self._child: Child | None = None
        self._has_child = threading.Event()
        self._ended = threading.Event()
        self._stopping = False
        self._message: Mapping[str, object] | None = None
        self._progress = Progress()
        self._root_task_id = ""
        self._report: Report | None = None

    @property
    def pid(self) -> int:
        """Of the process inside the environment, which is also its process group."""
        return self._running().pid

    def drain(self) -> None:
        self._running().send({"drain": True})

    def stop(self, grace: float) -> None:
        self._stopping = True
        try:
            threading.Thread(target=self._stop, args=(grace,), name="luigi-stop", daemon=True).start()
        except RuntimeError:  # no thread is left on this node, perhaps because of this very run
            self._running().kill()

    def lives(self) -> bool:
        """Whether the process is there and runs; one that a signal stopped does not. True where there is no /proc."""
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as file:
                return file.read().rpartition(b")")[2].split()[0] not in (b"T", b"t", b"Z", b"X")
        except OSError:
            return not os.path.exists("/proc/self") and not self._ended.is_set()

    def lost(self, why: str) -> None:
        """Other nodes have its tasks: it ends at once, and nothing of it counts."""
        self._lost = why
        self._running().kill()

    def progress(self) -> Progress:
        return self._progress

    def root_task_id(self) -> str:
        return self._root_task_id

    def result(self, timeout: float | None) -> Report | None:
        return self._report if self._ended.wait(timeout) else None

    def _stop(self, grace: float) -> None:
        child = self._running()
        for number, seconds in ((signal.SIGINT, grace), (signal.SIGTERM, TERM_GRACE_SECONDS)):
            child.signal(number)
            if child.wait(seconds) is not None:
                return
        child.kill()

    def _running(self) -> Child:
        self._has_child.wait()
        assert self._child is not None
        return self._child

    def _started(self, child: Child) -> None:
        self._child = child
        self._has_child.set()

    def _received(self, message: Mapping[str, object]) -> None:
        if "result" in message:
            self._message = mapping(message["result"])
        elif "progress" in message:
            self._progress = Progress.decode(message["progress"])
            self._root_task_id = str(message.get("root_task_id", ""))
        elif message.get("failures_reset"):
            self._on_reset()
        elif isinstance(events := message.get("tasks"), list):
            self._on_tasks(events)

    def _exited(self) -> None:
        end = self._running().wait(0)
        self._report = self._judge(end)
        self._progress = self._report.progress
        self._ended.set()
        self._on_end()

    def _judge(self, end: Exit | None) -> Report:
        received = None if self._message is None else report(self._message)
        if received is not None:
            if received.reason in _MAY_LEAVE_TASKS:
                self._on_death()
            return received
        if self._lost:
            return Report(Reason.OTHERS_RUN, self._lost, progress=self._progress)
        ran = ", ".join(self._on_death())
        ran = f"; it ran {ran}" if ran else ""
        if self._stopping:
            return Report(Reason.DRAINED, f"stopped before it reported a result{ran}", progress=self._progress)
        how = "" if end is None else f" with {end}"
        if end is not None and end.out_of_memory:
            text = f"the Luigi process was killed{how}: the machine or its memory limit ran out of memory{ran}"
            return Report(Reason.OUT_OF_MEMORY, text, progress=self._progress)
        text = f"the Luigi process ended{how} and without a result (a crash, a kill, or os._exit in a task){ran}"
        return Report(Reason.CHILD_DIED, text, progress=self._progress)


def report(message: Mapping[str, object]) -> Report | None:
    """The child's last message as a value, None if it is not one (a task may have written to the pipe)."""
    reason = _REASONS.get(str(message.get("reason")))
    if reason is None:
        return None
    failures = message.get("failures")
    return Report(
        reason,
        str(message.get("detail", "")),
        root_task_id=str(message.get("root_task_id", "")),
        failures=tuple(TaskFailure.decode(entry) for entry in failures) if isinstance(failures, list) else (),
        progress=Progress.decode(message.get("progress")),
    )


def mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
