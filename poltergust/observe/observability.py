"""What operators see of one agent: the parts that were asked for, and what happens to its runs, handed on to them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poltergust.base.stopping import Stopping
from poltergust.environments import Environments
from poltergust.luigi_run.scheduler import SchedulerClient
from poltergust.observe.posts import OutcomePosts
from poltergust.observe.probe import SchedulerProbe
from poltergust.observe.settings import ObserveSettings
from poltergust.observe.status import Status
from poltergust.observe.systemd import Systemd
from poltergust.path.layout import WatchedPath
from poltergust.path.outcome import RenameResult
from poltergust.path.retention import RetentionLoop
from poltergust.path.state import PathState
from poltergust.runs.context import RunObserver
from poltergust.runs.run import Run, Verdict

if TYPE_CHECKING:
    from poltergust.observe.http import PageServer
    from poltergust.observe.metrics import Metrics


@dataclass(frozen=True)
class Observability(RunObserver):
    """Health, metrics, systemd, posts and retention of one agent, `running` around its life. As a `RunObserver` it
    hands on what happens to runs: to the metrics and to the posts, where those were asked for."""

    settings: ObserveSettings
    probe: SchedulerProbe
    metrics: Metrics | None
    posts: OutcomePosts | None

    @classmethod
    def of(
        cls, settings: ObserveSettings, path: WatchedPath, node: str, scheduler: SchedulerClient, stopping: Stopping
    ) -> Observability:
        """What `settings` ask for; nothing is started yet."""
        metrics, posts = None, None
        if settings.http is not None:
            from poltergust.observe.metrics import Metrics  # 0.1 s that a polling pass should not pay

            metrics = Metrics()
        if settings.notify_url is not None:
            posts = OutcomePosts(
                settings.notify_url,
                settings.notify_secret,
                path=path.root,
                node=node,
                result=metrics.posted if metrics else lambda _: None,
                hurry=lambda: stopping.now,
            )
        return cls(settings, SchedulerProbe(scheduler.healthy, scheduler.url), metrics, posts)

    def environments(self, environments: Environments) -> Environments:
        """The same, whose answers the metrics count."""
        if self.metrics is None:
            return environments
        from poltergust.observe.metrics import CountedEnvironments

        return CountedEnvironments(environments, self.metrics)

    def started(self, seconds: float) -> None:
        if self.metrics is not None:
            self.metrics.started(seconds)

    def task_ended(self, family: str, result: str, seconds: float) -> None:
        if self.metrics is not None:
            self.metrics.task_ended(family, result, seconds)

    def reconciled(self, verdict: Verdict) -> None:
        if self.metrics is not None:
            self.metrics.reconciled(verdict)

    def renamed(self, run: Run, verdict: Verdict, result: RenameResult) -> None:
        if self.metrics is not None:
            self.metrics.renamed(run, verdict, result)
        if self.posts is not None:
            self.posts.renamed(run, verdict, result)

    def logged(self, size: int) -> None:
        if self.metrics is not None:
            self.metrics.logged(size)

    @contextlib.contextmanager
    def running(self, status: Callable[[], Status], state: PathState) -> Iterator[None]:
        """Every part runs while the context is open. Raises `UsageError`: an address in use."""
        with contextlib.ExitStack() as stack:
            for part in self._parts(status, state):
                part.start()
                stack.callback(part.stop)
            yield

    def _parts(
        self, status: Callable[[], Status], state: PathState
    ) -> Iterator[SchedulerProbe | OutcomePosts | RetentionLoop | Systemd | PageServer]:
        """In the order of their start. Each is made when the one before it runs."""
        yield self.probe
        if self.settings.http is not None and self.metrics is not None:
            from poltergust.observe.http import PageServer
            from poltergust.observe.pages import pages

            self.metrics.watch(status)
            yield PageServer(self.settings.http, pages(status, self.metrics))
        if self.settings.keep is not None:
            yield RetentionLoop(state.retention(self.settings.keep))
        if self.settings.systemd is not None:
            yield Systemd(self.settings.systemd, self.settings.watchdog, status)
        # Last, so that it is the first to stop: nobody ends a run any more, and systemd and health still answer.
        if self.posts is not None:
            yield self.posts
