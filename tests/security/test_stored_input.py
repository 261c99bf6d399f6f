"""What lies beside the path is input: malformed, huge, deep or lying records change nothing and break nothing."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poltergust.path.layout import WatchedPath
from poltergust.path.marks import FailureReset
from poltergust.path.outcome import Config
from poltergust.path.records import MAX_RECORD_BYTES, RunRecord
from poltergust.path.state import PathState
from tests.security.fuzz import fuzzed, json_values
from tests.stored_records import record_of

DEEP = b"[" * 100_000
HUGE = b'{"name": "' + b"x" * (MAX_RECORD_BYTES + 1) + b'"}'
BROKEN = [b"", b"\x00", b"\xff\xfe", b"null", b"[]", b'{"name": 1}', b'{"name": NaN}', b"1" * 5000, DEEP, HUGE]


def opened(folder: Path) -> PathState:
    return PathState.open(WatchedPath(str(folder / "pipeline")), "node-1")


def put(url: str, data: bytes) -> None:
    Path(url).parent.mkdir(parents=True, exist_ok=True)
    Path(url).write_bytes(data)


def look_at_everything(state: PathState) -> None:
    """What an agent and the commands read of it."""
    list(state.records.nodes())
    list(state.records.runs("x", "1"))
    state.records.live_nodes()
    config = Config("x", "1", b"")
    state.failure_reset.is_done(config)
    state.failure_reset.claim(config).result()
    reader = state.reader()
    list(reader.nodes())
    reader.overview()


@pytest.mark.parametrize("broken", BROKEN, ids=lambda data: f"{data[:12]!r}")
def test_no_record_whatever_breaks_who_reads_it(tmp_path: Path, broken: bytes) -> None:
    state = opened(tmp_path)
    for url in (state.path.node("node-1"), state.path.node("other"), state.path.run("x", "1", "node-1")):
        put(url, broken)
    put(f"{state.path.runs('x', '1')}.first", broken)
    look_at_everything(state)
    assert record_of(state.records, "x", "1") is None
    assert list(state.records.nodes()) == []


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()), st.data())
@fuzzed
def test_nor_does_any_field_of_one(data: bytes, more: st.DataObject) -> None:
    sound = RunRecord("x", "1", "node-1").content()
    field = more.draw(st.sampled_from(sorted(sound)))
    with tempfile.TemporaryDirectory() as folder:
        state = opened(Path(folder))
        put(state.path.run("x", "1", "node-2"), data)
        put(state.path.run("x", "1", "node-1"), json.dumps({**sound, field: more.draw(json_values)}).encode())
        look_at_everything(state)


def test_a_record_counts_only_where_it_says_it_is(tmp_path: Path) -> None:
    """Whoever may write one node's record cannot speak for another node, nor for another run by a name that begins the
    same."""
    state = opened(tmp_path)
    lie = RunRecord("x", "1", "node-2", attempts=99)
    for url in (
        state.path.run("x", "1", "node-1"),
        state.path.run("x/1", "2", "node-2"),
        state.path.run("x", "11", "node-2"),
    ):
        put(url, json.dumps(lie.content()).encode())
    assert list(state.records.runs("x", "1")) == []
    assert record_of(state.records, "x", "1") is None
    state.records.save_run(replace(lie, node="node-1"))
    assert [seen.record.node for seen in state.records.runs("x", "1")] == ["node-1"]


@pytest.mark.parametrize("node", ["../../etc/passwd", "a\nWATCHDOG=1", "x" * 200, "", "\u202eevil"])
def test_a_node_of_an_impossible_name_is_none(tmp_path: Path, node: str) -> None:
    state = opened(tmp_path)
    put(state.path.node("other"), json.dumps({**RunRecord("x", "1", node).content()}).encode())
    assert list(state.records.nodes()) == []


def test_a_mark_that_is_huge_or_deep_is_no_mark(tmp_path: Path) -> None:
    state = opened(tmp_path)
    for data in (DEEP, HUGE):
        put(f"{state.path.runs('x', '1')}.first", data)
        assert isinstance(state.failure_reset, FailureReset)
        assert state.failure_reset.is_done(Config("x", "1", b""))
