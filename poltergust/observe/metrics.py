"""Numbers for Prometheus, by its official client, in a registry of their own.

What happens is counted when it happens; what *is* (queue, ages, problems) is read from the agent's `Status` at each
scrape, so that no number can be stale. Labels are closed sets (reason codes, states, results), or bounded ones (task
families): never a config's name.
"""

from __future__ import annotations

import contextlib
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping

import prometheus_client
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from poltergust.base.errors import PoltergustError
from poltergust.base.reasons import Reason, ReasonKind
from poltergust.environments import Environment, Environments, EnvironmentSpec, Locks
from poltergust.observe.status import Status, unhealthy, unready
from poltergust.path.outcome import RenameResult
from poltergust.path.records import State
from poltergust.runs.run import Run, Verdict

START_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
BUILD_BUCKETS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
TASK_BUCKETS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)

MAX_FAMILIES = 50
"""Task families that are told apart, those that ended here first: a label's values must not grow without bound."""

OTHER_FAMILIES = "(other)"


class Metrics:
    """Counters the parts of an agent are handed, and the page. Safe to use from several threads."""

    def __init__(self) -> None:
        self.registry = registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=registry)
        self._starts = prometheus_client.Histogram(
            "poltergust_event_to_start_seconds",
            "From the moment this node heard of a config to the start of its first Luigi process here.",
            buckets=START_BUCKETS,
            registry=registry,
        )
        self._endings = prometheus_client.Counter(
            "poltergust_runs",
            "Runs whose outcome this node knew, by who renamed the config (won: this node).",
            ["outcome", "reason", "rename"],
            registry=registry,
        )
        self._verdicts = prometheus_client.Counter(
            "poltergust_looks",
            "Looks at a config, by what came of them; several make a run.",
            ["row", "reason"],
            registry=registry,
        )
        self._refusals = prometheus_client.Counter(
            "poltergust_rename_refusals", "Renames that the storage refused for a new reason.", registry=registry
        )
        self._tasks = prometheus_client.Histogram(
            "poltergust_task_seconds",
            "What attempts at tasks took that ended on this node, by family and result.",
            ["family", "result"],
            buckets=TASK_BUCKETS,
            registry=registry,
        )
        self._families: set[str] = set()
        self._hits = prometheus_client.Counter(
            "poltergust_environment_hits", "Environments that were ready in the cache.", registry=registry
        )
        self._builds = prometheus_client.Counter(
            "poltergust_environment_builds",
            "Environments built, or not: the result is ok or a reason code.",
            ["result"],
            registry=registry,
        )
        self._build_seconds = prometheus_client.Histogram(
            "poltergust_environment_build_seconds",
            "What a build that worked took, waiting for another build included.",
            buckets=BUILD_BUCKETS,
            registry=registry,
        )
        self._log_bytes = prometheus_client.Counter(
            "poltergust_log_bytes", "Bytes of run logs written to the storage.", registry=registry
        )
        self._posts = prometheus_client.Counter(
            "poltergust_outcome_posts", "Outcomes for --notify, by what became of them.", ["result"], registry=registry
        )

        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Prometheus sees no increase in a counter that appears with its first event: the first error of a node, too,
        is to be an increase from 0."""
        for reason in Reason:
            self._verdicts.labels(reason.kind.value, reason.code)
            outcome = Verdict(reason, "").outcome
            if outcome is not None:
                self._endings.labels(outcome.value, reason.code, RenameResult.WON.value)
            if reason.kind is ReasonKind.NODE:
                self._builds.labels(reason.code)
        self._builds.labels("ok")
        for result in ("delivered", "undelivered"):
            self._posts.labels(result)

    # What happens

    def started(self, seconds: float) -> None:
        self._starts.observe(max(0.0, seconds))

    def reconciled(self, verdict: Verdict) -> None:
        self._verdicts.labels(verdict.kind.value, verdict.reason.code).inc()

    def renamed(self, run: Run, verdict: Verdict, result: RenameResult) -> None:
        """A refused rename is no end: it is counted for itself."""
        if result is RenameResult.REFUSED:
            self._refusals.inc()
        elif verdict.outcome is not None:
            self._endings.labels(verdict.outcome.value, verdict.reason.code, result.value).inc()

    def task_ended(self, family: str, result: str, seconds: float) -> None:
        if len(self._families) < MAX_FAMILIES:
            self._families.add(family)
        self._tasks.labels(family if family in self._families else OTHER_FAMILIES, result).observe(seconds)

    def logged(self, size: int) -> None:
        self._log_bytes.inc(size)

    def posted(self, result: str) -> None:
        self._posts.labels(result).inc()

    def environment(self, environment: Environment) -> None:
        if environment.built:
            self._builds.labels("ok").inc()
            self._build_seconds.observe(environment.seconds)
        else:
            self._hits.inc()

    def no_environment(self, error: PoltergustError) -> None:
        self._builds.labels(error.reason.code if error.reason else "other").inc()

    # What is

    def watch(self, status: Callable[[], Status]) -> None:
        """Read `status` at each scrape from now on."""
        self.registry.register(_Moment(status))

    def expose(self, accept: str) -> tuple[str, str]:
        """The page and its content type, in the format the Accept header asks for."""
        try:
            encode, content_type = choose_encoder(accept)
        except TypeError:  # it compares versions without looking whether they are numbers
            encode, content_type = choose_encoder("")
        return encode(self.registry).decode(), content_type


class CountedEnvironments:
    """`Environments`, each answer counted."""

    def __init__(self, environments: Environments, metrics: Metrics) -> None:
        self._environments = environments
        self._metrics = metrics

    @contextlib.contextmanager
    def ready(
        self,
        spec: EnvironmentSpec,
        *,
        node_env: Mapping[str, str],
        on_line: Callable[[str], None],
        cancelled: Callable[[], bool],
        locks: Locks | None = None,
    ) -> Iterator[Environment]:
        """See `Environments.ready`."""
        with contextlib.ExitStack() as stack:
            found = self._environments.ready(spec, node_env=node_env, on_line=on_line, cancelled=cancelled, locks=locks)
            try:
                environment = stack.enter_context(found)
            except PoltergustError as error:
                self._metrics.no_environment(error)
                raise
            self._metrics.environment(environment)
            yield environment


class _Moment(Collector):
    """The agent's `Status` as metrics."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not ask for the status, the agent may not be running yet."""
        return []

    def collect(self) -> Iterable[Metric]:
        status = self._status()
        info = GaugeMetricFamily("poltergust_node_info", "Always 1.", labels=["node", "version"])
        info.add_metric([status.node, status.version], 1)
        yield info
        yield _gauge("poltergust_ready", "Whether a config that lands now is served.", not unready(status))
        yield _gauge("poltergust_healthy", "Whether this process makes progress.", not unhealthy(status))
        yield _gauge("poltergust_scheduler_reachable", "Whether luigid answers.", not status.scheduler_problem)
        yield _labelled(
            "poltergust_queue_names",
            "Names on the work queue.",
            "state",
            {"due": status.due, "delayed": status.delayed, "processing": status.processing},
        )
        yield _gauge("poltergust_parallel", "How many names can be processed side by side.", status.parallel)
        states = Tally(run.state for run in status.runs)
        counts = {state.value: states[state.value] for state in State}
        yield _labelled("poltergust_known_runs", "Runs this node remembers.", "state", counts)
        yield _gauge("poltergust_running_runs", "Runs with a Luigi process here.", counts[State.RUNNING.value])
        yield _gauge("poltergust_renames_refused", "Runs that wait for a refused rename.", len(status.refused))
        yield _gauge("poltergust_scan_seconds", "What the last whole scan took.", status.scan.seconds)
        if status.since_scan is not None:
            waiting = (
                "Configs of the path without an outcome, as the last whole scan found them; the same on every node."
            )
            yield _gauge("poltergust_path_waiting_configs", waiting, status.scan.found)
            oldest = "How long scans of this node have been finding the same config."
            yield _gauge("poltergust_path_oldest_waiting_seconds", oldest, status.since_oldest or 0.0)
        if status.cache_free is not None:
            yield _gauge("poltergust_cache_free_bytes", "Left where environments are kept.", status.cache_free)
        scans = CounterMetricFamily("poltergust_scans", "Scans of the path.", labels=["result"])
        scans.add_metric(["ok"], status.scan.scans)
        scans.add_metric(["failed"], status.scan.failures)
        yield scans
        if status.since_scan is not None:
            yield _gauge("poltergust_seconds_since_last_scan", "Since a whole scan ended.", status.since_scan)
        if status.since_event is not None:
            yield _gauge("poltergust_seconds_since_last_event", "Since a source heard anything.", status.since_event)
        yield from _sources(status)


def _sources(status: Status) -> Iterator[Metric]:
    alive = GaugeMetricFamily("poltergust_source_alive", "Whether events can arrive.", labels=["source"])
    received = CounterMetricFamily(
        "poltergust_notifications", "Notifications received, by what became of them.", labels=["source", "result"]
    )
    for source in status.sources:
        alive.add_metric([source.kind], source.alive)
        for result, count in source.counts.items():
            received.add_metric([source.kind, result], count)
    yield alive
    yield received


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)


def _labelled(name: str, words: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
