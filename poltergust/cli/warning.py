"""What goes wrong and is gone on without, said to a person: a line each on standard error."""

from __future__ import annotations

import logging
import os

import click

from poltergust.base.redaction import Redactor
from poltergust.base.text import one_line


class _Warnings(logging.Handler):
    """To standard error as it is just then: a screen that changes puts its own in its place."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._redact = Redactor((os.environ,))

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"poltergust: {one_line(self._redact(record.getMessage()))}", err=True)


def warn_on_standard_error() -> None:
    """For commands that are no agent: an agent has a log of its own (`poltergust.base.agent_log`)."""
    log = logging.getLogger("poltergust")
    if not log.handlers:
        log.addHandler(_Warnings())
