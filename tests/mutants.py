"""Breaks the promises of the outcome table one by one, and shows that the tests notice: ``python -m tests.mutants``.

A mutant is a change of the syntax tree of a copy of the package, against which a fast part of the tests is run. Ends
with 1 if any of them survives, if a change no longer applies, or if the tests fail on the package as it is.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.syntax_patches import (
    Change,
    PatchError,
    apply,
    argument,
    attribute,
    call,
    comparison,
    constant,
    handler,
    keyword,
    no_assignment,
    no_branch,
)

ROOT = Path(__file__).resolve().parent.parent
STORIES = ("tests/property/test_rename_stories.py", "tests/property/test_attempt_stories.py")
MACHINE = ("tests/property/test_outcomes.py",)
TURNS = ("tests/unit/runs/test_first_node.py",)
VIEWS = ("tests/unit/luigi_run/test_run_view.py", "tests/unit/luigi_run/test_worker_watch.py")
RUN_TIMEOUT_SECONDS = 600.0  # for one run of the tests


@dataclass(frozen=True)
class Mutant:
    """`changes` are made in what has the qualified name `scope`; after them one of `tests` has to fail."""

    name: str
    scope: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...] = STORIES


MUTANTS = (
    Mutant(
        "no source generation: whatever stands there now is renamed",
        "Outcomes.finish",
        (argument("move", 1, "{object}.read({0}).generation"),),
    ),
    Mutant(
        "no dirty flag: a name added while it is processed is forgotten",
        "WorkQueue",
        (no_assignment("_dirty", True),),
    ),
    Mutant(
        "another node's error is not superseded by success",
        "Outcomes.finish",
        (no_branch("_supersede_error"),),
    ),
    Mutant(
        "a success that the storage did not take at once is forgotten with its config",
        "Conclusions.gone",
        (comparison("verdict", ast.IsNot, "False"),),
    ),
    Mutant(
        "attempts are counted after they ended",
        "Reconciler._attempt",
        (keyword("replace", "attempts", "run.record.attempts"), keyword("replace", "state", "State.RETRYING")),
    ),
    Mutant(
        "older outcomes are removed whatever they are by now",
        "Outcomes",
        (keyword("delete", "if_generation", None),),
    ),
    Mutant(
        "a newer generation does not stop the run of the older",
        "StopCondition",
        (attribute("NEWER_GENERATION", "None"),),
    ),
    Mutant(
        "an older success replaces a newer one",
        "Outcomes._supersede_error",
        (comparison("updated", ast.Lt, "False"),),
    ),
    Mutant(
        "success of other bytes supersedes an error",
        "Config.became",
        (comparison("data", ast.Eq, "True"),),
        ("tests/unit/path/test_outcome.py",),
    ),
    Mutant(
        "an outcome of an earlier run of the same bytes counts",
        "Config.became",
        (comparison("updated", ast.GtE, "True"),),
        ("tests/unit/path/test_outcome.py",),
    ),
    Mutant(
        "a run whose rename was refused is run again",
        "Reconciler._reconcile",
        (comparison("verdict", ast.IsNot, "False"),),
    ),
    Mutant(
        "after a restart the known outcome is not restored",
        "Runs._restore",
        (comparison("state", ast.Is, "False"),),
    ),
    Mutant(
        "a record beside the path says what this node knows",
        "Runs._restore",
        (
            call(
                "load",
                "next((seen.record for seen in context.state.records.runs(config.name, config.generation)), None)",
            ),
        ),
    ),
    Mutant(
        "nothing is kept in the journal",
        "Run.save",
        (call("keep", "None"),),
    ),
    Mutant(
        "what is kept in the journal is lost with the machine",
        "Journal._append",
        (call("fdatasync", "None"),),
        ("tests/unit/runs/test_journal.py",),
    ),
    Mutant(
        "another user's journal is believed",
        "_why_not_ours",
        (comparison("st_uid", ast.NotEq, "False"),),
        ("tests/unit/runs/test_journal.py",),
    ),
    Mutant(
        "of one object's calls the second does not wait for the first",
        "Background._enter",
        (attribute("busy", "False"),),
        ("tests/unit/path/test_background.py",),
    ),
    Mutant(
        "an older state of a record is written after a newer one",
        "Background.begin",
        (comparison("owner", ast.NotEq, "True"),),
        ("tests/unit/path/test_background.py",),
    ),
    Mutant(
        "who does not come to clearing leaves no mark",
        "FailureReset._release",
        (call("write", "self._store.delete(mark.url)"),),
    ),
    Mutant(
        "giving up ignores the nodes that may still succeed",
        "Conclusions._node_failed",
        (call("_nodes_still_trying", "[]"),),
    ),
    Mutant(
        "every node clears the failures",
        "FailureReset._claim",
        (handler("Conflict", "return True"),),
    ),
    Mutant(
        "a failure is believed before earlier ones were cleared",
        "Attempt._verdict",
        (call("is_done", "True"),),
    ),
    Mutant(
        "an environment that comes late is an error at once",
        "MISSING_GRACE_SECONDS",
        (constant(0.0),),
    ),
    Mutant(
        "a config that is missing for a moment stops its run",
        "GONE_GRACE_SECONDS",
        (constant(0.0),),
    ),
    Mutant(
        "a record that cannot be read now counts as missing",
        "Records._load",
        (handler("Unavailable", None),),
    ),
    Mutant(
        "a node that gave up says so once only",
        "Conclusions._node_failed",
        (call("save_run", "None"),),
    ),
    Mutant("nobody joins", "_turn_to_join", (call("_doubled", "0"),), TURNS),
    Mutant("everybody joins, whatever there is to do", "_turn_to_join", (call("_doubled", "len(nodes)"),), TURNS),
    Mutant("everybody begins at once", "_turn_to_begin", (call("_doubled", "len(nodes)"),), TURNS),
    Mutant("a first node that never comes is waited for", "_turn_to_begin", (call("_doubled", "1"),), TURNS),
    Mutant("a node without the labels is waited for", "Run.may_run_on", (call("issuperset", "True"),), TURNS),
    Mutant("a node that is draining is waited for", "Run.may_run_on", (attribute("taking", "True"),), TURNS),
    Mutant("a node that died may be first", "_view", (attribute("enabled", "True"),), VIEWS),
    Mutant("a worker that lives and is silent is robbed", "WorkerWatch._look_after", (call("_speak", "None"),), VIEWS),
)
CHOSEN = (MUTANTS[0], MUTANTS[1], MUTANTS[4])
"""Those that every run of the suite tries."""


def run(tests: tuple[str, ...], mutant: Mutant | None = None) -> tuple[bool, str]:
    """Whether `tests` pass on a copy of the package, changed or not, and what they printed."""
    with tempfile.TemporaryDirectory(prefix="poltergust-mutant-") as folder:
        home = Path(folder)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "poltergust", home / "poltergust", ignore=ignore)
        (home / "tests").mkdir()
        for part in ("property", "emulators", "unit"):
            shutil.copytree(ROOT / "tests" / part, home / "tests" / part, ignore=ignore)
        for file in (ROOT / "tests").glob("*.py"):
            shutil.copy(file, home / "tests")
        shutil.copy(ROOT / "pyproject.toml", home)
        if mutant is not None:
            apply(home / "poltergust", mutant.scope, mutant.changes)
        argv = [sys.executable, "-m", "pytest", "-x", "-q", "--assert=plain", "-p", "no:cacheprovider", *tests]
        env = {**os.environ, "POLTERGUST_NO_SHRINK": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(home)}
        ended = subprocess.run(
            argv,
            cwd=home,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_TIMEOUT_SECONDS,
        )
    if ended.returncode not in (0, 1):  # neither passed nor failed: not even started
        raise PatchError(f"pytest ended with {ended.returncode}: {ended.stdout[-1000:]}")
    return ended.returncode == 0, ended.stdout


def killer(output: str) -> str:
    """The test that failed."""
    failed = [line for line in output.splitlines() if line.startswith("FAILED")]
    return failed[0].split("::")[-1].split(" - ")[0] if failed else "?"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="only mutants whose name holds one of these; default: all")
    parser.add_argument("--machine", action="store_true", help="let the state machine alone find them (slower)")
    options = parser.parse_args(arguments)
    chosen = [m for m in MUTANTS if not options.words or any(word in m.name for word in options.words)]
    alive = 0
    try:
        tests = sorted({test for mutant in chosen for test in (MACHINE if options.machine else mutant.tests)})
        passed, output = run(tuple(tests))
        if not passed:
            say(output)
            raise PatchError("the tests fail without any mutant")
        for mutant in chosen:
            began = time.monotonic()
            passed, output = run(MACHINE if options.machine else mutant.tests, mutant)
            alive += passed
            how = "SURVIVED" if passed else f"killed by {killer(output)}"
            say(f"{time.monotonic() - began:5.1f} s  {mutant.name}: {how}")
    except PatchError as error:
        say(f"error: {error}")
        return 1
    say(f"{len(chosen) - alive} of {len(chosen)} killed")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
