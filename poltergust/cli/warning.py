"""Problems that do not end a command: each is one line on standard error."""

from __future__ import annotations

import logging
import os

import click

from poltergust.base.redaction import Redactor
from poltergust.base.secret_forms import SecretNames
from poltergust.base.text import one_line


class _Warnings(logging.Handler):
    """Writes to the standard error of the moment: a live screen replaces `sys.stderr` while it is shown."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._redact = Redactor((os.environ,), names=SecretNames.of(os.environ))

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"poltergust: {one_line(self._redact(record.getMessage()))}", err=True)


def warn_on_standard_error() -> None:
    """For commands that are no agent: an agent has a log of its own (`poltergust.base.agent_log`)."""
    log = logging.getLogger("poltergust")
    if not log.handlers:
        log.addHandler(_Warnings())
