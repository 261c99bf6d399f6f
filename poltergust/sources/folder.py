"""A local folder: the file system's own change events (inotify, FSEvents) in place of Pub/Sub.

Network file systems deliver no events for what other machines do, and a flood of them overruns the kernel's queue; the
scan covers both, `force_polling` is there for who wants to be quicker.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import watchfiles

from poltergust.sources import Changed, SourceState

log = logging.getLogger(__name__)

_STEP = 25
"""Milliseconds without a further change after which changes are handed on; what an event is late by."""

_GROUP = 200
"""Milliseconds after which they are handed on even if more keep coming."""

_LOOK = 200
"""Milliseconds of quiet after which is looked whether the folder is still the same one."""

_AGAIN = 1.0
"""Seconds after which a new sub-folder is listed once more: by then its own watch has long begun."""

_RETRY = 0.5
"""Seconds between two looks for a folder that is not there, or two attempts to watch it."""


class FolderSource:
    """Tells of every file below `root` (absolute) whose name ends in `.yaml`: written, renamed to or from, removed."""

    def __init__(self, root: Path, *, force_polling: bool | None = None) -> None:
        """`force_polling`: look at every file a few times a second; None leaves it to watchfiles, which does so where
        it knows that events do not work. Polling sees a file change only if its time grew by a whole second; the
        scan finds the rest."""
        self._root = root
        self._force_polling = force_polling
        self._stopping = threading.Event()
        # Set once the first attempt to watch succeeded or failed.
        self._tried = threading.Event()
        self._thread: threading.Thread | None = None
        # Sub-folders that appeared, and when (monotonic seconds) to list each once more. Of the thread only.
        self._again: dict[str, float] = {}
        # Guards the state.
        self._lock = threading.Lock()
        self._state = SourceState(alive=False, last_event=None, problem=f"folder {root} is not watched yet")

    def start(self, changed: Changed) -> None:
        # It says at INFO how many changes there were, each time.
        logging.getLogger("watchfiles").setLevel(logging.WARNING)
        self._thread = threading.Thread(target=self._run, args=[changed], name="folder-source", daemon=True)
        self._thread.start()
        self._tried.wait()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._say(alive=False, problem="")

    def state(self) -> SourceState:
        with self._lock:
            return self._state

    # The thread.

    def _run(self, changed: Changed) -> None:
        while not self._stopping.is_set():
            try:
                self._watch(changed)
                if not self._stopping.is_set():
                    self._trouble(f"folder {self._root} was removed or renamed; watching again once it is there")
            except (FileNotFoundError, NotADirectoryError):
                self._trouble(f"folder {self._root} does not exist; create it, it is looked for all the time")
            except Exception as error:  # noqa: BLE001  watchfiles raises OSError, RuntimeError, ...; none may end this
                self._trouble(
                    f"folder {self._root} cannot be watched ({' '.join(str(error).split())}); check its permissions "
                    "and the limits in /proc/sys/fs/inotify; until then only the scan finds changes"
                )
            self._stopping.wait(_RETRY)

    def _watch(self, changed: Changed) -> None:
        """Returns when the folder is no longer the one that was there, or the source is to stop."""
        first = not self._tried.is_set()
        self._again.clear()
        identity = self._identity()
        if identity is None:
            raise FileNotFoundError(self._root)
        changes = watchfiles.watch(
            self._root,
            watch_filter=None,
            debounce=_GROUP,
            step=_STEP,
            stop_event=self._stopping,
            rust_timeout=_LOOK,
            yield_on_timeout=True,
            raise_interrupt=False,
            force_polling=self._force_polling,
            ignore_permission_denied=True,
        )
        watching = False
        for batch in changes:
            if self._stopping.is_set():
                return
            if not watching:
                # The generator begins to watch when it is first asked, so this is the earliest moment to know.
                watching = True
                if self.state().problem and not first:
                    log.info("watching folder %s", self._root)
                self._say(alive=True, problem="")
                self._tried.set()
                if not first:
                    self._list(str(self._root), changed)  # what came while nobody watched
            gone = False
            for change, path in sorted(batch, key=lambda each: each[1]):
                deleted = change is watchfiles.Change.deleted
                gone = gone or (deleted and path == str(self._root))
                if path.endswith(".yaml"):
                    self._tell(path, changed)
                elif not deleted and path != str(self._root) and os.path.isdir(path):
                    # What came into it before its own watch began made no events.
                    self._list(path, changed)
                    self._again[path] = time.monotonic() + _AGAIN
            for path in [path for path, due in self._again.items() if due <= time.monotonic()]:
                del self._again[path]
                self._list(path, changed)
            # The number of a removed folder may be given to the next one, so a deletion counts by itself.
            if gone or self._identity() != identity:
                return

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._root)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _list(self, folder: str, changed: Changed) -> None:
        for parent, _, files in os.walk(folder):
            for name in files:
                if name.endswith(".yaml"):
                    self._tell(os.path.join(parent, name), changed)

    def _tell(self, path: str, changed: Changed) -> None:
        if self._stopping.is_set():
            return
        with self._lock:
            self._state = replace(self._state, last_event=time.monotonic())
        changed(path)

    def _trouble(self, problem: str) -> None:
        if problem != self.state().problem:
            log.warning("%s", problem)
        self._say(alive=False, problem=problem)
        self._tried.set()

    def _say(self, *, alive: bool, problem: str) -> None:
        with self._lock:
            self._state = replace(self._state, alive=alive, problem=problem)
