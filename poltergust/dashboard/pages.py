"""The pages for people. Each has the same as JSON under ``/api`` (`api.py`)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tornado import web

from poltergust.base.errors import Permanent
from poltergust.dashboard.base_handler import BaseHandler
from poltergust.dashboard.environments_page import environment_uses
from poltergust.dashboard.events import PATH_TOPIC
from poltergust.dashboard.family_rows import family_rows
from poltergust.dashboard.graph import summaries
from poltergust.dashboard.history_page import lock_cells, square_legend
from poltergust.dashboard.lanes import path_timeline, task_lanes
from poltergust.dashboard.nodes_page import node_rows
from poltergust.dashboard.overview import Group, Query, select
from poltergust.dashboard.paging import Selection
from poltergust.dashboard.reading import History, RunPicture
from poltergust.dashboard.run_page import RunQuery, RunTab, log_to_open, select_tasks
from poltergust.dashboard.watching import TopicSnapshot
from poltergust.path.layout import WatchedPath
from poltergust.path.reading.history import run_summaries
from poltergust.path.reading.in_line import places_in_line
from poltergust.path.reading.model import ConfigView, PathView
from poltergust.path.tasks import TaskState

RARE = (TaskState.LOST, TaskState.COMPLETE)
"""States that have a place on a page only where some task is in them."""

_LONGEST_GENERATION = "0" * 32
_LONGEST_NODE = "n" * 40


def checked_name(path: WatchedPath, name: str) -> str:
    """A config's name from an address. Raises 404 for one that could not stand below the path: nothing is read with a
    name that was not looked at."""
    try:
        path.check(name, _LONGEST_GENERATION, _LONGEST_NODE)
    except Permanent:
        raise web.HTTPError(404, reason="there is no config of such a name") from None
    if not name or name.startswith("/") or name.endswith("/"):
        raise web.HTTPError(404, reason="there is no config of such a name")
    return name


def byte_of(text: str) -> int | None:
    """A place in a log from an address; None for what is no such number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


class PathHandler(BaseHandler):
    """What is made from the whole path."""

    def query(self) -> Query:
        argument = self.get_query_argument
        return Query.of(argument("q", ""), argument("state", ""), argument("page", ""))

    async def page(self, view: PathView, query: Query) -> Selection[ConfigView, Group]:
        """The rows asked for, with the records of those that only a listing was known of."""
        page = select(view.configs, query)
        complete = self.parts.reading.complete
        return replace(page, rows=await self.parts.watcher.in_thread(lambda: complete(page.rows)))


class RunHandler(BaseHandler):
    """What is made from one config."""

    async def picture(self, name: str, *, logs: bool = False) -> TopicSnapshot[RunPicture]:
        """Raises 404 where nothing stands at that name. `logs`: it has changed as well when a log grew."""
        reading = self.parts.reading
        checked_name(reading.path, name)
        snapshot = await self.parts.watcher.look(reading.run_with_logs(name) if logs else reading.run(name))
        if snapshot.value is None:
            raise web.HTTPError(404, reason="nothing of that name stands on the path")
        return TopicSnapshot(snapshot.value, snapshot.read_at, snapshot.signature, snapshot.problem)

    async def history(self, name: str) -> TopicSnapshot[History]:
        """Raises 404 where nothing stands at that name and no run of it left a record."""
        checked_name(self.parts.reading.path, name)
        snapshot = await self.parts.watcher.look(self.parts.reading.history(name))
        if snapshot.value.config is None and not snapshot.value.runs:
            raise web.HTTPError(404, reason="nothing is known of that name")
        return snapshot

    def run_query(self) -> RunQuery:
        argument = self.get_query_argument
        return RunQuery.of(argument("view", ""), argument("q", ""), argument("state", ""), argument("page", ""))


class OverviewPage(PathHandler):
    async def get(self) -> None:
        snapshot = await self.parts.watcher.look(self.parts.reading.whole_path())
        view, query = snapshot.value, self.query()
        self.write_page(
            "overview.html",
            snapshot,
            topic=PATH_TOPIC,
            view=view,
            query=query,
            page=await self.page(view, query),
            timeline=path_timeline(view.configs, view.nodes, view.time),
            places=lambda config: places_in_line(config.name, view.nodes),
        )


class NodesPage(PathHandler):
    async def get(self) -> None:
        snapshot = await self.parts.watcher.look(self.parts.reading.whole_path())
        view = snapshot.value
        self.write_page("nodes.html", snapshot, topic=PATH_TOPIC, view=view, rows=node_rows(view.nodes, view.configs))


class EnvironmentsPage(PathHandler):
    async def get(self) -> None:
        snapshot = await self.parts.watcher.look(self.parts.reading.whole_path())
        uses = environment_uses(snapshot.value.configs)
        self.write_page("environments.html", snapshot, topic=PATH_TOPIC, view=snapshot.value, uses=uses)


class RunPage(RunHandler):
    async def get(self, name: str) -> None:
        query, reading, watcher = self.run_query(), self.parts.reading, self.parts.watcher
        snapshot = await self.picture(name, logs=query.tab is RunTab.LOGS)
        picture, now = snapshot.value, reading.now()
        values: dict[str, object] = {}
        if query.tab is RunTab.TASKS:
            values["tasks"] = select_tasks(picture.tasks, query)
            values["rare"] = RARE
        elif query.tab is RunTab.TIMELINE:
            values["drawing"] = task_lanes(picture.tasks, now)
        elif query.tab is RunTab.GRAPH:
            found = summaries(picture.tasks, now)
            values["families"] = found
            values["shown"] = [
                state.value for state in TaskState if state not in RARE or any(one.counts.get(state) for one in found)
            ]
            values["family"] = self.get_query_argument("family", "")
            values["focus"] = self.get_query_argument("show", "") == "focus"
        elif query.tab is RunTab.LOGS:
            values.update(await self._logs(picture, query, self.get_query_argument("generation", "")))
        elif query.tab is RunTab.CHANGES:
            values["changes"] = (await watcher.look(reading.changes(name))).value
        elif query.tab is RunTab.FILES:
            values["files"] = (await watcher.look(reading.files(name))).value
        self.write_page(
            "run.html",
            snapshot,
            topic=reading.run_with_logs(name).name if query.tab is RunTab.LOGS else reading.run(name).name,
            picture=picture,
            config=picture.detail.config,
            query=query,
            tabs=tuple(RunTab),
            now=now,
            places=places_in_line(name, picture.detail.nodes),
            **values,
        )

    async def _logs(self, picture: RunPicture, query: RunQuery, generation: str) -> dict[str, object]:
        """Lines that are looked for, in all logs or that of one node; else a window of one node's log. `generation`:
        of an earlier run."""
        logs, argument, config = self.parts.reading.logs, self.get_query_argument, picture.detail.config
        files = picture.logs
        if generation:
            files = await asyncio.to_thread(logs.files, config.name, generation)
        node, at, only_errors = argument("node", ""), argument("at", ""), bool(argument("errors", ""))
        chosen = [file for file in files if node in ("", file.node)]
        window = found = None
        if chosen and (query.words or only_errors):
            # In a thread of its own: a search through a long log holds up nobody else.
            found = await asyncio.to_thread(logs.search, chosen, query.words, only_errors=only_errors)
        elif chosen:
            tasks = picture.tasks if generation in ("", config.generation) else ()
            file = log_to_open(chosen, tasks, config.nodes)
            window = await asyncio.to_thread(logs.window, file, byte_of(at))
        values = {"files": files, "generation": generation, "node": node, "at": at, "only_errors": only_errors}
        return {**values, "window": window, "found": found}


class HistoryPage(RunHandler):
    async def get(self, name: str) -> None:
        snapshot = await self.history(name)
        history, now = snapshot.value, self.parts.reading.now()
        runs = run_summaries(history.config, history.runs, now)
        chosen = [self.get_query_argument(side, "") for side in ("a", "b")]
        found = [run for generation in chosen for run in runs if run.generation == generation]
        compared = found if len(found) == 2 else []
        rows = family_rows(history.tasks)
        self.write_page(
            "history.html",
            snapshot,
            topic=self.parts.reading.history(name).name,
            name=name,
            runs=runs,
            rows=rows,
            legend=square_legend(rows),
            compared=compared,
            locks=lock_cells(*compared) if compared else (),
            now=now,
        )
