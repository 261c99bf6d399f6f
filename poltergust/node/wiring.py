"""Settings to a working agent: which concrete part stands behind each interface."""

from __future__ import annotations

import contextlib
import logging
import resource
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from poltergust.base.stopping import Stopping
from poltergust.base.urls import is_cloud
from poltergust.environments.cache import EnvironmentCache
from poltergust.environments.eviction import Limits
from poltergust.environments.leases import Lease
from poltergust.luigi_run import GraphStatus
from poltergust.luigi_run.embedded import EmbeddedScheduler
from poltergust.luigi_run.launch import Launcher
from poltergust.luigi_run.scheduler import SchedulerClient, judge
from poltergust.node.agent import Agent
from poltergust.node.settings import Settings
from poltergust.observe.observability import Observability
from poltergust.path.state import PathState
from poltergust.processes.child import spawn
from poltergust.processes.orphans import become_reaper
from poltergust.runs.attempt import Attempts
from poltergust.runs.reconciler import Reconciler
from poltergust.runs.retry_policy import RetryPolicy
from poltergust.runs.run import Runs
from poltergust.sources import Source
from poltergust.stores import Stores
from poltergust.workqueue import WorkQueue

log = logging.getLogger(__name__)


DESCRIPTORS = 8192
"""Enough for the most that `--parallel` allows."""


@contextlib.contextmanager
def agent(settings: Settings, stopping: Stopping) -> Iterator[Agent]:
    """An agent ready to `run`, with its embedded scheduler up if it needs one; cleaned up after on the way out."""
    become_reaper()
    _raise_descriptor_limit()
    with contextlib.ExitStack() as stack:
        stack.enter_context(working_directories(settings.work))
        scheduler_url = settings.scheduler_url
        if scheduler_url is None:
            scheduler = EmbeddedScheduler(spawn, settings.cache / "luigid" / settings.digest, settings.environ)
            stack.callback(scheduler.stop)
            scheduler_url = scheduler.start()
        client = SchedulerClient(scheduler_url)
        observability = Observability.of(settings.observe, settings.path, settings.node, client, stopping)
        stores = Stores(settings.path.state_prefix)
        instance = secrets.token_hex(4)
        state = PathState(stores.of(settings.path.root), settings.path, settings.node, instance)
        node = _wire(settings, stopping, scheduler_url, client, observability, stores, state)
        stack.enter_context(observability.shown(node.status, state))
        yield node


def _raise_descriptor_limit() -> None:
    """A run takes about ten descriptors, and the usual soft limit of 1,024 is there for programs that use select(2):
    https://0pointer.net/blog/file-descriptor-limits.html."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def environments(settings: Settings, stores: Stores) -> EnvironmentCache:
    """The cache of environments within the limits that `settings` give."""
    return EnvironmentCache(
        settings.cache,
        spawn,
        objects=stores,
        parallel_builds=settings.build_parallel,
        limits=Limits(max_bytes=settings.env_cache_size, max_age=settings.env_max_age),
    )


def _wire(
    settings: Settings,
    stopping: Stopping,
    scheduler_url: str,
    client: SchedulerClient,
    observability: Observability,
    stores: Stores,
    state: PathState,
) -> Agent:
    clock = time.monotonic
    # Records and status show the scheduler's URL without its credentials.
    runs = Runs(state.records, state.node, client.url, clock)
    retry_policy = RetryPolicy()

    def standing(root_task_id: str) -> GraphStatus:
        judgement = judge(client.graph(root_task_id))
        return GraphStatus(len(judgement.running), judgement.worth_a_process, judgement.progress)

    pipeline = Attempts(
        settings=settings,
        scheduler_url=scheduler_url,
        nonce=state.instance,
        environments=observability.environments(environments(settings, stores)),
        locks=state.locks,
        launch=Launcher(spawn),
        failure_reset=state.failure_reset,
        records=state.records,
        open_log=lambda config, redact: state.run_log(
            config.name, config.generation, redact=redact, limit=settings.runs.log_limit, count=observability.logged
        ),
        stopping=stopping,
        clock=clock,
        on_start=observability.started,
    )
    runner = Reconciler(
        settings,
        store=stores.of,
        records=state.records,
        runs=runs,
        outcomes=state.outcomes,
        pipeline=pipeline,
        standing=standing,
        retry_policy=retry_policy,
        stopping=stopping,
        clock=clock,
        on_ending=observability.ended,
        on_verdict=observability.looked,
    )
    return Agent(
        settings,
        instance=state.instance,
        scheduler_url=client.url,
        store=state.store,
        records=state.records,
        runs=runs,
        runner=runner,
        retry_policy=retry_policy,
        queue=WorkQueue(),
        sources=_sources(settings),
        stopping=stopping,
        scheduler_problem=lambda: observability.probe.problem,
    )


def _sources(settings: Settings) -> list[Source]:
    """What tells this node of changes besides the scan; none for a bucket without subscription."""
    path = settings.path
    if not is_cloud(path.root):
        from poltergust.sources.folder import FolderSource

        return [FolderSource(Path(path.root))]
    if settings.subscription is None and settings.topic is None:
        return []
    from poltergust.sources.pubsub.source import PubSubSource
    from poltergust.sources.pubsub.subscriptions import Named, Own

    if settings.subscription is not None:
        return [PubSubSource(Named(settings.subscription), path.prefix)]
    assert settings.topic is not None
    return [PubSubSource(Own(settings.topic, settings.node, path.prefix), path.prefix)]


@contextlib.contextmanager
def working_directories(folder: Path) -> Iterator[None]:
    """What an agent that was killed left in `folder` is removed, now and on the way out. Not while another one of this
    node's name works there: it should not (the heartbeat says so), but its tasks must not lose the floor they stand on.
    """
    held = Lease(folder.with_name(f"{folder.name}.lock"))
    try:
        if held.try_exclusive():
            shutil.rmtree(folder, ignore_errors=True)
        held.try_shared()
    except OSError as error:  # a full disk, a cache that cannot be written: the runs say what to do about it
        log.warning("what an earlier agent left in %s stays: %s", folder, error.strerror)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # as at the start, where it was said
            if held.try_exclusive():
                shutil.rmtree(folder, ignore_errors=True)
        held.release()
