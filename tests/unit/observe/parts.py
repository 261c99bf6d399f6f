"""A picture of an agent that is well, to change one thing in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from poltergust.observe.status import SourceSeen, Status
from poltergust.sources.scan import ScanState

WELL = Status(
    node="here",
    instance="0123abcd",
    version="1",
    path="gs://b/pipeline",
    state="ready",
    scheduler="http://head:8082",
    embedded=False,
    parallel=2,
    workers=2,
    due=0,
    delayed=3,
    processing=1,
    untaken=0.0,
    scan=ScanState(ended=1.0, seconds=0.25, found=4, oldest=2.0, scans=7, failures=1),
    scanning=True,
    since_scan=10.0,
    since_oldest=90.0,
    cache_free=5_000_000_000,
    reconcile_interval=300.0,
    since_beat=1.0,
    sources=(SourceSeen("pubsub", alive=True, since_event=5.0, counts={"accepted": 3, "ignored": 2}),),
)


def status(**changes: Any) -> Status:
    return replace(WELL, **changes)
