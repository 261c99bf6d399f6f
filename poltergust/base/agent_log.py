"""The agent's own log: to stderr, as text for people or as JSON lines that Cloud Logging reads.

Lines written while a worker looks at a run carry its name and generation. JSON follows
https://cloud.google.com/logging/docs/structured-logging: `severity`, `message`, `time` and labels.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import sys
import time
from collections.abc import Iterator

from poltergust.base.redaction import Redactor

_run: contextvars.ContextVar[dict[str, str] | None] = contextvars.ContextVar("run", default=None)


@contextlib.contextmanager
def about(**labels: str) -> Iterator[None]:
    """Every line logged by this thread inside the context carries `labels` (name, generation)."""
    token = _run.set({**(_run.get() or {}), **labels})
    try:
        yield
    finally:
        _run.reset(token)


def _flat(text: str) -> str:
    return text.replace("\n", "\\n")


class _Text(logging.Formatter):
    def __init__(self, redact: Redactor, node: str) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime
        self._redact = redact
        self._node = node

    def formatMessage(self, record: logging.LogRecord) -> str:
        """One line, whatever it is about is called: only a traceback has more."""
        return _flat(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        head, *trace = super().format(record).splitlines()
        labels = _run.get()
        if labels:
            head += f" [{_flat('@'.join(labels.values()))} on {self._node}]"
        # Indented: no line of an exception's text can be taken for one of the log's own.
        return "\n".join([self._redact(head), *(f"    {self._redact(line)}" for line in trace)])


class _Json(logging.Formatter):
    def __init__(self, redact: Redactor, node: str) -> None:
        super().__init__()
        self._redact = redact
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "severity": record.levelname,
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "message": self._redact(super().format(record)),
            "logger": record.name,
            "node": self._node,
            **{label: _flat(self._redact(value)) for label, value in (_run.get() or {}).items()},
        }
        return json.dumps(line, ensure_ascii=False)


def configure(form: str, node: str, redact: Redactor, *, debug: bool = False) -> None:
    """Send everything at INFO and above (our own DEBUG with `debug`) to stderr. `form` is "text" or "json"."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(redact, node) if form == "json" else _Text(redact, node))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # libraries speak up only when something is wrong
    # Google's client keeps its lines from these handlers unless somebody has configured its logger (client_logging in
    # google.api_core), and Python then writes them to stderr as they are.
    logging.getLogger("google").setLevel(logging.WARNING)
    logging.getLogger("poltergust").setLevel(logging.DEBUG if debug else logging.INFO)
