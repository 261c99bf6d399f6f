"""Which probes there are for given settings, and running them: in turn, none of them able to end the others."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from poltergust.base.checks import Check, Severity, fail
from poltergust.base.errors import PoltergustError
from poltergust.base.urls import is_cloud
from poltergust.doctor import machine, scheduling
from poltergust.doctor.watched_path import BucketProbes, FolderProbes
from poltergust.node.settings import Settings

log = logging.getLogger(__name__)

REPORTED_BY_SOURCE = ("subscription", "topic")
"""Findings that keep a stream from being opened: who listens to it logs them, and again when they change."""

STOP_SECONDS = 5.0
"""How long a stopping agent waits for quick probes that have not ended yet; each is bounded itself."""


@dataclass(frozen=True)
class Probe:
    """`title` is shown while it runs; `run` yields what was found, `name` is what an error of
    the probe itself is found under."""

    name: str
    title: str
    run: Callable[[], Iterable[Check]]


def probes(settings: Settings, *, quick: bool = False) -> list[Probe]:
    """In the order in which a person would check. `quick` leaves out what writes, lists or waits."""
    path = BucketProbes(settings) if is_cloud(settings.path.root) else FolderProbes(settings)
    every = [
        Probe("versions", "versions", machine.versions),
        Probe("path", "the path", path.access),
        Probe("notification", "notifications", path.events),
        Probe("workdir", "the working directory", lambda: machine.workdir(settings)),
        Probe("disk", "the disk", lambda: machine.disk(settings.cache)),
    ]
    if quick:
        return every
    return [
        *every,
        Probe("write", "writing beside the path, and the clock", path.round_trip),
        Probe("nodes", "other nodes", path.nodes),
        Probe("interpreters", "interpreters", lambda: machine.interpreters(settings)),
        Probe("scheduler", "the scheduler", lambda: scheduling.scheduler(settings.scheduler_url, settings.environ)),
    ]


def examine(probe: Probe) -> Iterator[Check]:
    """Run one probe; an error of it is a finding."""
    try:
        yield from probe.run()
    except (PoltergustError, OSError) as error:
        yield fail(probe.name, str(error), "correct this and run doctor again")


@contextlib.contextmanager
def alongside(settings: Settings) -> Iterator[None]:
    """Log what the quick probes find wrong, in a thread of its own, so that listening never waits for it."""
    thread = threading.Thread(target=_warn, args=(settings,), name="poltergust-doctor", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(STOP_SECONDS)


def _warn(settings: Settings) -> None:
    try:
        for probe in probes(settings, quick=True):
            for check in examine(probe):
                reported = check.verdict is Severity.FAIL and check.name in REPORTED_BY_SOURCE
                if check.verdict in (Severity.WARN, Severity.FAIL) and not reported:
                    log.warning("%s: %s; %s", check.name, check.text, check.remedy)
    except Exception:  # a check must never end the agent
        log.exception("the checks at the start failed; please report this")
