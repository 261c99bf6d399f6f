"""The pages that operators and Prometheus read, made from a `Status`.

`/healthz` says whether this process should be started again, `/readyz` whether a config that lands now is served; both
are 200 or 503 with a reason on each line. `/status.json` is all of it for programs, `/` for people, `/metrics` for
Prometheus.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict

from poltergust.base import hints
from poltergust.base.text import plain
from poltergust.observe.http import Answer, Page
from poltergust.observe.metrics import Metrics
from poltergust.observe.status import Status, unhealthy, unready

SHOWN_RUNS = 200
"""Runs that a page lists; the rest is a number."""


def pages(status: Callable[[], Status], metrics: Metrics) -> Mapping[str, Page]:
    """By path."""

    def numbers(accept: str) -> Answer:
        body, content_type = metrics.expose(accept)
        return Answer(200, body, content_type)

    return {
        "/": lambda _: Answer(200, text(status())),
        "/healthz": lambda _: verdict(unhealthy(status())),
        "/readyz": lambda _: verdict(unready(status())),
        "/status.json": lambda _: Answer(200, as_json(status()), "application/json"),
        "/metrics": numbers,
    }


def verdict(reasons: list[str]) -> Answer:
    """200, or 503 with what is wrong."""
    if not reasons:
        return Answer(200, "ok\n")
    return Answer(503, "".join(f"{plain(reason)}\n" for reason in reasons))


def as_json(status: Status) -> str:
    """One document; keys are only ever added."""
    content = asdict(status)
    content["runs"] = content["runs"][:SHOWN_RUNS]
    del content["scan"]["ended"]  # by a clock that only this process has; `since_scan` tells it
    more = {
        "format": 1,
        "known_runs": len(status.runs),
        "healthy": not unhealthy(status),
        "ready": not unready(status),
        "reasons": unready(status),
        "since_event": status.since_event,
    }
    return json.dumps({**more, **content}, indent=1, ensure_ascii=False) + "\n"


def text(status: Status) -> str:
    """For people, in a browser or with curl."""
    wrong = unready(status)
    lines = [
        f"poltergust {status.version}, node {status.node}: {'ready' if not wrong else 'NOT READY'}",
        f"path       {status.path}",
        f"scheduler  {status.scheduler}{' (embedded)' if status.embedded else ''}",
        f"work       {status.processing} of {status.parallel} in hand, {status.due} due, {status.delayed} later",
        f"last scan  {_ago(status.since_scan)}, {status.scan.found} configs in {status.scan.seconds:.2f} s",
        f"last event {_ago(status.since_event)}",
        *(f"problem    {reason}" for reason in wrong),
        "",
        *(_run(run.name, run.state, run.reason, run.text) for run in status.runs[:SHOWN_RUNS]),
    ]
    if len(status.runs) > SHOWN_RUNS:
        lines.append(f"and {len(status.runs) - SHOWN_RUNS} more")
    page = hints.command("dashboard", path=status.path)
    lines += ["", "/healthz  /readyz  /status.json  /metrics", f"all nodes: {page}"]
    return plain("\n".join(lines)) + "\n"


def _run(name: str, state: str, reason: str | None, words: str) -> str:
    why = f": {reason}" if reason else ""
    return f"{state:<10} {name}{why}{f': {words}' if words else ''}"


def _ago(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f} s ago"
