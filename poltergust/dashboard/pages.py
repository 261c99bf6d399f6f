"""The pages for people. Each has the same as JSON under ``/api`` (`api.py`)."""

from __future__ import annotations

from tornado import web

from poltergust.base.errors import Permanent
from poltergust.dashboard.base_handler import BaseHandler
from poltergust.dashboard.lanes import path_timeline, task_lanes
from poltergust.dashboard.overview import Query, select
from poltergust.dashboard.reading import RunPicture
from poltergust.dashboard.run_page import RunQuery, select_tasks
from poltergust.dashboard.watching import Snapshot
from poltergust.path.layout import WatchedPath

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


class PathHandler(BaseHandler):
    """What is made from the whole path."""

    def query(self) -> Query:
        argument = self.get_query_argument
        return Query.of(argument("q", ""), argument("state", ""), argument("page", ""))


class RunHandler(BaseHandler):
    """What is made from one config."""

    async def picture(self, name: str) -> Snapshot[RunPicture]:
        """Raises 404 where nothing stands at that name."""
        checked_name(self.parts.reading.path, name)
        snapshot = await self.parts.watcher.look(self.parts.reading.run(name))
        if snapshot.value is None:
            raise web.HTTPError(404, reason="nothing of that name stands on the path")
        return Snapshot(snapshot.value, snapshot.read_at, snapshot.signature, snapshot.problem)

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
            topic="path",
            view=view,
            query=query,
            page=select(view.configs, query),
            timeline=path_timeline(view.configs, view.nodes, view.time),
        )


class NodesPage(PathHandler):
    async def get(self) -> None:
        snapshot = await self.parts.watcher.look(self.parts.reading.whole_path())
        self.write_page("nodes.html", snapshot, topic="path", view=snapshot.value)


class RunPage(RunHandler):
    async def get(self, name: str) -> None:
        snapshot = await self.picture(name)
        picture, query = snapshot.value, self.run_query()
        now = self.parts.reading.now()
        self.write_page(
            "run.html",
            snapshot,
            topic=f"run:{name}",
            picture=picture,
            config=picture.detail.config,
            query=query,
            tasks=select_tasks(picture.tasks, query),
            drawing=task_lanes(picture.tasks, now),
            now=now,
        )
