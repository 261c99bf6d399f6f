"""The live log of a run: everything arrives, in order, bounded, without secrets; a storage that is away loses nothing
that fits the buffer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poltergust.base.redaction import MASK, Redactor
from poltergust.path import appended
from poltergust.path.background import Background
from poltergust.path.run_log import RunLog
from poltergust.stores import Unavailable
from poltergust.stores.folder import FolderStore
from tests.emulators.servers import wait_until


class Flaky(FolderStore):
    """A folder whose `append` fails as often as asked; counts what it was given."""

    def __init__(self, side: Path) -> None:
        super().__init__(side)
        self.failures = 0
        self.appended: list[int] = []

    def append(self, url: str, data: bytes) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")
        self.appended.append(len(data))
        super().append(url, data)


@pytest.fixture
def store(tmp_path: Path) -> Flaky:
    return Flaky(tmp_path)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(tmp_path / "logs" / "x.log")


@contextmanager
def opened(store: Flaky, url: str, limit: int = 10_000_000) -> Iterator[RunLog]:
    """All of it is in the store afterwards."""
    background = Background()
    redact = Redactor([{"MY_TOKEN": "s3cr3t-value"}])
    with RunLog(store, url, redact=redact, background=background, limit=limit) as log:
        yield log
    assert background.flush(60)


def say(log: RunLog, line: str, times: int) -> None:
    for _ in range(times):
        log.line(line)


def test_lines_arrive_in_order_without_secrets_or_terminal_codes_but_colours(store: Flaky, url: str) -> None:
    with opened(store, url) as log:
        log.line("first")
        log.line("\x1b[32mgreen\x1b[0m s3cr3t-value\x1b]0;title\x07\x1b[2J")
        log.line("last")
    assert Path(url).read_text() == f"first\n\x1b[32mgreen\x1b[0m {MASK}\nlast\n"


def test_it_is_live_while_the_run_goes_on(store: Flaky, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appended, "FIRST_INTERVAL_SECONDS", 0.01)
    with opened(store, url) as log:
        log.line("early")
        wait_until(lambda: Path(url).exists() and Path(url).read_text() == "early\n", "the first line in the store")
        log.line("late")
    assert Path(url).read_text() == "early\nlate\n"


def test_a_storage_that_is_away_for_a_while_loses_nothing(
    store: Flaky, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appended, "FIRST_INTERVAL_SECONDS", 0.01)
    store.failures = 3
    with opened(store, url) as log:
        log.line("kept")
        wait_until(lambda: Path(url).exists(), "the storage to be back")
    assert Path(url).read_text() == "kept\n"


def test_a_log_beyond_its_limit_keeps_its_beginning_and_its_end(store: Flaky, url: str) -> None:
    with opened(store, url, limit=1000) as log:
        for number in range(20_000):
            log.line(f"line {number}")
    text = Path(url).read_text()
    assert text.startswith("line 0\nline 1\n")
    assert text.endswith("line 19998\nline 19999\n")
    assert "[poltergust: the log's limit of 1000 bytes was reached; " in text
    assert len(text) < 1000 + appended.TAIL_BYTES + 200
    left_out = int(text.split("reached; ")[1].split(" bytes")[0])
    notice = next(line for line in text.splitlines() if line.startswith("[poltergust"))
    whole = sum(len(f"line {number}\n") for number in range(20_000))
    assert left_out + len(text) - len(notice) - 1 == whole


def test_a_flood_is_held_back_and_never_sent_twice(store: Flaky, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appended, "BUFFER_BYTES", 10_000)
    line = "x" * 99
    with opened(store, url) as log:
        writers = [threading.Thread(target=say, args=(log, line, 500)) for _ in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    assert Path(url).read_text() == f"{line}\n" * 2000
    assert sum(store.appended) == 200_000
    assert max(store.appended) <= 10_000


def test_a_storage_that_stays_away_holds_back_once_and_not_for_every_line(
    store: Flaky, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads a command's output also hears of its end: half a minute for each line would keep it for hours."""
    monkeypatch.setattr(appended, "BUFFER_BYTES", 100)
    monkeypatch.setattr(appended, "MAX_WAIT_SECONDS", 0.01)
    store.failures = 1_000_000
    with opened(store, url) as log:
        for _ in range(11):
            log.line("x" * 9)
        monkeypatch.setattr(appended, "MAX_WAIT_SECONDS", 3600.0)
        writer = threading.Thread(target=say, args=(log, "x" * 9, 100), daemon=True)
        writer.start()
        writer.join(60)
        assert not writer.is_alive()
        store.failures = 0


def test_lines_lost_to_a_storage_that_stays_away_are_counted(
    store: Flaky, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appended, "FIRST_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(appended, "MAX_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(appended, "BUFFER_BYTES", 100)
    monkeypatch.setattr(appended, "MAX_WAIT_SECONDS", 0.01)
    store.failures = 1_000_000
    with opened(store, url) as log:
        for _ in range(20):
            log.line("x" * 9)
        store.failures = 0
        wait_until(lambda: Path(url).exists(), "the storage to be back")
        log.line("after")
    assert Path(url).read_text() == "x" * 9 + "\n" + ("x" * 9 + "\n") * 9 + (
        "[poltergust: 10 lines lost, the storage did not take them]\nafter\n"
    )
