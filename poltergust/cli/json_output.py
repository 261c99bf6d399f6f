"""Views as JSON: the keys of docs/commands.md, stable; new ones are only added."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from poltergust.path.reading.model import By, ConfigView, Detail, NodeView, PathView, RunView
from poltergust.path.reading.waiting import Observation

FORMAT = 1


def path(view: PathView) -> str:
    """A whole path on one line."""
    return _line(
        {
            "format": FORMAT,
            "path": view.path,
            "time": view.time,
            "counts": dict(view.counts),
            "configs": [_config(one) for one in view.configs],
            "nodes": [_node(one) for one in view.nodes],
        }
    )


def detail(view: Detail) -> str:
    """One config in full on one line."""
    document = view.document
    return _line(
        {
            "format": FORMAT,
            **_config(view.config),
            "task": document.task or None,
            "environment": document.environment or None,
            "submitted": _by(view.submitted),
            "cancelled": _by(view.cancelled),
            "runs": [_run(one) for one in view.config.runs],
        }
    )


def action(what: str, name: str, url: str, by: str, observed: Observation | None = None) -> str:
    """What a command did to a config, and, where it waited, what became of it."""
    view, ending = (None, None) if observed is None else (observed.view, observed.ending)
    return _line(
        {
            "format": FORMAT,
            "action": what,
            "name": name,
            "url": url,
            "by": by,
            "ending": None if ending is None else ending.value,
            "config": None if view is None else _config(view),
        }
    )


def log_line(node: str, text: str) -> str:
    """One line of a run log."""
    return _line({"format": FORMAT, "node": node, "line": text})


def _by(who: By | None) -> dict[str, Any] | None:
    return None if who is None else asdict(who)


def _config(view: ConfigView) -> dict[str, Any]:
    return {
        "name": view.name,
        "state": view.state.value,
        "url": view.url,
        "generation": view.generation,
        "updated": view.updated,
        "age": view.age,
        "started": view.started,
        "took": view.took,
        "nodes": list(view.nodes),
        "silent": list(view.silent),
        "reason": view.reason,
        "text": view.text,
        "attempt": view.attempt,
        "retry_in": view.retry_in,
        "progress": None if view.progress is None else asdict(view.progress),
    }


def _run(view: RunView) -> dict[str, Any]:
    record, content = view.record, view.record.content()
    return {
        "node": record.node,
        "state": record.state.value,
        "silent": view.silent,
        "outcome": record.outcome,
        "reason": record.reason,
        "text": record.text,
        "renamed": record.renamed,
        "refused": record.refused,
        "attempts": record.attempts,
        "attempts_made": record.attempts_made,
        "retry_at": record.retry_at,
        "started": record.started,
        "updated": view.updated,
        "timings": content["timings"],
        "environment": content["environment"],
        "code": record.code or None,
        "scheduler": record.scheduler,
        "root_task_id": record.root_task_id,
        "failures": content["failures"],
        "progress": content["progress"],
    }


def _node(view: NodeView) -> dict[str, Any]:
    record = view.record
    return {
        "node": record.node,
        "state": view.state,
        "age": view.age,
        "version": record.version,
        "host": record.host,
        "running": list(record.running),
        "slots": record.slots,
        "queue": list(record.queue),
        "waiting": record.waiting,
        "scheduler": record.scheduler,
        "embedded": record.embedded,
        "taking": record.taking,
        "labels": list(record.labels),
        "problems": list(record.problems),
    }


def _line(content: dict[str, Any]) -> str:
    # ASCII only: terminal codes from a bucket arrive as escapes, whatever reads this.
    return json.dumps(content)
