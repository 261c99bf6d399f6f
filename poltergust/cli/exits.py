"""How commands end. Documented in docs/commands.md; a code, once released, keeps its meaning."""

from __future__ import annotations

OK = 0
FAILED = 1  # it could not be done
USAGE = 2  # the command line is wrong
RUN_ERROR = 3  # --wait, --follow: the run ended as an error
RUN_GONE = 4  # --wait, --follow: cancelled, removed or replaced
INTERRUPTED = 130  # Ctrl-C, as shells give it: 128 + SIGINT
