"""`poltergust demo`: the main job on this machine, each phase shown. No cloud account, no gcloud, no Java."""

from __future__ import annotations

import functools
import json
import logging
import os
import shlex
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from poltergust.base import hints
from poltergust.base.errors import PoltergustError
from poltergust.base.stopping import Stopping, signals_stop
from poltergust.path import layout
from poltergust.path.layout import Kind

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from poltergust.base.progress import Progress

CONFIG = "estimate"
NODE = "demo"
SAMPLE = Path(__file__).with_name("samples") / "demo"


@click.command(short_help="See it work on this machine.")
def demo() -> None:
    """See it work on this machine: a temporary folder, an embedded scheduler and a small sample pipeline.

    Drops a task file into the folder as a user would, shows each phase of the run, and prints where everything is.
    """
    # Imported here: the parts bring much that `--help` should not wait for.
    from rich.console import Console

    from poltergust.node.settings import Settings
    from poltergust.node.wiring import agent
    from poltergust.runs.settings import RunSettings

    logging.getLogger("poltergust").setLevel(logging.CRITICAL)  # only the demo writes to the screen
    folder = Path(tempfile.mkdtemp(prefix="poltergust-demo-"))
    shutil.copytree(SAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pipeline", "results"):
        (folder / name).mkdir()
    settings = Settings(
        path=layout.WatchedPath(str(folder / "pipeline")),
        node=NODE,
        parallel=2,
        runs=RunSettings(retries=0, drain_timeout=5.0),
        cache=folder / "cache",
        workdir=folder,
        environ=dict(os.environ),
    )
    screen = _Screen(Console(highlight=False, soft_wrap=True))
    stopping = Stopping()
    screen.done("folder", f"{folder} holds everything you see here")
    with signals_stop(stopping):
        with screen.busy("scheduler", "starting luigid"), agent(settings, stopping) as node:
            screen.done("scheduler", f"luigid at {node.context.scheduler.shown_url}, for this machine only")
            serving = threading.Thread(target=node.run, name="poltergust-demo", daemon=True)
            serving.start()
            try:
                _drop(folder)
                screen.done("config", f"cp {CONFIG}.config.yaml pipeline/   (names a module, a task, an environment)")
                ended = _follow(folder, screen, node.progress, stopping, serving)
            finally:
                stopping.request_drain()
                serving.join()
        _finish(folder, screen, ended)


def _drop(folder: Path) -> None:
    """What a user does: the whole file, at once."""
    text = (folder / f"{CONFIG}.config.yaml").read_text("utf-8").replace("@RESULTS@", str(folder / "results"))
    (folder / f"{CONFIG}.config.yaml").write_text(text, "utf-8")
    shutil.copy(folder / f"{CONFIG}.config.yaml", folder / "pipeline")


class _Screen:
    """A line for each phase that is over, with the seconds since the start; below it, on a terminal, what goes on."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()

    def done(self, phase: str, text: str, mark: str = "[green]✔[/]") -> None:
        from rich.markup import escape

        elapsed = time.monotonic() - self._began
        self.console.print(f"{mark} {phase:<12} [dim]{elapsed:5.1f} s[/]  {escape(text)}")

    def busy(self, phase: str, text: str) -> AbstractContextManager[Status]:
        return self.console.status(f"{phase:<12}          {text}")

    def elapsed(self) -> float:
        return time.monotonic() - self._began


def _follow(
    folder: Path,
    screen: _Screen,
    progress: Callable[[str], Progress],
    stopping: Stopping,
    serving: threading.Thread,
) -> dict[str, object]:
    """Show the run from its record and the scheduler's counts. Returns the last record, empty if the agent ended
    first. Raises `click.Abort` for a signal."""
    shown: set[str] = set()
    with screen.busy("environment", "creating a virtualenv, installing what the environment file asks for") as status:
        while True:
            record = _record(folder)
            state = record.get("state")
            environment = record.get("environment")
            if isinstance(environment, dict) and environment and "environment" not in shown:
                shown.add("environment")
                timings = record.get("timings")
                seconds = timings.get("environment", 0.0) if isinstance(timings, dict) else 0.0
                screen.done("environment", f"built in {seconds:.1f} s, Python {environment.get('python')}")
            if "environment" in shown:
                now = progress(CONFIG)
                text = f"{now.done} of {now.total} tasks done, {now.running} running" if now.total else "Luigi starts"
                status.update(f"{'luigi':<12} {screen.elapsed():5.1f} s  {text}")
            if state == "ended":
                counts = record.get("progress")
                if isinstance(counts, dict) and counts:
                    screen.done("luigi", f"{counts.get('done', 0)} of {sum(counts.values())} tasks done")
                return record
            if stopping.draining:
                raise click.Abort
            if not serving.is_alive():
                return {}
            time.sleep(0.1)


def _record(folder: Path) -> dict[str, object]:
    for path in (folder / "pipeline.poltergust" / "runs" / CONFIG).glob(f"*/{NODE}.json"):
        try:
            content = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue  # it is being replaced at this moment
        if isinstance(content, dict):
            return content
    return {}


def _finish(folder: Path, screen: _Screen, ended: dict[str, object]) -> None:
    if not ended:
        raise PoltergustError(f"the agent ended before the run did; what it left is in {folder}")
    logs = sorted((folder / "pipeline.poltergust" / "logs" / CONFIG).glob(f"*/{NODE}.log"))
    where = logs[-1] if logs else folder
    outcome = folder / "pipeline" / f"{CONFIG}{Kind.DONE.suffix}"
    if not outcome.exists():
        screen.done("outcome", f"{CONFIG}{Kind.ERROR.suffix}: {ended.get('reason')}: {ended.get('text')}", "[red]✘[/]")
        raise PoltergustError(f"the sample pipeline did not succeed; its log: {where}")
    screen.done("outcome", f"renamed to {outcome.name}")
    print_ = functools.partial(screen.console.print, markup=False)
    path, source = str(folder / "pipeline"), shlex.quote(str(folder / f"{CONFIG}.config.yaml"))
    print_()
    print_((folder / "results" / "pi.txt").read_text("utf-8"))
    print_(f"The log of the run:   {where}")
    print_(f"To look at it:        {hints.command('dashboard', path=path)}")
    print_(f"To see it again:      {hints.command('listen', path=path)}")
    print_(f"  in another shell:   cp {source} {shlex.quote(path)}/again.config.yaml")
    print_(f"When you are done:    rm -r {shlex.quote(str(folder))}")
