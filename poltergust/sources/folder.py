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

from poltergust.base.loops import Loop
from poltergust.sources import Changed, SourceState

log = logging.getLogger(__name__)

_QUIET_MILLISECONDS = 25
"""Without a further change for so long, changes are handed on; what an event is late by."""

_LONGEST_BATCH_MILLISECONDS = 200
"""After so long they are handed on even if more keep coming."""

_IDENTITY_CHECK_MILLISECONDS = 200
"""After so long without a change the source checks whether the folder is still the same one."""

_SECOND_LISTING_SECONDS = 1.0
"""After so long a new sub-folder is listed once more: by then its own watch has long begun."""

_UNDECODABLE = "Unable to decode path"
"""What watchfiles ends with at a change of a file whose name is not UTF-8, and at its start where a folder has such a
name, for it hears itself open that one. After a change it can be started again at once; polling hears of no opening."""

_RETRY_SECONDS = 0.5
"""Between two attempts to watch the folder. It does not grow: an attempt costs this machine next to nothing."""


class FolderSource:
    """Reports every file below `root` (absolute) whose name ends in `.yaml`: written, renamed to or from, removed."""

    def __init__(self, root: Path, *, force_polling: bool | None = None) -> None:
        """`force_polling`: look at every file a few times a second; None leaves it to watchfiles, which does so where
        it knows that events do not work. Polling sees a file change only if its time grew by a whole second; the
        scan finds the rest."""
        self._root = root
        self._force_polling = force_polling
        # Set once the first attempt to watch succeeded or failed.
        self._tried = threading.Event()
        self._changed: Changed = lambda _: None
        self._loop = Loop("folder-source", self._watch_once)
        # Sub-folders that appeared, and when (monotonic seconds) to list each once more. Of the thread only.
        self._second_listings: dict[str, float] = {}
        # What was logged last of a name that is not UTF-8. Of the thread only.
        self._undecodable = ""
        # Whether the attempt under way hears of changes. Of the thread only.
        self._watching = False
        # Whether the next one polls, because a folder's name kept this one from hearing of any. Of the thread only.
        self._polling = False
        # Guards the state.
        self._lock = threading.Lock()
        self._state = SourceState(alive=False, last_event=None, problem=f"folder {root} is not watched yet")

    def start(self, changed: Changed) -> None:
        # It says at INFO how many changes there were, each time.
        logging.getLogger("watchfiles").setLevel(logging.WARNING)
        self._changed = changed
        self._loop.start()
        self._tried.wait()

    def stop(self) -> None:
        self._loop.stop()
        self._set_state(alive=False, problem="")

    def state(self) -> SourceState:
        with self._lock:
            return self._state

    # The thread.

    def _watch_once(self) -> float:
        try:
            self._watch()
            if not self._loop.stopping.is_set():
                self._report(f"folder {self._root} was removed or renamed; watching again once it is there")
        except (FileNotFoundError, NotADirectoryError):
            self._report(f"folder {self._root} does not exist; create it, it is looked for all the time")
        except Exception as error:  # noqa: BLE001  watchfiles raises OSError, RuntimeError, ...; none may end this
            why = " ".join(str(error).split())
            if _UNDECODABLE in why:
                self._tried.set()
                self._polling = not self._watching
                if why != self._undecodable:
                    self._undecodable = why
                    log.warning("folder %s: a name in it is not UTF-8 (%s); rename it", self._root, why)
            else:
                self._report(
                    f"folder {self._root} cannot be watched ({why}); check its permissions "
                    "and the limits in /proc/sys/fs/inotify; until then only the scan finds changes"
                )
        return _RETRY_SECONDS

    def _watch(self) -> None:
        """Returns when the folder is no longer the one that was there, or the source is to stop."""
        first = not self._tried.is_set()
        self._watching = False
        self._second_listings.clear()
        identity = self._identity()
        if identity is None:
            raise FileNotFoundError(self._root)
        changes = watchfiles.watch(
            self._root,
            watch_filter=None,
            debounce=_LONGEST_BATCH_MILLISECONDS,
            step=_QUIET_MILLISECONDS,
            stop_event=self._loop.stopping,
            rust_timeout=_IDENTITY_CHECK_MILLISECONDS,
            yield_on_timeout=True,
            raise_interrupt=False,
            force_polling=self._polling or self._force_polling,
            ignore_permission_denied=True,
        )
        for batch in changes:
            if self._loop.stopping.is_set():
                return
            if not self._watching:
                # The generator begins to watch when it is first asked, so this is the earliest moment to know.
                self._watching = True
                if self.state().problem and not first:
                    log.info("watching folder %s", self._root)
                self._set_state(alive=True, problem="")
                self._tried.set()
                if not first:
                    self._list(str(self._root))  # what came while nobody watched
            gone = False
            for change, path in sorted(batch, key=lambda each: each[1]):
                deleted = change is watchfiles.Change.deleted
                gone = gone or (deleted and path == str(self._root))
                if path.endswith(".yaml"):
                    self._hand_on(path)
                elif not deleted and path != str(self._root) and os.path.isdir(path):
                    # What came into it before its own watch began made no events.
                    self._list(path)
                    self._second_listings[path] = time.monotonic() + _SECOND_LISTING_SECONDS
            for path in [path for path, due in self._second_listings.items() if due <= time.monotonic()]:
                del self._second_listings[path]
                self._list(path)
            # The number of a removed folder may be given to the next one, so a deletion counts by itself.
            if gone or self._identity() != identity:
                return

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._root)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _list(self, folder: str) -> None:
        for parent, _, files in os.walk(folder):
            for name in files:
                if name.endswith(".yaml"):
                    self._hand_on(os.path.join(parent, name))

    def _hand_on(self, path: str) -> None:
        if self._loop.stopping.is_set():
            return
        with self._lock:
            self._state = replace(self._state, last_event=time.monotonic())
        self._changed(path)

    def _report(self, problem: str) -> None:
        if problem != self.state().problem:
            log.warning("%s", problem)
        self._set_state(alive=False, problem=problem)
        self._tried.set()

    def _set_state(self, *, alive: bool, problem: str) -> None:
        with self._lock:
            self._state = replace(self._state, alive=alive, problem=problem)
