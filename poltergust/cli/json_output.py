"""Views as JSON: the keys of docs/commands.md, stable; new ones are only added."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from poltergust.luigi_run.clearing import StandingOutput
from poltergust.path.reading.comparison import RunComparison
from poltergust.path.reading.history import RunSummary
from poltergust.path.reading.model import By, ConfigView, Detail, NodeView, PastRun, PathView, RunView
from poltergust.path.reading.waiting import Observation
from poltergust.path.tasks import TaskStory

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
            "tasks": [task(one) for one in view.tasks],
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


def would_clear(name: str, family: str, standing: Sequence[StandingOutput]) -> str:
    """What `retry --clear` would remove."""
    outputs = [{"task": one.task, "output": one.output, "problem": one.problem or None} for one in standing]
    return _line({"format": FORMAT, "action": "would-clear", "name": name, "family": family, "outputs": outputs})


def log_line(node: str, text: str, task: str | None = None) -> str:
    """One line of a run log; `task`, where it was asked for, is the one that it is about."""
    about = {} if task is None else {"task": task}
    return _line({"format": FORMAT, "node": node, "line": text, **about})


def task(story: TaskStory) -> dict[str, Any]:
    """What one task of a run did."""
    return {
        "task_id": story.task_id,
        "name": story.name,
        "family": story.family,
        "parameters": dict(story.parameters),
        "state": story.state.value,
        "node": story.node or None,
        "started": story.started,
        "ended": story.ended,
        "seconds": story.seconds,
        "attempts": story.attempts,
        "failure": story.failure or None,
    }


def history(name: str, runs: Sequence[RunSummary]) -> str:
    """The runs of one name, the latest first."""
    return _line({"format": FORMAT, "name": name, "runs": [_past_run(one) for one in runs]})


def past_run(name: str, run: RunSummary, past: PastRun, tasks: Sequence[TaskStory]) -> str:
    """One run of a name, the latest or an earlier one, with its records and its tasks."""
    runs, stories = [_run(one) for one in past.runs], [task(one) for one in tasks]
    return _line({"format": FORMAT, "name": name, **_past_run(run), "runs": runs, "tasks": stories})


def comparison(name: str, found: RunComparison) -> str:
    """What differs between two runs of one name."""
    return _line(
        {
            "format": FORMAT,
            "name": name,
            "before": _past_run(found.before),
            "after": _past_run(found.after),
            "changed": list(found.changed),
            "texts": {text.title: {"known": text.known, "diff": list(text.lines)} for text in found.texts},
            "families": [
                {
                    "family": one.family,
                    "before": None if one.before is None else asdict(one.before),
                    "after": None if one.after is None else asdict(one.after),
                }
                for one in found.families
            ],
        }
    )


def retried(by: str, again: Mapping[str, str], refused: Mapping[str, str]) -> str:
    """What a command put back: name to URL; and what it could not, name to why."""
    return _line(
        {
            "format": FORMAT,
            "action": "runs-again",
            "by": by,
            "configs": [{"name": name, "url": url} for name, url in again.items()],
            "refused": [{"name": name, "why": why} for name, why in refused.items()],
        }
    )


def _past_run(run: RunSummary) -> dict[str, Any]:
    return {
        "generation": run.generation,
        "outcome": run.outcome,
        "reason": run.reason or None,
        "text": run.text,
        "started": run.started,
        "seconds": run.seconds,
        "nodes": list(run.nodes),
        "progress": None if run.progress is None else asdict(run.progress),
        "environment": None if run.environment is None else asdict(run.environment),
        "config_digest": run.config_digest or None,
        "environment_digest": run.environment_digest or None,
        "lock_digest": run.lock_digest or None,
        "code": run.code or None,
        "changed": list(run.changed),
    }


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
