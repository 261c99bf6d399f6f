"""The texts that runs were made of: kept once, found by digest, renewed while they are in use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from poltergust.path import content
from poltergust.path.background import Background
from poltergust.path.content import Content, content_digest
from poltergust.path.layout import WatchedPath
from poltergust.path.stored import StoredPath
from poltergust.stores import Entry
from poltergust.stores.folder import FolderStore


class Counting(FolderStore):
    writes = 0

    def write(self, url: str, data: bytes, *, if_generation: str | None = None) -> Entry:
        self.writes += 1
        return super().write(url, data, if_generation=if_generation)


class Kept(Content):
    """Whose texts stand there when `keep` returns."""

    def __init__(self, at: StoredPath, clock: Callable[[], float] = time.monotonic) -> None:
        self.background = Background()
        super().__init__(at, self.background, clock)

    def keep(self, texts: Iterable[bytes]) -> None:
        super().keep(texts)
        assert self.background.flush(60)


@pytest.fixture
def at(tmp_path: Path) -> StoredPath:
    path = WatchedPath(str(tmp_path / "pipeline"))
    return StoredPath(Counting(Path(path.state_prefix)), path)


def writes(at: StoredPath) -> int:
    assert isinstance(at.store, Counting)
    return at.store.writes


def test_a_text_is_found_by_its_digest(at: StoredPath) -> None:
    kept = Kept(at)
    kept.keep([b"one", b"two", b""])
    assert kept.get(content_digest(b"one")) == b"one"
    assert kept.get(content_digest(b"two")) == b"two"
    assert kept.get(content_digest(b"")) is None
    assert kept.get(content_digest(b"three")) is None
    assert kept.get("../nodes/n.json") is None


def test_what_was_replaced_by_somebody_is_not_taken_for_the_text(at: StoredPath) -> None:
    kept = Kept(at)
    kept.keep([b"one"])
    at.store.write(at.path.content(content_digest(b"one")), b"other")
    assert kept.get(content_digest(b"one")) is None


def test_it_is_written_once_however_many_runs_are_made_of_it(at: StoredPath) -> None:
    kept = Kept(at)
    for _ in range(5):
        kept.keep([b"one"])
    assert writes(at) == 1
    Kept(at).keep([b"one"])  # another node: looks whether it stands there
    assert writes(at) == 2
    assert kept.get(content_digest(b"one")) == b"one"


def test_one_that_is_in_use_stays_young(at: StoredPath, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    kept = Kept(at, lambda: now[0])
    kept.keep([b"one"])
    url = at.path.content(content_digest(b"one"))
    first = at.store.read(url).generation
    monkeypatch.setattr(content, "RENEW_SECONDS", 0.0)
    now[0] = 1.0
    kept.keep([b"one"])
    assert at.store.read(url).generation != first
