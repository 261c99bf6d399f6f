"""The runs of one name for `history`, `diff` and `--generation`, and which of them a person means."""

from __future__ import annotations

from collections.abc import Sequence

from poltergust.base import hints
from poltergust.base.errors import PoltergustError
from poltergust.base.text import plural
from poltergust.cli.status import near
from poltergust.path.reading.history import RunSummary, run_summaries
from poltergust.path.reading.model import PastRun
from poltergust.path.reading.reader import Reader

MAX_NUMBER_DIGITS = 4  # a longer number is the beginning of a generation

MAX_RUNS_NAMED = 10
"""In an error that says which there are."""


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


def limit_of(*texts: str) -> int | None:
    """How many of the latest runs have to be read to find those; None: all, where one is no number."""
    return max(int(text) for text in texts) if all(is_number(text) for text in texts) else None


def is_number(text: str) -> bool:
    """Whether it says how far back a run lies, as `history` numbers them: 1 is the latest."""
    return text.isascii() and text.isdigit() and len(text) <= MAX_NUMBER_DIGITS


def run_of(runs: list[tuple[RunSummary, PastRun]], text: str, name: str, reader: Reader) -> tuple[RunSummary, PastRun]:
    """The run that `text` names: a number, or a beginning of its generation. Raises `PoltergustError`."""
    generations = [run.generation for run, _ in runs]
    return runs[generations.index(_chosen(generations, generations, text, name, reader))]


def generation_of(reader: Reader, name: str, text: str) -> str:
    """The same of all runs that left records or logs. Only those with records have numbers."""
    known = reader.generations(name)
    if text in known:
        return text
    numbered = [run.generation for run in reader.runs(name, limit=limit_of(text))]
    return _chosen(numbered, known, text, name, reader)


def _chosen(numbered: Sequence[str], known: Sequence[str], text: str, name: str, reader: Reader) -> str:
    """`numbered`: generations in the order of `history`; `known`: those that can be named by their beginning."""
    if is_number(text):
        if 0 < int(text) <= len(numbered):
            return numbered[int(text) - 1]
        raise PoltergustError(f"{name} has no run number {text}, {_left(numbered, name, reader)}")
    found = [text] if text in known else [one for one in known if one.startswith(text)]
    if len(found) != 1:
        what = f"{len(found)} runs whose generations begin with" if found else "no run of generation"
        raise PoltergustError(f"{name} has {what} {text}, {_left(numbered, name, reader)}")
    return found[0]


def _left(numbered: Sequence[str], name: str, reader: Reader) -> str:
    """``2 runs left records: 1 (1740830400123456), 2 (…); see: …``"""
    if not numbered:
        return "no run left records"
    named = ", ".join(f"{number} ({one})" for number, one in enumerate(numbered[:MAX_RUNS_NAMED], 1))
    more = ", …" if len(numbered) > MAX_RUNS_NAMED else ""
    see = hints.command("history", name, path=reader.path.root)
    return f"{plural(len(numbered), 'run')} left records: {named}{more}; see: {see}"
