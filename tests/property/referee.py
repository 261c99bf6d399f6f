"""The referee: a small model of the outcome table, kept apart from the code it judges.

It sees every effect on the storage and every attempt, knows what each node has seen with its own eyes (evidence), and
says so at once when something happens that the table does not allow.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from poltergust.base.reasons import Reason, ReasonKind
from poltergust.path.layout import Kind
from tests.emulators.memory import Version

ENVIRONMENT_GRACE = 60.0  # of the table: an environment object may be missing for so long
TAKE_OVER = 60.0  # a clearing that was begun and not done may be taken over after so long


class Broken(AssertionError):
    """The table does not allow what just happened."""


@dataclass
class Upload:
    """One generation of a config, as its user made it."""

    name: str
    generation: int
    data: bytes
    at: float
    timeout: float | None
    nodes: frozenset[str] = frozenset()  # labels that a node must have
    notified: dict[str, int] = field(default_factory=dict)  # node to the step in which it was told


@dataclass
class Seen:
    """What one node has seen of one generation, and did for it. Crashes change nothing of it."""

    done: bool = False  # its own process said that the root is complete
    error: bool = False  # wrong files
    failed: bool = False  # a task of it failed for good, in this run or in an earlier one that was not cleared yet
    charged: int = 0  # attempts that this node failed, or died in
    uncertain: int = 0  # attempts that it may have counted before it died
    spent_at: int | None = None  # the step in which the last attempt was used up
    refused: bool = False  # the storage refused to rename
    absent_since: float | None = None  # the environment object


class Referee:
    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.uploads: dict[int, Upload] = {}
        self.labels: dict[str, frozenset[str]] = {}  # of each node
        self.seen: defaultdict[tuple[str, int], Seen] = defaultdict(Seen)
        self.owed: set[tuple[str, int]] = set()  # (node, generation): a success that must not be lost
        self.won: defaultdict[tuple[int, Kind], list[str]] = defaultdict(list)
        self.renamed: set[tuple[int, Kind]] = set()
        self.forgiving: dict[int, tuple[str, float]] = {}  # by whom, since when
        self.forgiven: set[int] = set()
        self.marks_touched: set[int] = set()  # somebody deleted or could not write marks: no promises about them
        self.turmoil: set[str] = set()  # names with crashes, faults, hands of users in between: leftovers are allowed

    def _broken(self, text: str) -> None:
        raise Broken(text)

    # Users

    def uploaded(self, upload: Upload) -> None:
        self.uploads[upload.generation] = upload

    def interfered(self, name: str) -> None:
        """A user changed what stands at a name: what was owed there is owed no more."""
        self.owed = {(node, generation) for node, generation in self.owed if self.uploads[generation].name != name}

    # Attempts

    def begins(self, node: str, generation: int) -> None:
        seen = self.seen[node, generation]
        if not self._may_run(node, self.uploads[generation]):
            self._broken(f"{node} runs {generation}, which is for other nodes")
        if seen.charged >= self.budget:
            self._broken(f"{node} starts attempt {seen.charged + 1} of {self.budget} at {generation}")
        if seen.refused:
            self._broken(f"{node} runs {generation} again, whose rename was refused")

    def _may_run(self, node: str, upload: Upload) -> bool:
        return upload.nodes <= self.labels[node]

    def forgives(self, node: str, generation: int, now: float) -> None:
        """A process starts that clears what the scheduler remembers."""
        if generation in self.marks_touched:
            return
        if generation in self.forgiven:
            self._broken(f"{node} clears the failures of {generation} again")
        by, since = self.forgiving.setdefault(generation, (node, now))
        if by != node and now - since < TAKE_OVER:
            self._broken(f"{node} clears the failures of {generation} while {by} does")
        self.forgiving[generation] = (node, now)

    def reports(self, node: str, generation: int, reason: Reason, *, stopped: bool, step: int, standing: bool) -> None:
        """Its process ended, or its environment failed. `standing`: the config or its error is still there."""
        seen = self.seen[node, generation]
        row = reason.kind
        if row is ReasonKind.DONE:
            seen.done = True
            if standing:
                self.owed.add((node, generation))
        elif stopped:
            return
        elif row is ReasonKind.INVALID:
            seen.error = True
        elif row is ReasonKind.FAILED:
            seen.failed = True
        elif row is ReasonKind.NODE:
            self._charge(node, generation, step)

    def died(self, node: str, attempt: int | None, reconciled: int | None, step: int) -> None:
        """The agent died in the middle of an attempt at a generation, or while it reconciled one."""
        if attempt is not None:
            self._charge(node, attempt, step)
        elif reconciled is not None:
            # It may have counted an attempt that it did not come to, or not yet have said that one does not count.
            self.seen[node, reconciled].uncertain += 1
            self._perhaps_spent(node, reconciled, step)

    def restarts(self, node: str) -> None:
        self.owed = {owed for owed in self.owed if owed[0] != node}
        for (who, _), seen in self.seen.items():
            if who == node:
                seen.absent_since = None

    def loses_cache(self, node: str) -> None:
        """Its journal is gone while it is down: it is a new node, whatever its records say."""
        for (who, _), seen in self.seen.items():
            if who == node:
                seen.charged, seen.uncertain, seen.refused = 0, 0, False

    def _charge(self, node: str, generation: int, step: int) -> None:
        self.seen[node, generation].charged += 1
        self._perhaps_spent(node, generation, step)

    def _perhaps_spent(self, node: str, generation: int, step: int) -> None:
        seen = self.seen[node, generation]
        if seen.charged + seen.uncertain >= self.budget and seen.spent_at is None:
            seen.spent_at = step

    def environment(self, node: str, generation: int, *, found: bool, now: float) -> None:
        seen = self.seen[node, generation]
        if found:
            seen.absent_since = None
            return
        if seen.absent_since is None:
            seen.absent_since = now
        if now - seen.absent_since >= ENVIRONMENT_GRACE:
            seen.error = True

    # What nodes do to configs and outcomes

    def renames(
        self,
        node: str,
        generation: int | None,
        kinds: tuple[Kind, Kind],
        name: str,
        source: Version,
        replaced: Version | None,
        now: float,
        others: dict[str, int],
    ) -> None:
        """`generation` is what the node set out to run; `others`: live nodes, and the step since when they are."""
        old, new = kinds
        if generation is None:
            self._broken(f"{node} renames {name} without having read it")
            return
        ran = self.uploads[generation]
        seen = self.seen[node, generation]
        if ran.name != name:
            self._broken(f"{node} renames {name} for a run of {ran.name}")
        if replaced is not None and replaced.origin > generation:
            self._broken(f"{node} puts {generation} in the place of the newer {replaced.origin}")
        if old is Kind.CONFIG and source.origin != generation:
            self._broken(f"{node} renames {source.origin}, but ran {generation}")
        if old is Kind.ERROR and (new is not Kind.DONE or source.data != ran.data):
            self._broken(f"{node} renames the error {source.origin} to {new.value} after running {generation}")
        if old not in (Kind.CONFIG, Kind.ERROR):
            self._broken(f"{node} renames the {old.value} of {name}")
        if new is Kind.DONE and not seen.done:
            self._broken(f"{node} calls {generation} done and has not seen it so")
        self.renamed.add((generation, new))
        if new is Kind.ERROR:
            self._may_be_error(node, ran, seen, now, others)

    def _may_be_error(self, node: str, ran: Upload, seen: Seen, now: float, others: dict[str, int]) -> None:
        overdue = ran.timeout is not None and now - ran.at >= ran.timeout
        stuck = seen.failed and (ran.generation in self.forgiven or ran.generation in self.marks_touched)
        if seen.error or stuck or overdue or b"wrong" in ran.data:
            return
        if seen.spent_at is None:
            self._broken(f"{node} calls {ran.generation} an error and has not seen any")
            return
        for other, since in others.items():
            tries = self._may_run(other, ran) and self.seen[other, ran.generation].spent_at is None
            if other != node and since < seen.spent_at and tries:
                self._broken(f"{node} gave {ran.generation} up for all while {other} still tries")

    def removes(self, node: str, generation: int | None, kind: Kind, name: str, version: Version) -> None:
        if kind is Kind.CONFIG:
            self._broken(f"{node} deletes the config of {name}")
        if generation is None or self.uploads[generation].name != name or version.origin >= generation:
            self._broken(f"{node}, which ran {generation}, deletes the {kind.value} of {version.origin}")

    def claims(self, node: str, generation: int, kind: Kind, life: int) -> None:
        """It says that it is the one that renamed. A later life of the same agent may say so again."""
        others = [who for who in self.won[generation, kind] if who != f"{node}/{life}"]
        if others and generation not in self.marks_touched:
            self._broken(f"{node} says it renamed {generation} to {kind.value}, and so did {others[0]}")
        self.won[generation, kind].append(f"{node}/{life}")

    # At rest

    def at_rest(self, outcomes: dict[str, dict[Kind, Version]], names_left: set[str]) -> None:
        """Everything was given its time, and a scan. `names_left`: configs without an outcome."""
        if names_left:
            self._broken(f"no outcome, though there was all the time: {sorted(names_left)}")
        for node, generation in self.owed:
            error = outcomes.get(self.uploads[generation].name, {}).get(Kind.ERROR)
            if error is not None and error.origin == generation:
                self._broken(f"{node} saw {generation} complete, and it is still called an error")
        for name, standing in outcomes.items():
            if len(standing) > 1 and name not in self.turmoil:
                self._broken(f"{name} has several outcomes: {sorted(kind.value for kind in standing)}")
        for generation, kind in self.renamed:
            if not self.won[generation, kind] and self.uploads[generation].name not in self.turmoil:
                self._broken(f"nobody says that it renamed {generation} to {kind.value}")
