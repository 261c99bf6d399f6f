"""Which lines of a run log tell of an error, and which are about one task. Pure; lines come without terminal codes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from poltergust.base.reasons import Reason, ReasonKind
from poltergust.path.tasks import TaskStory

_ERROR = re.compile(r"\b(?:ERROR|CRITICAL|FATAL)\b|^\s*[\w.]*(?:Error|Exception|Interrupt)\b|^failed: |^Traceback ")
_FAILED = re.compile(r"\[poltergust \S+\] (?P<code>[a-z-]+): ")
"""A note of how an attempt ended."""

_FAILURES = frozenset(
    reason.code for reason in Reason if reason.kind in (ReasonKind.INVALID, ReasonKind.FAILED, ReasonKind.NODE)
)
_TRACEBACK = "Traceback (most recent call last)"

# As Luigi's worker writes them: "INFO: [pid 7] Worker NAME running   Leaf(number=7)", then "done" or "failed".
_STEP = re.compile(r"\[pid (?P<pid>\d+)\] Worker (?P<worker>\S+) (?P<step>running|done|failed) +(?P<task>\S.*)")
_INFORMED = re.compile(r"Informed scheduler that task +(?P<task_id>\S+) +has status")


# A record as Luigi and Python's logging write it, and a note of ours (`RunLog.note`, `AppendedLines`). A bare ERROR is
# no end: what a database or a command says in an exception's message begins so, too.
_RECORD = re.compile(r"\[?\d{4}-\d\d-\d\d[T ]\d|\W?(?:DEBUG|INFO|WARNING|WARN)\b|\[poltergust[ :]")

MAX_MESSAGE_LINES = 200
"""Of one exception: what a program prints after it without a log record is not told from it."""


class ErrorLines:
    """Of one log, to be asked line after line: those that tell of an error, with the whole traceback and what follows
    up to the next log record: an exception's message may have many lines, and other exceptions may follow it."""

    def __init__(self) -> None:
        self._in_traceback = False
        self._message_lines = 0  # that may still be of the exception

    def holds(self, line: str) -> bool:
        if line.lstrip().startswith(_TRACEBACK):
            self._in_traceback = True
        elif _RECORD.match(line):
            self._in_traceback, self._message_lines = False, 0
        elif self._in_traceback:
            # It goes on while lines are indented, and ends with the one that names the exception.
            self._in_traceback = line[:1] in (" ", "\t")
            self._message_lines = 0 if self._in_traceback else MAX_MESSAGE_LINES
            return True
        elif self._message_lines:
            self._message_lines -= 1
            return True
        return self._in_traceback or _ERROR.search(line) is not None or _is_failure(line)


def _is_failure(line: str) -> bool:
    """Whether it is the note that says why the files, the pipeline or the node failed."""
    note = _FAILED.match(line)
    return note is not None and note["code"] in _FAILURES


class TaskLines:
    """Of one log, to be asked line after line: those that were written while one of `wanted` ran, its end and the
    traceback that follows it included. Of tasks that ran beside it in other processes only what they print themselves
    is among them."""

    def __init__(self, wanted: Sequence[TaskStory]) -> None:
        self._wanted = wanted
        self._running: dict[tuple[str, str], TaskStory] = {}  # by process and worker, the latest last
        self._failed: TaskStory | None = None  # its traceback is being written
        self._errors = ErrorLines()

    def task(self, line: str) -> TaskStory | None:
        """The one that the line is about; None for another's."""
        error = self._errors.holds(line)
        step = _STEP.search(line)
        if step is not None:
            self._failed = None
            return self._step(step)
        if self._failed is not None:
            if error:
                return self._failed
            self._failed = None
        informed = _INFORMED.search(line)
        if informed is not None:
            return next((task for task in self._wanted if task.task_id == informed["task_id"]), None)
        return next(reversed(self._running.values()), None)

    def _step(self, step: re.Match[str]) -> TaskStory | None:
        process = step["pid"], step["worker"]
        if step["step"] == "running":
            task = next((task for task in self._wanted if is_written(task, step["task"])), None)
            self._running.pop(process, None)
            if task is not None:
                self._running[process] = task
            return task
        ended = self._running.pop(process, None)
        self._failed = ended if step["step"] == "failed" else None
        return ended


def is_written(task: TaskStory, text: str) -> bool:
    """Whether `text` is that task as Luigi writes it: its family and, in their order, those of its parameters that are
    significant."""
    if not text.startswith(f"{task.family}(") or not text.endswith(")"):
        return False
    rest = text[len(task.family) + 1 : -1]
    for name, value in task.parameters.items():
        for piece in (f"{name}={value}, ", f"{name}={value}"):
            if rest == piece or (rest.startswith(piece) and piece.endswith(", ")):
                rest = rest[len(piece) :]
                break
    return not rest
