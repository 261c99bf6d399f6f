"""The live log of a run: redacted lines, appended to one object beside the path."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from poltergust.base.redaction import LineRedactor, Redactor
from poltergust.path.appended import AppendedLines
from poltergust.path.background import Background
from poltergust.processes.lines import MAX_LINE_BYTES
from poltergust.stores import Store


class RunLog(AppendedLines):
    """One log. `line` may be called from any thread."""

    def __init__(
        self,
        store: Store,
        url: str,
        *,
        redact: Redactor,
        background: Background,
        limit: int,
        count: Callable[[int], None] = lambda _: None,
    ) -> None:
        super().__init__(store, url, background=background, limit=limit, count=count)
        self._redact = redact
        self._lines = LineRedactor(redact, MAX_LINE_BYTES, colours=True)
        self._lines_lock = threading.Lock()
        self._has_lines = False

    def line(self, text: str) -> None:
        """One line of output, without its newline. Holds the caller back while the buffer is full."""
        with self._lines_lock:
            clean = self._lines.feed(text)
        self._has_lines = True
        self.add(clean)

    def note(self, text: str) -> None:
        """A line of Poltergust's own, marked as such and with the time."""
        self.add(self._redact(time.strftime("[poltergust %Y-%m-%dT%H:%M:%SZ] ", time.gmtime()) + text))

    def forget(self) -> None:
        """It came to nothing: notes that are not stored yet are not wanted. Output is."""
        if not self._has_lines:
            self.drop_pending()

    def close(self) -> None:
        if held := self._lines.end():
            self.add(held)
        super().close()
