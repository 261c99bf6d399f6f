"""How a run can end early: one exception with a reason code of `poltergust.base.reasons` and a line for people."""

import difflib
from typing import Any, Dict, Iterable, List, Optional

MAX_DETAIL_CHARACTERS = 500


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
    """An exception in one line: its type and message."""
    return one_line(f"{type(error).__name__}: {error}").rstrip(": ")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean X?`` or nothing."""
    folded: Dict[str, Any] = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), sorted(folded), n=1, cutoff=0.6)
    return f"; did you mean {folded[close[0]]}?" if close else ""
