"""One command of a build: run supervised, its lines passed on without secrets, its last ones kept, ended at wish."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from poltergust.base.redaction import LineRedactor, Redactor
from poltergust.environments import Cancelled
from poltergust.processes import Exit, Spawn
from poltergust.processes.lines import MAX_LINE_BYTES

MAX_LINES = 400
_POLL_SECONDS = 0.25  # `Environments.ready` promises to look at `cancelled` at least every 0.5 s

# Variables that would lead the build away from the environment it is for. PIP_* and UV_* that choose the target are
# ours to set; those that say where packages come from stay.
_MISLEADING = frozenset(
    """
    PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONEXECUTABLE PYTHONSAFEPATH PYTHONINSPECT PYTHONUSERBASE __PYVENV_LAUNCHER__
    VIRTUAL_ENV VIRTUAL_ENV_PROMPT CONDA_PREFIX
    PIP_TARGET PIP_PREFIX PIP_ROOT PIP_USER PIP_PYTHON PIP_DRY_RUN PIP_REPORT
    UV_PYTHON UV_SYSTEM_PYTHON UV_BREAK_SYSTEM_PACKAGES UV_TARGET UV_PREFIX UV_WORKING_DIR UV_PROJECT
    UV_PROJECT_ENVIRONMENT UV_NO_EDITABLE UV_LOG_CONTEXT UV_OUTPUT_FORMAT
    FORCE_COLOR CLICOLOR_FORCE
    """.split()  # noqa: SIM905
)

# `failures` reads what commands print: whole lines, without colours, in English, wherever the agent was started from.
# uv wraps its errors at COLUMNS, and colours them on FORCE_COLOR; git and compilers speak the language of the locale.
_FOR_MACHINES = {
    "PYTHONUNBUFFERED": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "COLUMNS": "10000",
    "NO_COLOR": "1",
    "LANGUAGE": "en",
}


@dataclass(frozen=True)
class CommandResult:
    """How a command ended, and its last lines (without secrets)."""

    exit: Exit
    lines: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return self.exit.code == 0


def build_environment(node_env: Mapping[str, str]) -> dict[str, str]:
    """The node's environment, without what belongs to another interpreter or would move the target."""
    kept = {k: v for k, v in node_env.items() if k not in _MISLEADING and not k.startswith("VIRTUALENV_")}
    return kept | _FOR_MACHINES


@dataclass(frozen=True)
class CommandRunner:
    """Everything the commands of one build share."""

    spawn: Spawn
    env: Mapping[str, str]
    cwd: Path
    on_line: Callable[[str], None]
    cancelled: Callable[[], bool]
    redact: Redactor

    def write(self, text: str) -> None:
        self.on_line(self.redact(text))

    def __call__(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, quiet: bool = False
    ) -> CommandResult:
        """Run to the end. `env` is added to the build's environment; `quiet` keeps the lines from `on_line`.

        Raises `Cancelled` (the command and its descendants are gone by then), `errors.NodeError` if it cannot start.
        """
        kept: deque[str] = deque(maxlen=MAX_LINES)
        redact = LineRedactor(self.redact, MAX_LINE_BYTES)

        def line(text: str) -> None:
            clean = redact.feed(text.rstrip("\r\n"))
            kept.append(clean)
            if not quiet:
                self.on_line(clean)

        child = self.spawn(list(argv), env={**self.env, **(env or {})}, cwd=self.cwd, on_line=line)
        try:
            ended = child.wait(_POLL_SECONDS)
            while ended is None:
                if self.cancelled():
                    raise Cancelled
                ended = child.wait(_POLL_SECONDS)
        except BaseException:
            child.kill()
            child.wait(30)
            raise
        if held := redact.end():
            kept.append(held)
            if not quiet:
                self.on_line(held)
        return CommandResult(ended, tuple(kept))
