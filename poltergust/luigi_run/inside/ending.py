"""How a run can end early: one exception with a reason code of `poltergust.base.reasons` and a line for people."""

import difflib
import re
from typing import Any, Dict, Iterable, List, Optional

MAX_DETAIL_CHARACTERS = 500
TRACEBACK = "Traceback (most recent call last):"
GROUP_MARGIN = re.compile(r"^  [|+] ")  # what an exception group puts before each line of its own traceback
INCOMPLETE = re.compile(r":$|\berrors? for \S+$")
NOISE = re.compile(r"^ENVIRONMENT:|^For further information|^\(Background on|\[empty\]$")


class Ended(Exception):
    """The run is over; `code` is a `Reason.code`."""

    def __init__(self, code: str, detail: str, failures: Optional[List[Dict[str, str]]] = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = one_line(detail)
        self.failures = failures or []


def one_line(text: str, limit: int = MAX_DETAIL_CHARACTERS) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def describe(error: BaseException) -> str:
    """An exception in one line: its type and the first line of its message."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a pipeline's own class may fail at anything
        text = "(its text cannot be made)"
    return headline(f"{type(error).__name__}: {text}").rstrip(": ")


def headline(text: str) -> str:
    """The type and first line of the exception that a traceback ends with, or the first line of any other text.

    What follows it is often a link, a statement or all variables of the process, which the log has. Two more lines come
    where the first says too little by itself: ``1 validation error for Order``, ``failed with return code=1:``.
    """
    lines = [GROUP_MARGIN.sub("", line) for line in text.splitlines()]
    for number in range(len(lines) - 1, -1, -1):
        if lines[number].endswith(TRACEBACK) and not lines[number].startswith(" "):
            after = lines[number + 1 :]
            lines = after[next((n for n, line in enumerate(after) if line and not line.startswith(" ")), 0) :]
            break
    said = [line.strip() for line in lines if line.strip()]
    if not said:
        return "no exception was reported"
    more = [line for line in said[1:] if not NOISE.search(line)][:2] if INCOMPLETE.search(said[0]) else []
    return one_line(" ".join([said[0], *more]))


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters of an exception's text: its end, below its headline where that would be gone."""
    end, first = text[-limit:], headline(text)
    if len(text) <= limit or headline(end) == first:
        return end
    end = end[len(first) + 1 :]
    return first + "\n" + (end.partition("\n")[2] or end)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean X?`` or nothing."""
    folded: Dict[str, Any] = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), sorted(folded), n=1, cutoff=0.6)
    return f"; did you mean {folded[close[0]]}?" if close else ""
