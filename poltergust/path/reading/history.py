"""The runs of one name side by side: how each ended, how long it took, what changed since the one before. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from poltergust.base.progress import Progress
from poltergust.path.reading import summary
from poltergust.path.reading.model import ConfigState, ConfigView, PastRun, RunView
from poltergust.path.records import RunEnvironment, RunRecord, State


@dataclass(frozen=True)
class RunSummary:
    """One run in a line. `outcome` is done, error, cancelled, or what it does now. `reason` is "" where it was
    cancelled, and `text` says by whom, where that is known. `started` is None where no record says it, `seconds` before
    it began. `nodes` are those that have a record of it, the one that renamed it first.

    `config_digest`, `environment_digest`, `lock_digest` and `code` name what ran; "" where that is not known.
    """

    generation: str
    outcome: str
    reason: str
    text: str
    started: float | None
    seconds: float | None
    nodes: tuple[str, ...]
    progress: Progress | None
    environment: RunEnvironment | None
    config_digest: str = ""
    environment_digest: str = ""
    lock_digest: str = ""
    code: str = ""
    changed: tuple[str, ...] = ()


def run_summaries(config: ConfigView | None, past: Sequence[PastRun], now: float) -> tuple[RunSummary, ...]:
    """In the order of `past`, which has the latest first. What changed is against the run before; the last one has
    none. `config` is what stands at the name now."""
    found = [_summary(config, run, now) for run in past]
    before = [*found, None][1:]
    return tuple(
        run if older is None else replace(run, changed=changes(older, run))
        for run, older in zip(found, before, strict=True)
    )


def _summary(config: ConfigView | None, past: PastRun, now: float) -> RunSummary:
    record = _lead(past.runs).record
    started = min((run.record.started for run in past.runs if run.record.started is not None), default=None)
    outcome, until = record.outcome or record.state.value, _end(past, now)
    if config is not None and config.generation == past.generation:
        outcome = config.state.value
        if config.state.ended:
            until = config.updated
    elif past.cancelled is not None:
        outcome = ConfigState.CANCELLED.value
        until = summary.ended_at(past.runs, outcome) or until
    reason, text = record.reason or "", record.text
    if outcome == ConfigState.CANCELLED.value:
        reason, text = "", "cancelled" + (f" by {past.cancelled.by}" if past.cancelled is not None else "")
    counts = record.progress if record.renamed and record.progress else summary.progress(past.runs)
    others = (run.record.node for run in past.runs if run.record.node != record.node)
    made_of = _what_ran(past.runs)
    return RunSummary(
        generation=past.generation,
        outcome=outcome,
        reason=reason,
        text=text,
        started=started,
        seconds=None if started is None else max(0.0, until - started),
        nodes=(record.node, *others),
        progress=summary.settled(counts, past.runs),
        environment=None if made_of is None else made_of.environment,
        config_digest="" if made_of is None else made_of.config_digest,
        environment_digest="" if made_of is None else made_of.environment_digest,
        lock_digest="" if made_of is None else made_of.lock_digest,
        code="" if made_of is None else made_of.code,
    )


def _lead(runs: Sequence[RunView]) -> RunView:
    """The node that renamed; else one that knows an outcome; else the one that wrote last."""
    return max(runs, key=lambda run: (run.record.renamed is True, run.record.outcome is not None, summary.written(run)))


def _what_ran(runs: Sequence[RunView]) -> RunRecord | None:
    """The record that says what was executed: that of the node that renamed, if it ran it. None if none says it."""
    known = [run for run in runs if run.record.environment is not None]
    return _lead(known).record if known else None


def _end(past: PastRun, now: float) -> float:
    """When it ended by the records, which tell the same in a copy; `now` while it goes on."""
    lead = _lead(past.runs).record
    if lead.renamed and lead.ended is not None:
        return lead.ended
    if any(run.record.state is not State.ENDED and not run.silent for run in past.runs):
        return now
    return lead.ended or max((run.record.ended or run.updated for run in past.runs), default=now)


def changes(then: RunSummary, now: RunSummary) -> tuple[str, ...]:
    """What another run was made of, in words. What one of the two does not tell is no change."""
    python = ("", "") if then.environment is None or now.environment is None else _pythons(then, now)
    found = (
        ("config", then.config_digest, now.config_digest),
        ("environment file", then.environment_digest, now.environment_digest),
        ("environment file's place", _place(then), _place(now)),
        (f"Python {python[0]} → {python[1]}", *python),
        ("installed versions", *_locks(then, now)),
    )
    words = [word for word, before, after in found if before and after and before != after]
    if _tells(then) and _tells(now) and (then.code != now.code or _installs_other_source(then, now)):
        words.append("code")
    return tuple(words)


def _installs_other_source(then: RunSummary, now: RunSummary) -> bool:
    """Whether a folder or file that the environment file names had another content: the key of its lock is made of the
    file, the Python, and the digests of these."""
    keys = [source_key(run) for run in (then, now)]
    same_file = bool(then.environment_digest) and then.environment_digest == now.environment_digest
    python = _pythons(then, now)
    return same_file and python[0] == python[1] and all(keys) and keys[0] != keys[1]


def source_key(run: RunSummary) -> str:
    """The key of the lock that its environment was built from, without the digest of the versions; "" if not known."""
    return "" if run.environment is None else run.environment.lock.partition("@")[0]


def _pythons(then: RunSummary, now: RunSummary) -> tuple[str, str]:
    assert then.environment is not None
    assert now.environment is not None
    return then.environment.python, now.environment.python


def _place(run: RunSummary) -> str:
    return "" if run.environment is None else run.environment.url


def _locks(then: RunSummary, now: RunSummary) -> tuple[str, str]:
    """By the digests of their texts where both have one, else by the names that older versions wrote as well."""
    if then.lock_digest and now.lock_digest:
        return then.lock_digest, now.lock_digest
    if then.environment is None or now.environment is None:
        return "", ""
    return then.environment.lock, now.environment.lock


def _tells(run: RunSummary) -> bool:
    """Whether anything is known of what ran: a run without `code` has an empty digest of it, too."""
    return run.environment is not None
