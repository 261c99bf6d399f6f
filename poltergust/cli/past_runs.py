"""The runs of one name for `history` and `diff`, and which of them a person means."""

from __future__ import annotations

from poltergust.base import hints
from poltergust.base.errors import PoltergustError
from poltergust.base.text import plural
from poltergust.cli.status import near
from poltergust.path.reading.history import RunSummary, run_summaries
from poltergust.path.reading.model import PastRun
from poltergust.path.reading.reader import Reader

MAX_NUMBER_DIGITS = 4  # a longer number is the beginning of a generation


def past_runs(reader: Reader, name: str, limit: int | None = None) -> list[tuple[RunSummary, PastRun]]:
    """The `limit` latest, all if None, the latest first. Raises `PoltergustError` where there is none."""
    nodes = reader.nodes()
    past = reader.runs(name, nodes, limit=limit)
    if not past:
        where = f"{reader.path.state_prefix}runs/"
        raise PoltergustError(f"no run of {name} has left records below {where}{near(reader, name)}")
    current = reader.current(name)
    config = None if current is None else reader.view(name, *current, nodes)
    return list(zip(run_summaries(config, past, reader.now()), past, strict=True))


def is_number(text: str) -> bool:
    """Whether it says how far back a run lies, as `history` numbers them: 1 is the latest."""
    return text.isascii() and text.isdigit() and len(text) <= MAX_NUMBER_DIGITS


def run_of(runs: list[tuple[RunSummary, PastRun]], text: str, name: str, reader: Reader) -> tuple[RunSummary, PastRun]:
    """The run that `text` names: a number, or a beginning of its generation. Raises `PoltergustError`."""
    see = hints.command("history", name, path=reader.path.root)
    if is_number(text):
        if not 0 < int(text) <= len(runs):
            raise PoltergustError(
                f"{name} has no run number {text}, {plural(len(runs), 'run')} left records; see: {see}"
            )
        return runs[int(text) - 1]
    found = [run for run in runs if run[0].generation.startswith(text)]
    exact = [run for run in found if run[0].generation == text] or found
    if len(exact) != 1:
        what = f"{len(exact)} runs whose generations begin with" if exact else "no run of generation"
        raise PoltergustError(f"{name} has {what} {text}; see: {see}")
    return exact[0]
