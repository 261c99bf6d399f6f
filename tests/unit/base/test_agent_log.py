"""Each line of a run says of which run it is, in both formats."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from poltergust.base.agent_log import about, configure
from poltergust.base.redaction import Redactor


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("poltergust")
    before = (root.handlers[:], root.level, ours.level)
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def say() -> None:
    log = logging.getLogger("poltergust.test")
    log.info("between runs")
    with about(name="sub/x"), about(generation="17"):
        log.warning("the password is %s\x1b[31m", "hunter22")
        try:
            raise ValueError("broken")
        except ValueError:
            log.exception("unexpected")


def test_json_lines_carry_name_generation_and_node(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", "here", Redactor(({"A_PASSWORD": "hunter22"},)))
    say()
    first, second, third = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["severity"], first["message"], first["node"]) == ("INFO", "between runs", "here")
    assert "name" not in first
    assert (second["name"], second["generation"], second["node"]) == ("sub/x", "17", "here")
    assert (second["severity"], second["logger"]) == ("WARNING", "poltergust.test")
    assert "hunter22" not in second["message"]
    assert third["message"].startswith("unexpected\nTraceback")
    assert third["time"].endswith("Z")


def test_text_lines_do_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure("text", "here", Redactor(({"A_PASSWORD": "hunter22"},)))
    say()
    first, second, third, *trace = capsys.readouterr().err.splitlines()
    assert first.endswith("INFO    between runs")
    assert second.endswith("WARNING the password is [redacted] [sub/x@17 on here]")
    assert third.endswith("unexpected [sub/x@17 on here]")
    assert trace[-1] == "    ValueError: broken"
