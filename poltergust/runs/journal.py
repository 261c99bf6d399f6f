"""The journal: what this node knows of its runs, in its own cache, which nobody else can write.

Records beside the path are for people and for other nodes. Whoever can write there can write this node's records too,
so that no attempt is counted and no outcome restored from them: both are believed from here. A file of JSON lines,
one journal for each path and node; the last line of a run is what holds, and a run that ended is struck out.

What cannot be kept on disk is kept in memory, and said once. A journal that is damaged, too large, or somebody else's
is begun again: the node then knows as much as on a new machine (see `known_runs`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from poltergust.base.json_text import json_bytes, read_json
from poltergust.path.decoding import decode
from poltergust.path.records import RunRecord, State

log = logging.getLogger(__name__)

MAX_JOURNAL_BYTES = 64 * 1024 * 1024
"""A larger file is no journal of ours."""

MAX_RUNS = 10_000
"""That are remembered. Beyond that the oldest are forgotten: they are those of configs that vanished."""

MAX_AGE_SECONDS = 90 * 86400.0
"""After which a run that never ended here is forgotten at the next start: somebody removed its config meanwhile."""

COMPACT_BYTES = 1024 * 1024
"""The least that is appended before the file is written again without what no longer holds."""

MAX_RETRY_SHARE = 0.1
"""Of the time, for writing the whole file in vain: with thousands of runs that takes long, and a full disk refuses it
only in the end."""

DURABLE = frozenset({State.PREPARING, State.GAVE_UP, State.FINISHED})
"""On disk before `keep` returns, whatever happens to the machine: a counted attempt, and what ends a run. What else a
line says may be lost with the machine; it survives the death of the agent."""

_Key = tuple[str, str]  # name, generation


class Journal:
    """Of one path and node. Safe to use from several threads. Without a `file` it is kept in memory only."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._runs: dict[_Key, tuple[float, RunRecord]] = {}  # seconds since 1970 when it was kept last, and what
        self._left: dict[str, list[RunRecord]] = {}  # of an earlier agent, by name
        self._descriptor: int | None = None
        self._written = 0  # bytes since the file was written whole
        self._whole = 0  # bytes that it had then
        self._not_before = 0.0  # monotonic seconds; then what the disk refused is tried again
        self._said = False
        if file is not None:
            self._runs = _read(file)
            for _, record in self._runs.values():
                self._left.setdefault(record.name, []).append(record)
            with self._lock, self._kept_in_memory():
                self._rewrite()

    def load(self, name: str, generation: str) -> RunRecord | None:
        """What was kept of that run last, by an earlier agent of this node too; None if nothing is known of it."""
        with self._lock:
            found = self._runs.get((name, generation))
        return None if found is None else found[1]

    def left_names(self) -> list[str]:
        """Of the runs that an earlier agent of this node left, and that nobody has asked `left` for yet."""
        with self._lock:
            return list(self._left)

    def left(self, name: str) -> list[RunRecord]:
        """What an earlier agent of this node left of that name's runs; once, then nothing."""
        with self._lock:
            return self._left.pop(name, [])

    def keep(self, record: RunRecord) -> None:
        """Remember it instead of what is known of its run; on disk when this returns, for the states in `DURABLE`."""
        key, now = (record.name, record.generation), time.time()
        with self._lock, self._kept_in_memory():
            self._runs.pop(key, None)  # so that the oldest stands first
            self._runs[key] = (now, record)
            self._append(_line(now, record), durable=record.state in DURABLE)

    def forget(self, name: str, generation: str) -> None:
        """The run has ended here."""
        with self._lock, self._kept_in_memory():
            if self._runs.pop((name, generation), None) is not None:
                self._append(json_bytes({"ended": [name, generation]}), durable=False)

    # Under the lock.

    @contextlib.contextmanager
    def _kept_in_memory(self) -> Iterator[None]:
        """What the disk refuses is said once, and is no error of the run's. A later line writes the whole file."""
        try:
            yield
        except OSError as error:
            self._close()
            if not self._said:
                self._said = True
                text = "cannot keep the journal %s: %s; after a restart this node knows less of what it ran"
                log.warning(text, self._file, error.strerror)

    def _append(self, line: bytes, *, durable: bool) -> None:
        if self._file is None:
            return
        if self._descriptor is None and time.monotonic() < self._not_before:
            return
        if self._descriptor is None or self._written > max(COMPACT_BYTES, 2 * self._whole):
            self._rewrite()
            return
        _write(self._descriptor, line + b"\n")
        self._written += len(line) + 1
        if durable:
            os.fdatasync(self._descriptor)

    def _rewrite(self) -> None:
        """The whole file, in one step, with what holds now and nothing else."""
        if self._file is None:
            return
        self._close()
        while len(self._runs) > MAX_RUNS:
            del self._runs[next(iter(self._runs))]
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._file.with_name(f"{self._file.name}.new")
        new.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(new, flags, 0o600)
        began = time.monotonic()
        try:
            data = b"".join(_line(kept, record) + b"\n" for kept, record in self._runs.values())
            _write(self._descriptor, data)
            os.fsync(self._descriptor)
            os.replace(new, self._file)
            _sync_folder(self._file.parent)
        except OSError:
            now = time.monotonic()
            self._not_before = now + (now - began) / MAX_RETRY_SHARE
            raise
        self._written, self._whole = 0, len(data)

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _line(kept: float, record: RunRecord) -> bytes:
    return json_bytes({"kept": round(kept, 3), "run": record.content()})


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    """So that a new file's name survives the machine (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(file: Path) -> dict[_Key, tuple[float, RunRecord]]:
    """What stands in it, oldest first. Empty for one that is not there, or is not this user's alone. Lines that are
    none are left out."""
    try:
        # Never waits, whatever it is: a pipe without a writer would (open(2)).
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    except OSError as error:
        log.warning("the journal %s is begun again: %s", file, error.strerror)
        return {}
    with open(descriptor, "rb") as opened:
        found = os.fstat(descriptor)
        wrong = _why_not_ours(found)
        if wrong:
            log.warning("the journal %s is begun again: it %s", file, wrong)
            return {}
        return _runs(opened)


def _why_not_ours(found: os.stat_result) -> str:
    if not stat.S_ISREG(found.st_mode):
        return "is no file"
    if found.st_uid != os.geteuid():
        return f"belongs to another user (number {found.st_uid})"
    if found.st_mode & 0o022:
        return "can be written by others"
    return f"has more than {MAX_JOURNAL_BYTES} bytes" if found.st_size > MAX_JOURNAL_BYTES else ""


def _runs(lines: Iterable[bytes]) -> dict[_Key, tuple[float, RunRecord]]:
    runs: dict[_Key, tuple[float, RunRecord]] = {}
    oldest = time.time() - MAX_AGE_SECONDS
    for line in lines:
        try:
            value = read_json(line)
            if not isinstance(value, dict):
                continue
            if "ended" in value:
                name, generation = value["ended"]
                runs.pop((name, generation), None)
                continue
            kept, record = float(value["kept"]), decode(RunRecord, value["run"])
        except (KeyError, TypeError, ValueError):  # torn at the end by a crash, or of another version
            continue
        runs.pop((record.name, record.generation), None)
        if kept > oldest:
            runs[record.name, record.generation] = (kept, record)
    return runs
