"""Numbers as Prometheus' own parser reads them, in both of its formats."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse_text

from poltergust.base.errors import NodeError
from poltergust.base.reasons import Reason
from poltergust.environments import Environment
from poltergust.observe.metrics import MAX_FAMILIES, OTHER_FAMILIES, CountedEnvironments, Metrics
from poltergust.observe.status import RunSeen
from poltergust.path.outcome import Config, RenameResult
from poltergust.path.records import RunRecord
from poltergust.runs.run import Run, Verdict
from tests.unit.observe.parts import status

RUN = Run(Config("x", "1", b""), RunRecord("x", "1", "here"), began=0.0)
DONE = Verdict(Reason.COMPLETE, "")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    found: float | None = metrics.registry.get_sample_value(name, labels)
    return found


@pytest.mark.parametrize(("accept", "parse"), [("", parse_text), ("application/openmetrics-text", parse_open)])
def test_both_formats_are_read_by_the_official_parser(accept: str, parse: Any) -> None:
    metrics = Metrics()
    refused = RunSeen("x", "1", "finished", "complete", refused="403")
    metrics.watch(lambda: status(runs=(refused, RunSeen("y", "1", "running"))))
    body, content_type = metrics.expose(accept)
    assert ("openmetrics" in content_type) == bool(accept)
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in parse(body)
        for sample in family.samples
    }
    assert samples["poltergust_ready",] == 1
    assert samples["poltergust_queue_names", "delayed"] == 3
    assert samples["poltergust_running_runs",] == 1
    assert samples["poltergust_renames_refused",] == 1
    assert samples["poltergust_scan_seconds",] == 0.25
    assert samples["poltergust_path_waiting_configs",] == 4
    assert samples["poltergust_path_oldest_waiting_seconds",] == 90
    assert samples["poltergust_cache_free_bytes",] == 5_000_000_000
    assert samples["poltergust_scans_total", "failed"] == 1
    assert samples["poltergust_seconds_since_last_event",] == 5
    assert samples["poltergust_seconds_since_last_scan",] == 10
    assert samples["poltergust_notifications_total", "ignored", "pubsub"] == 2


@pytest.mark.parametrize("version", ["latest", "1..0", "2.0.0-rc.0", "", "9" * 5000])
def test_a_version_that_nobody_knows_gets_numbers_as_well(version: str) -> None:
    for kind in ("text/plain", "application/openmetrics-text"):
        body, _ = Metrics().expose(f"{kind};version={version}")
        assert "poltergust_scans" in body or "poltergust_runs" in body


def test_every_number_stands_on_the_page_and_every_one_of_the_page_is_there() -> None:
    metrics = Metrics()
    metrics.watch(status)
    exposed = {family.name for family in metrics.registry.collect()}
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")
    named = {name.removesuffix("_total") for name in re.findall(r"`(poltergust_\w+)`", page.partition("## systemd")[0])}
    assert named == {name for name in exposed if name.startswith("poltergust_")}


def test_ages_of_what_never_happened_are_left_out() -> None:
    metrics = Metrics()
    metrics.watch(lambda: status(since_scan=None, sources=()))
    assert value(metrics, "poltergust_seconds_since_last_scan") is None
    assert value(metrics, "poltergust_path_waiting_configs") is None
    assert value(metrics, "poltergust_seconds_since_last_event") is None


def test_endings_are_counted_by_outcome_reason_and_who_renamed() -> None:
    metrics = Metrics()
    for ending in (RenameResult.REFUSED, RenameResult.WON, RenameResult.LOST, RenameResult.WON):
        metrics.renamed(RUN, DONE, ending)
    labels = {"outcome": "done", "reason": "complete"}
    assert value(metrics, "poltergust_runs_total", rename="won", **labels) == 2
    assert value(metrics, "poltergust_runs_total", rename="lost", **labels) == 1
    assert value(metrics, "poltergust_rename_refusals_total") == 1


def test_the_first_of_each_kind_is_an_increase_from_zero() -> None:
    metrics = Metrics()
    assert value(metrics, "poltergust_runs_total", outcome="error", reason="task-failed", rename="won") == 0
    assert value(metrics, "poltergust_runs_total", outcome="done", reason="complete", rename="won") == 0
    assert value(metrics, "poltergust_environment_builds_total", result="disk-full") == 0
    assert value(metrics, "poltergust_outcome_posts_total", result="undelivered") == 0
    metrics.renamed(RUN, Verdict(Reason.TASK_FAILED, ""), RenameResult.WON)
    assert value(metrics, "poltergust_runs_total", outcome="error", reason="task-failed", rename="won") == 1


class Environments:
    def __init__(self, answers: list[Environment | NodeError]) -> None:
        self._answers = answers

    @contextlib.contextmanager
    def ready(self, spec: object, **_: object) -> Iterator[Environment]:
        answer = self._answers.pop(0)
        if isinstance(answer, NodeError):
            raise answer
        yield answer


def test_builds_hits_and_failures_of_environments() -> None:
    metrics = Metrics()

    def environment(*, built: bool) -> Environment:
        return Environment("k", Path("/e"), Path("/e/bin/python"), "3.11", built, 2.0)

    answers = [environment(built=True), environment(built=False), NodeError(Reason.DISK_FULL, "full")]
    counted: Any = CountedEnvironments(Environments(answers), metrics)  # type: ignore[arg-type]

    def ready() -> Any:
        return counted.ready(None, node_env={}, on_line=print, cancelled=lambda: False)

    with ready() as found:
        assert found.built
    with pytest.raises(ZeroDivisionError), ready():
        raise ZeroDivisionError  # the run's own trouble is none of the environment's
    with pytest.raises(NodeError), ready():
        raise AssertionError("unreachable")
    assert value(metrics, "poltergust_environment_builds_total", result="ok") == 1
    assert value(metrics, "poltergust_environment_hits_total") == 1
    assert value(metrics, "poltergust_environment_builds_total", result="disk-full") == 1
    assert value(metrics, "poltergust_environment_build_seconds_sum") == 2.0


def test_the_families_of_tasks_that_are_told_apart_are_bounded() -> None:
    metrics = Metrics()
    for number in range(MAX_FAMILIES + 10):
        metrics.task_ended(f"Family{number}", "done", 1.0)
    metrics.task_ended("Family0", "failed", 2.0)
    text, _ = metrics.expose("text/plain")
    counts = re.findall(r'poltergust_task_seconds_count\{family="([^"]+)",result="(\w+)"\} ([\d.]+)', text)
    assert len(counts) == MAX_FAMILIES + 2
    assert (OTHER_FAMILIES, "done", "10.0") in counts
    assert ("Family0", "failed", "1.0") in counts
