"""The log of this package and Luigi's: standard error as it was when the process started, whatever tasks do to theirs.

Luigi logs at INFO, one line a record with its time, where the user configured nothing: a logging_conf_file, a [logging]
section, no_configure_logging, or handlers their module put on the root logger (records would come twice) win.
"""

import contextlib
import logging
import os
from typing import Any

from .channel import out_of_the_way

FORMAT = "%(asctime)s %(levelname)s %(message)s"


def keep_standard_error() -> int:
    """A descriptor of our own, so that a task that closes or redirects standard error does not end the log."""
    return out_of_the_way(os.dup(2))


def write_line(descriptor: int, text: str) -> None:
    """One write, never an error: nothing depends on it."""
    with contextlib.suppress(OSError):
        os.write(descriptor, (text.rstrip("\n") + "\n").encode("utf-8", "backslashreplace"))


def install(descriptor: int) -> None:
    """Before the first `luigi.build`: Luigi calls `InterfaceLogging._default` when nothing else is configured."""
    try:
        from luigi.setup_logging import InterfaceLogging
    except ImportError:
        return  # Luigi before 2.8.3 logs in its own way

    stream = os.fdopen(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)

    def default(opts: Any) -> bool:
        logger = logging.getLogger("luigi-interface")
        logger.setLevel(getattr(logging, opts.log_level, logging.INFO))
        if not logger.handlers and not logging.getLogger().handlers:
            handler = logging.StreamHandler(stream)
            handler.setFormatter(logging.Formatter(FORMAT))
            logger.addHandler(handler)
        return True

    setup: Any = InterfaceLogging
    setup._default = staticmethod(default)
