"""Configs go to the nodes that have what they ask for, and on each node the more urgent ones go first."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.commands import Commands
from tests.e2e.paths import Bucket, Place
from tests.emulators.gcs import strict_gcs
from tests.emulators.servers import wait_until

GATED = "  module: waits\n  name: Gate\n  target: {0}/{1}.target\n  gate: {0}/{1}.gate\n"
COUNTED = "  module: outcomes\n  name: NoOutput\n  mark: {0}/{1}.mark\n"
ASKS = "nodes: [gpu, zone=a]\n"


def test_a_config_waits_for_a_node_that_has_its_labels(
    place: Place, shared_cache: Path, scheduler: str, tmp_path: Path
) -> None:
    options = ["--scheduler-url", scheduler]
    poltergust = Commands(place.path, tmp_path, {**place.env, "COLUMNS": "200"})
    with place.agent("plain", shared_cache / "one", *options, POLTERGUST_LABELS="zone=a big"):
        place.put("asks", COUNTED.format(place.scratch, "asks"), more=ASKS)
        place.until_records("asks", "the plain node to say so", state="waiting", reason="no-matching-node")
        for arguments in (("status",), ("status", "asks"), ("doctor", "--node", "looks", *options)):
            assert "no live node has gpu, zone=a" in poltergust(*arguments).out
        with place.agent("gpu", shared_cache / "two", *options, "--label", "gpu", "--label", "zone=a"):
            place.until("asks", "done")
            place.until_records("asks", "its rename to be recorded", node="gpu", renamed=True)
            place.put("any", COUNTED.format(place.scratch, "any"))
            place.until("any", "done")
            place.put("again", COUNTED.format(place.scratch, "again"), more=ASKS)
            place.until("again", "done")
        assert list(place.records("again")) == ["gpu"], "the other node wrote nothing about it"
        place.put("late", COUNTED.format(place.scratch, "late"), more=f"timeout: 2s\n{ASKS}")
        place.until("late", "error")
        assert "not complete within its timeout of 2 s; no live node has gpu" in place.records("late")["plain"]["text"]


def test_of_configs_that_wait_on_a_node_the_one_of_the_highest_priority_goes_first(
    shared_cache: Path, scheduler: str, tmp_path: Path
) -> None:
    with strict_gcs() as server:
        bucket = Bucket(server, tmp_path / "bucket")
        bucket.environment("plain")
        with bucket.agent("here", shared_cache / "one", "--scheduler-url", scheduler, "--parallel", "1"):
            bucket.put("busy", GATED.format(bucket.scratch, "busy"))
            wait_until((bucket.scratch / "busy.target.running").exists, "the only worker to be busy")
            wanted = {"low": "priority: -1\n", "usual": "", "high": "priority: 10\n"}
            for name, more in wanted.items():
                bucket.put(name, COUNTED.format(bucket.scratch, name), more=more)
            read = {f"pipeline/{name}.config.yaml" for name in wanted}
            wait_until(lambda: read <= {record.object for record in server.requests}, "their priorities to be read")
            (bucket.scratch / "busy.gate").touch()
            for name in wanted:
                bucket.until(name, "done")
    marks = [bucket.scratch / f"{name}.mark" for name in ("high", "usual", "low")]
    assert sorted(marks, key=lambda mark: mark.stat().st_mtime_ns) == marks


def test_of_configs_that_stood_there_before_the_node_too(place: Place, shared_cache: Path, scheduler: str) -> None:
    wanted = {"a-low": "priority: -1\n", "b-usual": "", "c-high": "priority: 10\n"}
    for name, more in wanted.items():
        place.put(name, COUNTED.format(place.scratch, name), more=more)
    with place.agent("here", shared_cache / "one", "--scheduler-url", scheduler, "--parallel", "1"):
        for name in wanted:
            place.until(name, "done")
    marks = [place.scratch / f"{name}.mark" for name in reversed(wanted)]
    assert sorted(marks, key=lambda mark: mark.stat().st_mtime_ns) == marks
