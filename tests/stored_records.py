"""Run records as they stand beside a path."""

from __future__ import annotations

from poltergust.path.records import Records, RunRecord


def record_of(records: Records, name: str, generation: str, node: str | None = None) -> RunRecord | None:
    """The record of that run by `node`, by any without one; None where there is none that counts."""
    found = (seen.record for seen in records.runs(name, generation))
    return next((record for record in found if node in (None, record.node)), None)
