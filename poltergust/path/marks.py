"""Resetting failures: what the scheduler remembers of a pipeline's failed tasks is cleared for each new generation of
its config, by one node, once. Otherwise a pipeline that was repaired and uploaded again would find its tasks disabled
and end as an error at once; and if every node cleared, a failing task would get a new budget from each of them.

Who creates the mark first clears, and says so in it. The others go ahead at once, but do not believe a disabled task
before the mark says it was cleared; if the clearing node dies first, one of them takes over.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

from poltergust.path.background import Background, Begun
from poltergust.path.outcome import Config
from poltergust.path.stored import StoredPath
from poltergust.stores import ABSENT, Conflict, NotFound, StoreError, Unavailable

log = logging.getLogger(__name__)

TAKE_OVER_SECONDS = 60.0
"""After which a clearing that was begun and not done is taken over, by the storage server's clock."""

MAX_MARK_BYTES = 4096
"""A larger object is no mark of ours."""


_NOBODY = ""
"""In the place of a node's name: who made the mark does not come to clearing, and whoever comes next does it."""


class FailureReset:
    """The marks of one path, made as one node."""

    def __init__(self, at: StoredPath, background: Background, server_time: Callable[[], float | None]) -> None:
        """`server_time` is now by the storage server's clock, None while that is not known."""
        self._store = at.store
        self._background = background
        self._path = at.path
        self._node = at.node
        self._server_time = server_time

    def claim(self, config: Config) -> Begun[bool]:
        """Whether this node is to clear: it made the mark, or made it in an earlier life, or has to take over.

        The result raises `Unavailable`. A claim that comes to nothing within `TAKE_OVER_SECONDS` is another node's.
        """
        return self._background.begin(self._url(config), lambda: self._claim(config))

    def release(self, config: Config) -> None:
        """This node does not come to clearing: another one need not wait until it may take over."""
        self._background.put(self._url(config), lambda: self._release(config), owner="release")

    def mark_done(self, config: Config) -> None:
        """Earlier failures are cleared: say so, soon."""
        self._background.put(self._url(config), lambda: self._mark_done(config), owner="done")

    def is_done(self, config: Config) -> bool:
        """Whether disabled tasks are of this run. True as well when the mark is gone or refused: better an error too
        early than a run that never ends. Raises `Unavailable`."""
        return self._background.begin(self._url(config), lambda: self._is_done(config)).result()

    def forget(self, config: Config) -> None:
        """The run has its outcome: nobody asks any more."""
        self._background.drop(self._url(config))

    def _claim(self, config: Config) -> bool:
        url = self._url(config)
        try:
            self._store.write(url, self._content(self._node, done=False), if_generation=ABSENT)
            return True
        except Conflict:
            pass  # another node was first, or this one in an earlier life: read on
        except Unavailable:
            raise  # run now, it would take failures of an earlier generation for its own
        except StoreError as error:
            log.warning("cannot mark %s, leaving earlier failures as they are: %s", config.name, error)
            return False
        try:
            mark = self._store.read(url, limit=MAX_MARK_BYTES)
            content = json.loads(mark.data)
            if content["done"]:
                return False
            now = self._server_time()
            fresh = now is None or now - mark.updated < TAKE_OVER_SECONDS
            if content["node"] not in (self._node, _NOBODY) and fresh:
                return False
            # Its own node writes it again too: the time starts again, and nobody takes over meanwhile.
            self._store.write(url, self._content(self._node, done=False), if_generation=mark.generation)
            return True
        except (NotFound, Conflict, KeyError, TypeError, ValueError, RecursionError):
            return False  # deleted or taken over meanwhile, or not ours
        except Unavailable:
            raise
        except StoreError as error:
            log.warning("cannot read the mark of %s: %s", config.name, error)
            return False

    def _release(self, config: Config) -> None:
        try:
            mark = self._store.read(self._url(config), limit=MAX_MARK_BYTES)
            content = json.loads(mark.data)
            if content["node"] == self._node and not content["done"]:
                # Not deleted: without a mark a failure would be believed that nobody has reset.
                self._store.write(mark.url, self._content(_NOBODY, done=False), if_generation=mark.generation)
        except (StoreError, KeyError, TypeError, ValueError, RecursionError) as error:
            log.info("the mark of %s stays: %s", config.name, error)

    def _mark_done(self, config: Config) -> None:
        try:
            self._store.write(self._url(config), self._content(self._node, done=True))
        except StoreError as error:
            log.warning("cannot note that earlier failures of %s are reset: %s", config.name, error)

    def _is_done(self, config: Config) -> bool:
        try:
            return bool(json.loads(self._store.read(self._url(config), limit=MAX_MARK_BYTES).data)["done"])
        except Unavailable:
            raise
        except (StoreError, KeyError, TypeError, ValueError, RecursionError):
            return True

    def _url(self, config: Config) -> str:
        return f"{self._path.runs(config.name, config.generation)}.first"

    def _content(self, node: str, *, done: bool) -> bytes:
        return json.dumps({"node": node, "done": done}).encode()
