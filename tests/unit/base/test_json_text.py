"""Text that no UTF-8 can hold, as a pipeline's exception or task may have it, harms nothing that is written."""

from __future__ import annotations

import io
import json
import logging
import os
from pathlib import Path

import pytest

from poltergust.base import agent_log
from poltergust.base.json_text import json_bytes, read_json
from poltergust.base.progress import TaskFailure
from poltergust.base.redaction import Redactor
from poltergust.base.text import plain
from poltergust.path.layout import WatchedPath
from poltergust.path.records import RunRecord
from poltergust.path.state import PathState
from poltergust.processes.lines import MessageSplitter
from tests.stored_records import record_of

ODD = "no such file: " + os.fsdecode(b"caf\xe9")
SHOWN = r"no such file: caf\udce9"


def test_what_is_read_can_be_written_and_shown() -> None:
    assert read_json(json.dumps({"a": [ODD], ODD: "täsk 🎉"})) == {"a": [SHOWN], SHOWN: "täsk 🎉"}
    assert plain(ODD) == SHOWN


@pytest.mark.parametrize("text", [r"back \\ slash \u00e4", '"quoted"', r"\\udce9", "\U0001f389"])
def test_other_text_arrives_as_it_is(text: str) -> None:
    assert read_json(json.dumps([text])) == [text]
    assert json.loads(json_bytes([text])) == [text]


def test_a_message_of_a_run_is_taken_in_whole() -> None:
    message = json.dumps({"result": {"detail": ODD}}).encode() + b"\n"
    assert MessageSplitter().feed(message) == [{"result": {"detail": SHOWN}}]


def test_a_record_holds_it_and_is_read_again(tmp_path: Path) -> None:
    records = PathState.open(WatchedPath(str(tmp_path / "pipeline")), "n1").records
    record = RunRecord("odd", "1", "n1", text=ODD, failures=(TaskFailure("T_1", "T", ODD),))
    assert records.save_run(record) is not None
    found = record_of(records, "odd", "1")
    assert found is not None
    assert (found.text, found.failures[0].error) == (SHOWN, SHOWN)


@pytest.mark.parametrize("form", ["json", "text"])
def test_the_agents_log_shows_it(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    monkeypatch.setattr("sys.stderr", written)
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        agent_log.configure(form, "n1", Redactor(()))
        logging.getLogger("poltergust.test").info("it failed: %s", ODD)
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
    written.flush()
    line = written.buffer.getvalue().decode()
    assert (json.loads(line)["message"] if form == "json" else line.split("INFO")[1].strip()) == f"it failed: {SHOWN}"
