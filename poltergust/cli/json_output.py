"""Views as JSON: the keys of docs/commands.md, stable; new ones are only added."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from poltergust.path.reading.model import ConfigView, Detail, NodeView, PathView, RunView

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
    submitted = None if view.submitted is None else {"by": view.submitted.by, "at": view.submitted.at}
    document = view.document
    return _line(
        {
            "format": FORMAT,
            **_config(view.config),
            "task": document.task or None,
            "environment": document.environment or None,
            "submitted": submitted,
            "runs": [_run(one) for one in view.config.runs],
        }
    )


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
        "started": record.started,
        "updated": view.updated,
        "timings": content["timings"],
        "environment": content["environment"],
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
        "waiting": record.waiting,
        "scheduler": record.scheduler,
        "embedded": record.embedded,
        "taking": record.taking,
        "problems": list(record.problems),
    }


def _line(content: dict[str, Any]) -> str:
    # ASCII only: terminal codes from a bucket arrive as escapes, whatever reads this.
    return json.dumps(content)
