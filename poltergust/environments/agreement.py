"""Agreement: the exact versions of one build, from the lock that stands if it is right, from a new resolution if not.

A shared lock is input. The file's own lines are resolved with the lock's versions as preferences: the text that
`uv pip compile` finds in its output file (https://docs.astral.sh/uv/pip/compile/#upgrading-requirements). It is right
where the outcome holds each of its pins. So what is installed is always reached from the file's own lines, and nothing
that only the lock names is downloaded, built or imported to find that out.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from poltergust.base.errors import NodeError, Permanent
from poltergust.base.reasons import Reason
from poltergust.environments import Locks, failures, installers, resolve
from poltergust.environments.commands import CommandResult
from poltergust.environments.installers import Uv
from poltergust.environments.plan import Plan

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Agreement:
    """How the versions of `plan` are found; `work` is a folder of this build's own."""

    plan: Plan
    uv: Uv
    locks: Locks
    work: Path

    def newest(self) -> str:
        """A new resolution as a lock. Nothing is installed or published."""
        return self._lock(self._resolve(""))

    def with_others(self, lock: str | None) -> tuple[str, list[str]]:
        """The lock that stands for all nodes in the end, and the entries to install for it.

        `lock` is what stood before: None for nothing. Raises what `Environments.ready` raises.
        """
        if lock is None:
            chosen = self._resolve("")
            mine = self._lock(chosen)
            lock = self.locks.publish(self.plan.lock_key, mine)
            if lock == mine:
                return mine, chosen
        try:
            return lock, resolve.agreed(lock, self._resolve(lock))
        except (resolve.NotOfTheFile, Permanent, NodeError) as error:
            if isinstance(error, NodeError) and error.reason is not Reason.INSTALL_FAILED:
                raise  # no memory, no disk, no process: that says nothing about the lock, which stands for all nodes
            # a commit that does not exist fails the resolver: if the file's own lines are at fault, they fail again
            log.warning("the lock %s is damaged: %s; resolving again", self.plan.lock_key, error)
        chosen = self._resolve("")
        lock = self._lock(chosen)
        self.locks.replace(self.plan.lock_key, lock)
        return lock, chosen

    def _resolve(self, lock: str) -> list[str]:
        """What the resolver chooses besides the lines themselves; what `lock` pins is preferred."""
        self.work.mkdir(mode=0o700, parents=True, exist_ok=True)
        output = self.work / "resolved.txt"
        output.write_text(resolve.constraints(lock), encoding="utf-8")
        lines = resolve.at_commits(lock, self.plan.lines)
        requirements = installers.write_requirements(self.work / "wanted.txt", lines, self.plan.added)
        need(self.uv.resolve(self.plan.interpreter, requirements, output), self.plan)
        return resolve.choices(output.read_text(encoding="utf-8"), self.plan.lines)

    def _lock(self, chosen: Sequence[str]) -> str:
        return resolve.header(self.plan.spec.url, self.plan.interpreter.tag) + resolve.pins(chosen, self.plan.lines)


def need(ended: CommandResult, plan: Plan) -> None:
    """Raises what the failure of an installer's command means for `plan`'s file."""
    if not ended.ok:
        raise failures.of_install(ended, [item.line for item in plan.placed], f"environment {plan.spec.url}")
