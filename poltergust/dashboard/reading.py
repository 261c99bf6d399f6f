"""What is read for which page: from a reader of the path to the topics a watcher looks at."""

from __future__ import annotations

from dataclasses import dataclass, replace

from poltergust.dashboard.events import PATH_TOPIC, run_topic
from poltergust.dashboard.tasks import TaskView, task_views
from poltergust.dashboard.watching import Topic
from poltergust.observe.scheduler_view import SchedulerView
from poltergust.path.layout import WatchedPath
from poltergust.path.reading.model import ConfigView, Detail, NodeView, PathView
from poltergust.path.reading.reader import Reader

MAX_OUTCOMES_READ = 200
"""Of the latest outcomes the records are read too: each costs a listing and a read, once."""


@dataclass(frozen=True)
class RunPicture:
    """One run in full, with what its tasks did."""

    detail: Detail
    tasks: tuple[TaskView, ...]


class PathReading:
    """Of one path. What its topics load blocks, and is meant for the watcher's thread alone."""

    def __init__(self, reader: Reader, scheduling: SchedulerView) -> None:
        self._reader = reader
        self._scheduling = scheduling

    @property
    def path(self) -> WatchedPath:
        return self._reader.path

    def now(self) -> float:
        """By the storage server's clock."""
        return self._reader.now()

    def whole_path(self) -> Topic[PathView]:
        return Topic(PATH_TOPIC, lambda: self._reader.overview(MAX_OUTCOMES_READ), _path_signature)

    def run(self, name: str) -> Topic[RunPicture | None]:
        """None where nothing stands at that name."""
        return Topic(run_topic(name), lambda: self._run(name), _run_signature)

    def _run(self, name: str) -> RunPicture | None:
        detail = self._reader.detail(name)
        if detail is None:
            return None
        graph = self._scheduling.graph(detail.config, detail.nodes)
        return RunPicture(detail, task_views(detail.config, graph))


def _path_signature(view: PathView) -> int:
    configs = tuple(_timeless_config(config) for config in view.configs)
    return hash((repr(configs), _nodes_signature(view.nodes), repr(sorted(view.counts.items())), view.hidden))


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
