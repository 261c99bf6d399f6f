"""Lines and messages from bytes in any division."""

from __future__ import annotations

import itertools
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poltergust.processes.lines import LineSplitter, MessageSplitter


def split(*chunks: bytes, limit: int = 100, every: float = 10.0) -> list[str]:
    splitter = LineSplitter(limit, every)
    return [line for chunk in chunks for line in splitter.feed(chunk, 0.0)] + splitter.end()


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([], []),
        ([b""], []),
        ([b"a\nb\n"], ["a", "b"]),
        ([b"a", b"b", b"\nc"], ["ab", "c"]),
        ([b"\n\n"], ["", ""]),
        ([b"a\r\nb\r\n"], ["a", "b"]),
        ([b"a\r", b"\nb"], ["a", "b"]),
        ([b"a\r\r\n"], ["a"]),
        ([b"10%\r20%\r100%\n"], ["100%"]),
        ([b"10%\r", b"20%\r", b"100%\r\n"], ["10%", "100%"]),
        ([b"10%\r", b"20%"], ["10%", "20%"]),
        ([b"10%\r"], ["10%"]),
        ([b"\r10%\r20%\r"], ["10%", "20%"]),
        ([b"\xc3", b"\xa9\n"], ["é"]),
        ([b"\xff\xfe\n"], ["\ufffd\ufffd"]),
        ([b"x" * 100 + b"\n"], ["x" * 100]),
        ([b"x" * 101 + b"\n"], ["x" * 100, "x"]),
        ([b"x" * 99 + "é".encode() + b"\n"], ["x" * 99, "é"]),
        ([b"x" * 98 + "€€".encode()], ["x" * 98, "€€"]),
        ([b"x" * 250], ["x" * 100, "x" * 100, "x" * 50]),
        ([b"\x80" * 150], ["\ufffd" * 96, "\ufffd" * 54]),
    ],
)
def test_lines(chunks: list[bytes], lines: list[str]) -> None:
    assert split(*chunks) == lines


def test_a_progress_bar_shows_itself_now_and_then() -> None:
    splitter = LineSplitter(100, 10.0)
    seen = [(second, splitter.feed(b"%d%%\r" % second, float(second))) for second in range(25)]
    assert [(second, lines) for second, lines in seen if lines] == [(1, ["0%"]), (11, ["10%"]), (21, ["20%"])]
    assert splitter.feed(b"done\n", 25.0) == ["done"]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_division_changes_nothing_but_progress(data: bytes, cuts: list[int]) -> None:
    data = data.replace(b"\r", b".")
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[start:end] for start, end in itertools.pairwise(places)]
    assert split(*chunks, limit=1000) == split(data, limit=1000) == _plain(data)


def _plain(data: bytes) -> list[str]:
    *lines, rest = data.split(b"\n")
    return [line.decode("utf-8", "replace") for line in [*lines, *([rest] if rest else [])]]


@given(st.lists(st.sampled_from([b"x" * 30, b"\xe2\x82\xac" * 9, b"\r", b"\n", b"\xff" * 20]), max_size=30))
def test_memory_is_bounded(chunks: list[bytes]) -> None:
    splitter = LineSplitter(50, 10.0)
    for chunk in chunks:
        for line in splitter.feed(chunk, 0.0):
            assert len(line) <= 50
        assert len(splitter._rest) <= 51


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers())), st.integers(1, 40))
def test_messages_in_any_division(messages: list[dict[str, object]], size: int) -> None:
    data = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
    splitter = MessageSplitter()
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    assert [message for chunk in chunks for message in splitter.feed(chunk)] == messages


@pytest.mark.parametrize("bad", [b"{", b"[1]", b"null", b"\xff", b"", b"[" * 100_000, b'{"secret": 1' + b" " * 200_000])
def test_what_is_no_message_is_dropped_and_the_next_one_is_read(bad: bytes, caplog: pytest.LogCaptureFixture) -> None:
    splitter = MessageSplitter(150_000)
    with caplog.at_level(logging.WARNING):
        assert splitter.feed(bad + b'\n{"a": 1}\n{"half"') == [{"a": 1}]
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text
