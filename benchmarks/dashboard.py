"""The page on a large path: 5,000 configs, 300 nodes, a run of 2,000 tasks, seen by one and by ten browsers.

    python -m benchmarks.dashboard

Prints how long the server takes for each page, when a browser has drawn it, how long a change takes to be seen, the
process's memory, and what the store is asked in a minute by one viewer and by ten (the ratio is what counts: it should
be one). The path is a folder, so a listing is one call where a bucket has one for each thousand names.
"""

from __future__ import annotations

import contextlib
import json
import resource
import tempfile
import time
import urllib.parse
import urllib.request
from dataclasses import replace
from pathlib import Path

import click
from playwright.sync_api import Browser, Page

from poltergust.base.progress import Progress
from poltergust.dashboard.path_configs import SETTLED_SECONDS
from poltergust.dashboard.reading import PathReading
from poltergust.dashboard.server import CLOUD_INTERVAL_SECONDS
from poltergust.dashboard.settings import DashboardSettings
from poltergust.observe.scheduler_view import SchedulerView
from poltergust.path.records import PhaseTimings, RunEnvironment, RunRecord, State
from poltergust.path.state import PathState
from poltergust.stores import Stores
from tests.dashboard.browser import chromium
from tests.dashboard.counted import CountedStore
from tests.dashboard.serving import TASK_FILE, Served, Site, serving
from tests.emulators.luigid import luigid

CONFIGS, LIVE_CONFIGS, NODES, TASKS = 5000, 60, 300, 2000
NODES_OF_A_RUN = 3
WATCHED_SECONDS = 60.0
BIG_RUN = "big"
PAINTED = "performance.getEntriesByName('first-contentful-paint')"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, luigid(_made(Path(folder) / "luigid")) as scheduler:
        site = Site(Path(folder) / "path")
        began = time.monotonic()
        _fill(site, scheduler)
        click.echo(
            f"{CONFIGS} configs, {NODES} nodes, a run of {TASKS} tasks: made in {time.monotonic() - began:.0f} s"
        )
        store = CountedStore(site.state.store)
        state = PathState(store, site.state.path)
        reading = PathReading(state, Stores(state.path.state_prefix), SchedulerView("here", scheduler))
        settings = DashboardSettings(address=("127.0.0.1", 0))
        with serving(settings, reading, interval=CLOUD_INTERVAL_SECONDS) as url, chromium() as browser:
            _measure(site, store, Served(url), browser)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _measure(site: Site, store: CountedStore, page: Served, browser: Browser) -> None:
    began = time.monotonic()
    page.get("/api/overview")
    click.echo(f"first reading of the path: {time.monotonic() - began:.2f} s, {dict(store.calls)}")
    click.echo(f"\n{'page':<34}{'server':>10}{'size':>10}{'first paint':>14}")
    paths = ["/", "/?state=done&page=90", "/?q=c04", "/nodes", "/environments"]
    paths += [f"/runs/{BIG_RUN}{view}" for view in ("", "?view=timeline", "?view=graph")]
    for path in paths:
        page.get(path)
        began = time.monotonic()
        answer = page.get(path)
        took = time.monotonic() - began
        with contextlib.closing(browser.new_page()) as tab:
            tab.goto(page.url + path.lstrip("/"))
            tab.wait_for_function(f"{PAINTED}.length > 0")
            paint = tab.evaluate(f"{PAINTED}[0].startTime")
        click.echo(f"{path:<34}{took * 1000:>7.0f} ms{len(answer.text) / 1024:>7.0f} KB{paint:>11.0f} ms")
    seconds = _update_seconds(site, page, browser)
    click.echo(f"\na change is seen after {seconds:.1f} s (the path is read every {CLOUD_INTERVAL_SECONDS:g} s)")
    click.echo(f"memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    time.sleep(SETTLED_SECONDS)  # until no outcome is so new that its records may still change
    one, ten = (_calls_a_minute(store, page, browser, viewers) for viewers in (1, 10))
    click.echo(
        f"calls to the store a minute: {one:.0f} with one viewer, {ten:.0f} with ten, ratio {ten / max(one, 1):.2f}"
    )


def _calls_a_minute(store: CountedStore, page: Served, browser: Browser, viewers: int) -> float:
    tabs: list[Page] = []
    for _ in range(viewers):
        tabs.append(browser.new_context().new_page())
        tabs[-1].goto(page.url)
    before, began = store.total, time.monotonic()
    tabs[0].wait_for_timeout(WATCHED_SECONDS * 1000)
    count, took = store.total - before, time.monotonic() - began
    for tab in tabs:
        tab.context.close()
    return count / took * 60.0


def _update_seconds(site: Site, page: Served, browser: Browser) -> float:
    with contextlib.closing(browser.new_page()) as tab:
        tab.goto(page.url + "?state=waiting")
        tab.wait_for_selector('#live[data-state="live"]')
        site.config("just-now")
        began = time.monotonic()
        tab.wait_for_selector("#config-just-now", timeout=60_000)
        return time.monotonic() - began


def _fill(site: Site, scheduler: str) -> None:
    for number in range(NODES):
        site.heartbeat(f"node-{number:03}", running=(f"c{number % LIVE_CONFIGS:04}",))
    environment = RunEnvironment("../environment/plain.yaml", "py3.11-0123456789abcdef", "3.11.7", "py3.11-0123@9")
    for number in range(CONFIGS):
        name, live = f"c{number:04}", number < LIVE_CONFIGS
        if live:
            generation = site.config(name)
        else:  # written as a node's rename leaves it; reading it back would wait for it to come to rest
            kind = "error" if number % 20 == 0 else "done"
            (site.root / "pipeline" / f"{name}.{kind}.yaml").write_bytes(TASK_FILE)
        for node in range(NODES_OF_A_RUN):
            record = RunRecord(
                name,
                generation if live else "g",
                f"node-{(number + node) % NODES:03}",
                State.RUNNING if live else State.ENDED,
                None if live else "done",
                started=time.time() - 60,
                timings=PhaseTimings(1.0, None if live else 20.0),
                environment=environment,
                progress=Progress(done=12, running=3, pending=9),
            )
            site.record(record)
    root = _tasks(scheduler)
    generation = site.config(BIG_RUN)
    record = RunRecord(BIG_RUN, generation, "node-000", State.RUNNING, scheduler=scheduler, worker="w")
    site.record(replace(record, started=time.time(), root_task_id=root))


def _tasks(scheduler: str) -> str:
    """A graph of three layers at a real luigid, as a worker announces it; the root's id."""
    leaves = [f"Fetch_{number}" for number in range(TASKS - 41)]
    joins = {f"Join_{number}": leaves[number::40] for number in range(40)}
    graph: dict[str, list[str]] = {"Root_0": list(joins), **joins, **{leaf: [] for leaf in leaves}}
    for number, (task_id, deps) in enumerate(graph.items()):
        family = task_id.partition("_")[0]
        status = "PENDING" if deps else ("FAILED" if number % 500 == 0 else "DONE" if number % 3 else "RUNNING")
        arguments: dict[str, object] = {
            "worker": "w",
            "task_id": task_id,
            "status": status,
            "deps": deps,
            "family": family,
        }
        arguments |= {"params": {"part": task_id}, "runnable": True, "module": "m"}
        body = urllib.parse.urlencode({"data": json.dumps(arguments)}).encode()
        urllib.request.urlopen(f"{scheduler}/api/add_task", data=body, timeout=30).close()
    return "Root_0"


if __name__ == "__main__":
    main()
