"""What the scheduler says of a run now: fresher than the nodes' records, where it can be reached from here.

The records name the scheduler. An embedded one is on loopback of the node's own machine, so it is asked only from
there. One that does not answer is left alone for a while: the records still tell.
"""

from __future__ import annotations

import os
import time
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from poltergust.base.errors import Temporary, UsageError
from poltergust.base.progress import Progress
from poltergust.luigi_run import LOOPBACK
from poltergust.luigi_run.own_state import with_own_password
from poltergust.luigi_run.scheduler import Graph, SchedulerClient, judge
from poltergust.path.reading.model import ConfigView, NodeView

TIMEOUT = 2.0
PAUSE = 30.0  # seconds a scheduler that did not answer is not asked again


@dataclass(frozen=True)
class RunningTask:
    """A task that runs now, and the node that runs it ("" if that is not known). The scheduler knows its parameters as
    the pipeline gave them, secrets too: how it is shown, the records say."""

    task_id: str
    family: str
    node: str


@dataclass(frozen=True)
class Now:
    """The pipeline as the scheduler sees it now."""

    progress: Progress
    running: tuple[RunningTask, ...]


class SchedulerView:
    """Asks the schedulers that records name, or the one at `url`. `host` is this machine's name as nodes give it.
    `problem` is a line on why none could be asked, empty while there is nothing to say. Those that records name get no
    password, but for this user's own ones on this machine."""

    def __init__(
        self,
        host: str,
        url: str | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        timeout: float = TIMEOUT,
    ) -> None:
        self._host = host
        self._url = url
        self._clock = clock
        self._timeout = timeout
        self._not_before: dict[str, float] = {}
        self.problem = ""

    def now(self, view: ConfigView, nodes: Sequence[NodeView]) -> Now | None:
        """None where no scheduler can be asked, or it does not know the run."""
        graph = None if view.state.ended else self.graph(view, nodes)
        if graph is None:
            return None
        judgement = judge(graph)
        workers = {run.record.worker: run.record.node for run in view.runs if run.record.worker}
        tasks = [graph.tasks[task_id] for task_id in judgement.running]
        running = [RunningTask(task.task_id, task.family, workers.get(task.running_on or "", "")) for task in tasks]
        return Now(judgement.progress, tuple(running))

    def graph(self, view: ConfigView, nodes: Sequence[NodeView]) -> Graph | None:
        """The run's tasks, of an ended run as well while the scheduler remembers it; None as for `now`."""
        root = next((run.record.root_task_id for run in view.runs if run.record.root_task_id), "")
        for url in self._urls(view, nodes) if root else ():
            if self._clock() < self._not_before.get(url, 0.0):
                continue
            try:
                graph = SchedulerClient(with_own_password(url, os.environ), self._timeout).graph(root)
                self.problem = ""
            except (Temporary, UsageError) as error:
                self._not_before[url] = self._clock() + PAUSE
                self.problem = f"what the nodes recorded is shown: {error}"
                continue
            if judge(graph).known:
                return graph
        return None

    def _urls(self, view: ConfigView, nodes: Sequence[NodeView]) -> list[str]:
        if self._url is not None:
            return [self._url]
        hosts = {node.record.node: node.record.host for node in nodes}
        found = []
        for run in view.runs:
            url = run.record.scheduler
            if url.startswith(("http://", "https://")) and url not in found:
                try:
                    loopback = urllib.parse.urlsplit(url).hostname in LOOPBACK
                except ValueError:
                    continue  # a record of an older version, or not ours
                if not loopback or hosts.get(run.record.node) == self._host:
                    found.append(url)
        return found
