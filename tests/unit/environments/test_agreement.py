"""Which lock stands in the end, with a resolver that is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from poltergust.base.errors import NodeError
from poltergust.base.reasons import Reason
from poltergust.base.redaction import Redactor
from poltergust.environments import Dependency, EnvironmentSpec, lines, virtualenv_options
from poltergust.environments.agreement import Agreement
from poltergust.environments.commands import CommandResult, CommandRunner
from poltergust.environments.installers import Uv
from poltergust.environments.interpreters import Interpreter
from poltergust.environments.origins import Placed
from poltergust.environments.plan import Plan
from poltergust.environments.resolve import LocalLocks
from poltergust.environments.uv_settings import UvSettings
from poltergust.processes import Exit
from poltergust.processes.child import spawn

KEY_TEXT = "alpha==1.0\n"


class Resolver(Uv):
    """uv in words: how it ends each time, and what it then chose."""

    ends: Sequence[tuple[Exit, str]]

    def resolve(self, interpreter: Interpreter, requirements: Path, output: Path) -> CommandResult:
        (ended, chosen), *self.ends = self.ends
        output.write_text(chosen)
        return CommandResult(ended, ())


def agreement(folder: Path, *ends: tuple[Exit, str]) -> Agreement:
    spec = EnvironmentSpec("/e.yaml", {}, (Dependency("alpha", 1),), {})
    python = Interpreter("/p", "/p", "3.11.7", "cpython", "linux-x86_64")
    placed = tuple(Placed(read, read.text) for read in lines.read(spec.dependencies))
    plan = Plan(spec, python, virtualenv_options.read({}), placed, UvSettings())
    run = CommandRunner(spawn, {}, folder, lambda _: None, lambda: False, Redactor(()))
    uv = Resolver(run, UvSettings(), folder)
    uv.ends = ends
    locks = LocalLocks(folder / "locks")
    locks.publish(plan.lock_key, KEY_TEXT)
    return Agreement(plan, uv, locks, folder / "work")


def test_a_resolver_that_the_kernel_killed_does_not_change_the_versions_of_all_nodes(tmp_path: Path) -> None:
    killed = (Exit(None, 9, out_of_memory=True), "")
    made = agreement(tmp_path, killed, (Exit(0), "alpha==2.0\n"))
    with pytest.raises(NodeError) as caught:
        made.with_others(KEY_TEXT)
    assert caught.value.reason is Reason.OUT_OF_MEMORY
    assert made.locks.get(made.plan.lock_key) == KEY_TEXT


def test_a_lock_that_the_resolver_cannot_follow_is_replaced(tmp_path: Path) -> None:
    made = agreement(tmp_path, (Exit(1), ""), (Exit(0), "alpha==2.0\n"))
    lock, chosen = made.with_others(KEY_TEXT)
    assert chosen == ["alpha==2.0"]
    assert made.locks.get(made.plan.lock_key) == lock
