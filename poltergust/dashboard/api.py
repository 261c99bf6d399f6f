"""The same as the pages, as JSON for programs: one document each, keys only ever added."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from poltergust.dashboard.overview import PAGE_SIZE, select
from poltergust.dashboard.pages import PathHandler, RunHandler
from poltergust.dashboard.run_page import select_tasks
from poltergust.dashboard.tasks import TaskView
from poltergust.path.reading.model import ConfigView, NodeView


class OverviewApi(PathHandler):
    """``/api/overview?q=&state=&page=``"""

    async def get(self) -> None:
        snapshot = await self.parts.watcher.look(self.parts.reading.whole_path())
        view, query = snapshot.value, self.query()
        page = select(view.configs, query)
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
