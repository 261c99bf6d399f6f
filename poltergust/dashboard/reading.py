"""What is read for which page: from a reader of the path to the topics a watcher looks at."""

from __future__ import annotations

from dataclasses import dataclass, replace

from poltergust.base.secret_forms import SecretNames
from poltergust.dashboard.events import PATH_TOPIC, run_topic
from poltergust.dashboard.files import ShownFiles, files_of, redactor_of
from poltergust.dashboard.logs import LogFile, Logs
from poltergust.dashboard.path_configs import PathConfigs
from poltergust.dashboard.tasks import TaskView, past_task_views, task_views, without_secrets
from poltergust.dashboard.watching import Topic
from poltergust.luigi_run.scheduler import Graph
from poltergust.observe.scheduler_view import SchedulerView
from poltergust.path.layout import WatchedPath
from poltergust.path.reading.comparison import RunComparison, compare
from poltergust.path.reading.history import run_summaries
from poltergust.path.reading.model import ConfigView, Detail, NodeView, PastRun, PathView
from poltergust.path.state import PathState
from poltergust.stores import Stores

LOGS_TOPIC = "logs:"
FILES_TOPIC = "files:"
CHANGES_TOPIC = "changes:"
HISTORY_TOPIC = "history:"

MAX_RUNS_WITH_TASKS = 30
"""Whose tasks are read for the history of a name: a file for each node of each run."""


@dataclass(frozen=True)
class RunPicture:
    """One run in full, with what its tasks did and which logs it has."""

    detail: Detail
    tasks: tuple[TaskView, ...]
    logs: tuple[LogFile, ...]


@dataclass(frozen=True)
class History:
    """What stands at a name, and every run of it that left records, the latest first. `tasks` are those of the latest
    `MAX_RUNS_WITH_TASKS`, in the same order."""

    config: ConfigView | None
    runs: tuple[PastRun, ...]
    tasks: tuple[tuple[TaskView, ...], ...] = ()


class PathReading:
    """Of one path. What its topics load blocks, and is meant for the watcher's thread alone; `logs` is for any."""

    def __init__(
        self,
        state: PathState,
        stores: Stores,
        scheduling: SchedulerView,
        secret_names: SecretNames = SecretNames(),  # noqa: B008  # never changed
    ) -> None:
        """`secret_names` says which variables and arguments of the files hold secrets, which are not shown."""
        self._state = state
        self._stores = stores
        self._reader = state.reader()
        self._scheduling = scheduling
        self._secret_names = secret_names
        self._configs = PathConfigs(self._reader)
        self.logs = Logs(state)

    @property
    def path(self) -> WatchedPath:
        return self._reader.path

    @property
    def state(self) -> PathState:
        return self._state

    @property
    def stores(self) -> Stores:
        return self._stores

    def now(self) -> float:
        """By the storage server's clock."""
        return self._reader.now()

    def whole_path(self) -> Topic[PathView]:
        return Topic(PATH_TOPIC, self._configs.view, _path_signature)

    def complete(self, configs: tuple[ConfigView, ...]) -> tuple[ConfigView, ...]:
        """Those that a page is about to show, with their records. Blocks; for the watcher's thread."""
        return self._configs.complete(configs)

    def run(self, name: str) -> Topic[RunPicture | None]:
        """None where nothing stands at that name."""
        return Topic(run_topic(name), lambda: self._run(name), _run_signature)

    def run_with_logs(self, name: str) -> Topic[RunPicture | None]:
        """The same, which also changes when a log grows."""

        def signature(picture: RunPicture | None) -> int:
            return hash((_run_signature(picture), picture and picture.logs))

        return Topic(LOGS_TOPIC + name, lambda: self._run(name), signature)

    def files(self, name: str) -> Topic[ShownFiles | None]:
        def load() -> ShownFiles | None:
            return files_of(self._state, self._stores, self._reader, name, self._secret_names)

        return Topic(FILES_TOPIC + name, load, hash)

    def changes(self, name: str) -> Topic[RunComparison | None]:
        """The latest run against the one before; None where there are no two."""
        return Topic(CHANGES_TOPIC + name, lambda: self._changes(name), lambda found: hash(repr(found)))

    def history(self, name: str) -> Topic[History]:
        return Topic(HISTORY_TOPIC + name, lambda: self._history(name), lambda history: hash(repr(history.runs)))

    def topic(self, text: str) -> Topic[object] | None:
        """By its name, as a browser asks for it; None for none of ours. The config's name in it is not checked here."""
        if text == PATH_TOPIC:
            return _any(self.whole_path())
        for prefix, make in (
            (run_topic(""), self.run),
            (LOGS_TOPIC, self.run_with_logs),
            (HISTORY_TOPIC, self.history),
        ):
            if text.startswith(prefix):
                return _any(make(text[len(prefix) :]))
        return None

    def _run(self, name: str) -> RunPicture | None:
        detail = self._reader.detail(name)
        if detail is None:
            return None
        graph = self._graph(detail)
        logs = self.logs.files(name, detail.config.generation or "")
        stories = self._reader.tasks(name, detail.config.generation or "", detail.config.runs)
        return RunPicture(detail, task_views(detail.config, graph, stories), logs)

    def _graph(self, detail: Detail) -> Graph | None:
        """What the scheduler says of the run, without secrets; None where it says nothing, and where nobody can say
        what is secret in it: the records tell by themselves."""
        graph = self._scheduling.graph(detail.config, detail.nodes)
        if graph is None:
            return None
        redact = redactor_of(self._stores, self._reader, detail.config.name, self._secret_names)
        return None if redact is None else without_secrets(graph, redact, self._secret_names)

    def _changes(self, name: str) -> RunComparison | None:
        past = self._reader.runs(name, self._reader.nodes(), limit=2)
        if len(past) < 2:
            return None
        latest, before = run_summaries(self._reader.config(name), past, self._reader.now())
        return compare(self._reader, self._state.content, name, [(before, past[1]), (latest, past[0])])

    def _history(self, name: str) -> History:
        runs = tuple(self._reader.runs(name, self._reader.nodes()))
        shown = runs[:MAX_RUNS_WITH_TASKS]
        tasks = tuple(past_task_views(run, self._reader.tasks(name, run.generation, run.runs)) for run in shown)
        return History(self._reader.config(name), runs, tasks)


def _any(topic: Topic[object] | Topic[PathView] | Topic[RunPicture | None] | Topic[History]) -> Topic[object]:
    return topic  # type: ignore[return-value]  # who takes it only asks for its signature


def _path_signature(view: PathView) -> int:
    configs = tuple((c.name, c.state, c.updated, c.reason, c.text, c.progress, c.nodes, c.silent) for c in view.configs)
    return hash((configs, _nodes_signature(view.nodes)))


def _run_signature(picture: RunPicture | None) -> int:
    if picture is None:
        return 0
    config = repr(_timeless_config(picture.detail.config))
    return hash((config, repr(picture.detail.document), _nodes_signature(picture.detail.nodes), repr(picture.tasks)))


def _nodes_signature(nodes: tuple[NodeView, ...]) -> int:
    # Not of the time of the heartbeat: the page counts ages by itself.
    return hash(repr([(node.record, node.state) for node in nodes]))


def _timeless_config(config: ConfigView) -> ConfigView:
    """Without what grows by itself: ages, and how long it has run."""
    runs = tuple(replace(run, updated=0.0) for run in config.runs)
    return replace(config, age=0.0, took=config.took if config.state.ended else None, runs=runs)
