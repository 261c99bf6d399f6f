"""Documents: the text of a task file or an environment file to a checked, frozen value. Pure: no I/O, no clock.

`parse_task_file(data, source)` and `parse_environment_file(data, source)` take bytes as read and the URL to name in
messages; every mistake raises one `DocumentError` whose text names file, line, key, what was expected, and a near miss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from poltergust.errors import Permanent
from poltergust.luigi_run import Argument
from poltergust.reasons import Reason

MAX_BYTES = 256 * 1024
"""Larger files are refused: both are written by hand."""


class DocumentError(Permanent):
    """A mistake in a file: ``<source>:<line>:<column>: <message>``. Lines and columns are 1-based."""

    def __init__(
        self, reason: Reason, message: str, *, source: str, line: int = 0, column: int = 0, key: str = ""
    ) -> None:
        where = source + (f":{line}:{column}" if line else "")
        super().__init__(reason, f"{where}: {message}")
        self.source, self.line, self.column, self.key, self.message = source, line, column, key, message


@dataclass(frozen=True)
class TaskFile:
    """A task file. `environment` as written (may be relative), `timeout` in seconds."""

    environment: str
    name: str
    module: str
    arguments: tuple[Argument, ...]
    variables: Mapping[str, str]
    timeout: float | None = None
    retries: int | None = None
