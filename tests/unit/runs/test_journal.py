"""The journal: it survives its agent at any moment, it is nobody else's, and nothing that stands in its place breaks
anything."""

from __future__ import annotations

import errno
import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from poltergust.path.records import RunRecord, State
from poltergust.runs import journal
from poltergust.runs.journal import Journal
from tests import needs
from tests.emulators.servers import wait_until

RUN = RunRecord("sub/x", "17", "node-1", State.PREPARING, attempts=2, attempts_made=5, worker="w")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "journal" / "p-node-1.jsonl"


def test_what_was_kept_last_is_known_after_a_restart_until_the_run_ended(file: Path) -> None:
    kept = Journal(file)
    kept.keep(RUN)
    kept.keep(RunRecord("y", "1", "node-1"))
    later = RunRecord("sub/x", "17", "node-1", State.FINISHED, "done", attempts=3)
    kept.keep(later)
    again = Journal(file)
    assert again.load("sub/x", "17") == later
    assert again.load("sub/x", "18") is None
    again.forget("sub/x", "17")
    assert Journal(file).load("sub/x", "17") is None
    assert Journal(file).load("y", "1") is not None


def test_it_is_this_users_alone(file: Path) -> None:
    Journal(file).keep(RUN)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("state", State)
def test_a_counted_attempt_and_a_result_are_on_disk_before_anything_else_happens(
    file: Path, monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    synced: list[int] = []
    kept = Journal(file)
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    kept.keep(RunRecord("x", "1", "node-1", state))
    assert synced == ([file.stat().st_size] if state in (State.PREPARING, State.GAVE_UP, State.FINISHED) else [])


def test_a_line_that_was_torn_by_a_crash_costs_itself_only(file: Path) -> None:
    Journal(file).keep(RUN)
    with file.open("ab") as opened:
        opened.write(b'{"kept": 1e9, "run": {"name": "y", "gene')
    again = Journal(file)
    again.keep(RunRecord("z", "1", "node-1"))
    found = Journal(file)
    assert found.load("sub/x", "17") == RUN
    assert found.load("z", "1") is not None


BROKEN = [
    b"\x00" * 100,
    b"\xff\xfe\n",
    b"null\n[]\n7\n",
    b'{"kept": "x", "run": {}}\n',
    b'{"kept": 1, "run": {"name": 1}}\n',
    b'{"ended": 5}\n{"ended": [[], {}]}\n{"ended": []}\n',
    b"[" * 100_000,
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda data: f"{data[:16]!r}")
def test_a_damaged_one_changes_nothing(file: Path, broken: bytes) -> None:
    Journal(file).keep(RUN)
    file.write_bytes(broken + b"\n" + file.read_bytes())
    assert Journal(file).load("sub/x", "17") == RUN


def link(file: Path) -> None:
    other = file.with_name("other")
    file.rename(other)
    file.symlink_to(other)


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def huge(file: Path) -> None:
    os.truncate(file, journal.MAX_JOURNAL_BYTES + 1)


def open_to_all(file: Path) -> None:
    file.chmod(0o666)


def foreign(file: Path) -> None:
    if os.geteuid() != 0:
        needs.missing("another user", "run the tests as root")
    os.chown(file, 65534, 65534)


@pytest.mark.parametrize("other", [link, pipe, huge, open_to_all, foreign])
def test_what_is_not_its_own_is_begun_again(
    file: Path, other: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    Journal(file).keep(RUN)
    other(file)
    begun = Journal(file)
    assert begun.load("sub/x", "17") is None
    assert caplog.text.count("is begun again") == 1
    begun.keep(RUN)
    assert Journal(file).load("sub/x", "17") == RUN
    assert stat.S_ISREG(file.lstat().st_mode)


def test_what_cannot_be_written_is_known_in_memory_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "journal").write_text("no folder")
    kept = Journal(tmp_path / "journal" / "p.jsonl")
    kept.keep(RUN)
    assert kept.load("sub/x", "17") == RUN
    kept.forget("sub/x", "17")
    assert caplog.text.count("cannot keep the journal") == 1
    (tmp_path / "journal").unlink()
    kept.keep(RUN)
    assert Journal(tmp_path / "journal" / "p.jsonl").load("sub/x", "17") == RUN


def test_a_full_disk_costs_a_node_with_many_runs_little(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, tried = Journal(file), []

    def refuse(descriptor: int, data: bytes) -> None:
        tried.append(data)
        time.sleep(0.1)  # for thousands of runs
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(journal, "_write", refuse)
        for number in range(10):
            kept.keep(RunRecord("x", str(number), "node-1"))
    assert len(tried) < 5, "the line, and then the whole file not for each one"

    def is_written() -> bool:
        kept.keep(RUN)
        return Journal(file).load("x", "9") is not None

    wait_until(is_written, "the journal is written again")


def test_it_does_not_grow_with_what_has_ended(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "COMPACT_BYTES", 10_000)
    kept = Journal(file)
    kept.keep(RUN)
    for number in range(200):
        kept.keep(RunRecord("x", str(number), "node-1", State.RUNNING))
        kept.forget("x", str(number))
    assert file.stat().st_size < 20_000
    assert Journal(file).load("sub/x", "17") == RUN


def test_of_too_many_the_oldest_are_forgotten(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_RUNS", 3)
    kept = Journal(file)
    for number in range(5):
        kept.keep(RunRecord("x", str(number), "node-1"))
    again = Journal(file)
    assert [str(number) for number in range(5) if again.load("x", str(number))] == ["2", "3", "4"]


def test_a_run_whose_config_vanished_is_forgotten_after_long(file: Path) -> None:
    Journal(file).keep(RUN)
    line = json.loads(file.read_bytes())
    file.write_text(json.dumps({**line, "kept": time.time() - journal.MAX_AGE_SECONDS - 1}) + "\n")
    assert Journal(file).load("sub/x", "17") is None
