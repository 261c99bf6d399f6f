"""Settings to a working agent: which concrete part stands behind each interface.

`wire` is the only place where an agent is put together. A real node gives it the parts that `agent` makes; simulations
and measurements give it theirs.
"""

from __future__ import annotations

import contextlib
import logging
import resource
import secrets
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from poltergust.base.clock import Clock, SystemClock
from poltergust.base.stopping import Stopping
from poltergust.base.urls import is_cloud
from poltergust.environments import Environments, cache_folder
from poltergust.environments.cache import EnvironmentCache
from poltergust.environments.code.local import LocalCode
from poltergust.environments.eviction import Limits
from poltergust.luigi_run import GraphStatus, Launch
from poltergust.luigi_run.embedded import EmbeddedScheduler
from poltergust.luigi_run.give_back import give_back
from poltergust.luigi_run.launch import Launcher
from poltergust.luigi_run.scheduler import SchedulerClient, judge
from poltergust.luigi_run.warm_starts import WarmStarts
from poltergust.luigi_run.worker_watch import WorkerWatch
from poltergust.node import working_directory
from poltergust.node.agent import Agent
from poltergust.node.host_lock import only_agent_here
from poltergust.node.private_cache import make_private
from poltergust.node.scratch import private_folders
from poltergust.node.settings import Settings
from poltergust.observe.observability import Observability
from poltergust.path.state import PathState
from poltergust.processes.child import spawn
from poltergust.processes.memory import few_arenas, freeze_loaded
from poltergust.processes.orphans import become_reaper
from poltergust.runs.attempt import Attempts
from poltergust.runs.context import RunContext, RunObserver, SharedScheduler
from poltergust.runs.first_node import Turns
from poltergust.runs.journal import Journal
from poltergust.runs.known_runs import Runs
from poltergust.runs.reconciler import Reconciler
from poltergust.runs.run_code import RunCode
from poltergust.sources import Source
from poltergust.stores import Store, Stores
from poltergust.workqueue import WorkQueue

log = logging.getLogger(__name__)

MAX_DESCRIPTORS = 8192
"""Enough for the most that `--parallel` allows."""


@dataclass(frozen=True)
class Parts:
    """What an agent is put together from, besides its settings."""

    state: PathState
    store_of: Callable[[str], Store]  # the store for a URL that a task file names
    scheduler: SharedScheduler
    environments: Environments
    launch: Launch = field(default_factory=lambda: Launcher(spawn))
    sources: Sequence[Source] = ()  # what tells of changes besides the scan
    observer: RunObserver = field(default_factory=RunObserver)
    queue: WorkQueue = field(default_factory=WorkQueue)
    clock: Clock = field(default_factory=SystemClock)
    wait: Callable[[threading.Event, float], object] = threading.Event.wait  # for at most so many seconds
    ended_instances: Collection[str] = ()  # earlier agents of this node, known to have ended


def wire(settings: Settings, stopping: Stopping, parts: Parts) -> Agent:
    """An agent of these parts. Nothing is started yet."""
    context = RunContext(
        settings=settings.runs,
        state=parts.state,
        scheduler=parts.scheduler,
        stopping=stopping,
        scratch=settings.scratch,
        workdir=settings.working_directory,
        journal=Journal(settings.journal),
        variables=settings.environ,
        clock=parts.clock,
        wait=parts.wait,
        observer=parts.observer,
    )
    runs = Runs(context)
    code = RunCode(parts.state.code, LocalCode(settings.cache / "code"), parts.store_of)
    turns = Turns(context)
    attempts = Attempts(context, parts.environments, parts.launch, code, turns)
    reconciler = Reconciler(context, runs, attempts, turns, parts.store_of)
    return Agent(
        settings,
        context,
        runs=runs,
        turns=turns,
        reconciler=reconciler,
        queue=parts.queue,
        sources=parts.sources,
        ended_instances=parts.ended_instances,
    )


@contextlib.contextmanager
def agent(settings: Settings, stopping: Stopping) -> Iterator[Agent]:
    """A real node's agent, ready to `run`, with its embedded scheduler up if it needs one; cleaned up after on the way
    out."""
    few_arenas()
    become_reaper()
    _raise_descriptor_limit()
    cache_folder.prepare(settings.cache)
    make_private(settings.cache)
    instance = secrets.token_hex(4)
    with contextlib.ExitStack() as stack:
        ended_instances = stack.enter_context(only_agent_here(settings, instance))
        log.info("runs work in %s", working_directory.prepare(settings))
        stack.enter_context(private_folders(settings.scratch))
        scheduler_url = settings.scheduler_url
        if scheduler_url is None:
            scheduler = EmbeddedScheduler(spawn, settings.cache / "luigid" / settings.digest, settings.environ)
            stack.callback(scheduler.stop)
            scheduler_url = scheduler.start()
        client = SchedulerClient(scheduler_url)
        observability = Observability.of(settings.observe, settings.path, settings.node, client, stopping)
        stores = Stores(settings.path.state_prefix, recovers=True)
        state = PathState(stores.of(settings.path.root), settings.path, settings.node, instance)
        watch = WorkerWatch(
            client,
            work=lambda: node.shared_work(),
            freed=lambda part: node.tasks_freed(part),
            looked=lambda: node.look_at_waiting(),
        )
        warm = WarmStarts() if settings.warm_starts else None
        parts = Parts(
            state=state,
            store_of=stores.of,
            scheduler=SharedScheduler(
                scheduler_url,
                client.url,
                lambda root: graph_status(client, root),
                lambda: observability.probe.problem,
                None if settings.scheduler_url is None else watch,
            ),
            launch=Launcher(spawn, partial(give_back, client), watch, warm),
            environments=observability.environments(environments(settings, stores)),
            sources=_sources(settings),
            observer=observability,
            ended_instances=ended_instances,
        )
        node = wire(settings, stopping, parts)
        watch.start()
        stack.callback(watch.stop)
        if warm is not None:
            warm.start()
            stack.callback(warm.stop)
        stack.enter_context(observability.running(node.description.status, state))
        freeze_loaded()
        yield node


def environments(settings: Settings, stores: Stores) -> EnvironmentCache:
    """The cache of environments within the limits that `settings` give."""
    return EnvironmentCache(
        settings.cache,
        spawn,
        objects=stores,
        parallel_builds=settings.build_parallel,
        limits=Limits(max_bytes=settings.env_cache_size, max_age=settings.env_max_age),
        install_pythons=settings.install_pythons,
    )


def graph_status(client: SchedulerClient, root_task_id: str) -> GraphStatus:
    """One question to the scheduler. Raises `errors.Temporary`."""
    graph = client.graph(root_task_id)
    judgement = judge(graph)
    families = tuple(sorted({graph.tasks[task].family for task in judgement.running}))
    return GraphStatus(len(judgement.running), judgement.worth_a_process, judgement.progress, families)


def _raise_descriptor_limit() -> None:
    """A run takes about ten descriptors, and the usual soft limit of 1,024 is there for programs that use select(2):
    https://0pointer.net/blog/file-descriptor-limits.html."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(MAX_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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
