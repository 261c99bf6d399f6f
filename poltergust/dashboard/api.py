"""The same as the pages, as JSON for programs: one document each, keys only ever added."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from poltergust.base.text import plain
from poltergust.dashboard.environments_page import environment_uses
from poltergust.dashboard.graph import Boxes, families, focus
from poltergust.dashboard.overview import PAGE_SIZE
from poltergust.dashboard.pages import PathHandler, RunHandler, byte_of
from poltergust.dashboard.run_page import log_to_open, select_tasks
from poltergust.dashboard.tasks import TaskView
from poltergust.path.reading.history import run_summaries
from poltergust.path.reading.model import ConfigView, NodeView


class OverviewApi(PathHandler):
    """``/api/overview?q=&state=&page=``"""

    async def get(self) -> None:
        snapshot = await self.parts.watcher.look(self.parts.reading.whole_path())
        view, query = snapshot.value, self.query()
        page = await self.page(view, query)
        self.write_json(
            {
                "path": view.path,
                "time": view.time,
                "problem": snapshot.problem,
                "counts": {group.value: count for group, count in page.counts.items()},
                "page": page.page,
                "pages": page.pages,
                "page_size": PAGE_SIZE,
                "configs": [config_json(config) for config in page.rows],
                "nodes": [node_json(node) for node in view.nodes],
            }
        )


class NodesApi(PathHandler):
    """``/api/nodes``"""

    async def get(self) -> None:
        snapshot = await self.parts.watcher.look(self.parts.reading.whole_path())
        nodes = [node_json(node) for node in snapshot.value.nodes]
        self.write_json({"path": snapshot.value.path, "time": snapshot.value.time, "nodes": nodes})


class EnvironmentsApi(PathHandler):
    """``/api/environments``"""

    async def get(self) -> None:
        snapshot = await self.parts.watcher.look(self.parts.reading.whole_path())
        self.write_json({"environments": [asdict(use) for use in environment_uses(snapshot.value.configs)]})


class GraphApi(RunHandler):
    """``/api/graph/NAME?show=families|focus&family=``: boxes and edges."""

    async def get(self, name: str) -> None:
        tasks = (await self.picture(name)).value.tasks
        family = self.get_query_argument("family", "")
        shows_tasks = bool(family) or self.get_query_argument("show", "") == "focus"
        self.write_json(boxes_json(focus(tasks, family) if shows_tasks else families(tasks)))


class LogsApi(RunHandler):
    """``/api/logs/NAME?node=&at=``: a window of one node's log, lines as they are."""

    async def get(self, name: str) -> None:
        picture = (await self.picture(name, logs=True)).value
        node, at = self.get_query_argument("node", ""), self.get_query_argument("at", "")
        chosen = [file for file in picture.logs if node in ("", file.node)]
        file = log_to_open(chosen, picture.tasks, picture.detail.config.nodes) if chosen else None
        answer: dict[str, Any] = {"logs": [{"node": one.node, "size": one.size} for one in picture.logs]}
        if file is not None:
            window = await asyncio.to_thread(self.parts.reading.logs.window, file, byte_of(at))
            lines = [asdict(line) for line in window.lines]
            answer |= {"node": file.node, "begin": window.begin, "end": window.end, "lines": lines}
        self.write_json(answer)


class HistoryApi(RunHandler):
    """``/api/history/NAME``"""

    async def get(self, name: str) -> None:
        history = (await self.history(name)).value
        runs = run_summaries(history.config, history.runs, self.parts.reading.now())
        self.write_json({"name": name, "runs": [asdict(run) for run in runs]})


class RunApi(RunHandler):
    """``/api/runs/NAME?q=&state=&page=``"""

    async def get(self, name: str) -> None:
        snapshot = await self.picture(name)
        detail, query = snapshot.value.detail, self.run_query()
        tasks = select_tasks(snapshot.value.tasks, query)
        self.write_json(
            {
                "config": config_json(detail.config),
                "task": detail.document.task,
                "environment": detail.document.environment,
                "file_problem": detail.document.problem,
                "submitted": None if detail.submitted is None else asdict(detail.submitted),
                "problem": snapshot.problem,
                "records": [
                    {**run.record.content(), "state": run.record.state.value, "updated": run.updated}
                    for run in detail.config.runs
                ],
                "counts": {state.value: count for state, count in tasks.counts.items()},
                "page": tasks.page,
                "pages": tasks.pages,
                "tasks": [task_json(task) for task in tasks.rows],
            }
        )


def boxes_json(boxes: Boxes) -> dict[str, Any]:
    listed = [
        {
            "key": box.key,
            "label": plain(box.label),
            "note": plain(box.note),
            "state": box.state.value,
            "counts": {state.value: count for state, count in box.counts.items()},
            "family": box.is_family,
        }
        for box in boxes.boxes
    ]
    return {"boxes": listed, "edges": [list(edge) for edge in boxes.edges], "hidden": boxes.hidden}


def config_json(config: ConfigView) -> dict[str, Any]:
    progress = None if config.progress is None else asdict(config.progress)
    return {
        "name": config.name,
        "state": config.state.value,
        "updated": config.updated,
        "started": config.started,
        "seconds": config.took,
        "generation": config.generation,
        "nodes": list(config.nodes),
        "silent": list(config.silent),
        "reason": config.reason,
        "text": config.text,
        "progress": progress,
    }


def node_json(node: NodeView) -> dict[str, Any]:
    return {**asdict(node.record), "state": node.state, "updated": node.updated}


def task_json(task: TaskView) -> dict[str, Any]:
    return {**asdict(task), "state": task.state.value}
