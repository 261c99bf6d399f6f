"""Small wounds to the outcome table, each of which the suite has to notice: ``python -m tests.mutants [name ...]``.

A mutant is one piece of text put in the place of another in a copy of the package, against which a fast part of the
tests is run. Ends with 1 if any of them survives, if a patch no longer applies, or if the tests fail unwounded.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STORIES = ("tests/property/test_rename_stories.py", "tests/property/test_attempt_stories.py")
MACHINE = ("tests/property/test_outcomes.py",)
PATIENCE = 600.0  # seconds for one run of the tests


@dataclass(frozen=True)
class Mutant:
    """`old` stands exactly once in `file`; `tests` are what has to fail once `new` stands there."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = STORIES


MUTANTS = (
    Mutant(
        "no source generation: whatever stands there now is renamed",
        "path/outcome.py",
        "            sure = self._store.move(source, config.generation, target)\n",
        "            sure = self._store.move(source, self._store.read(source).generation, target)\n",
    ),
    Mutant(
        "no dirty flag: a name added while it is processed is forgotten",
        "workqueue/queue.py",
        "            item._dirty = True\n",
        "",
    ),
    Mutant(
        "another node's error is not superseded by success",
        "path/outcome.py",
        "            if kind is Kind.DONE:\n                return self._supersede_error(config)\n",
        "",
    ),
    Mutant(
        "a success that the storage did not take at once is forgotten with its config",
        "runs/reconciler.py",
        "        if run is None or run.verdict is None:\n            if run is not None and",
        "        if run is None or run.verdict is not run:\n            if run is not None and",
    ),
    Mutant(
        "attempts are counted after they ended",
        "runs/reconciler.py",
        "state=State.PREPARING, attempts=run.record.attempts + 1, reason=None",
        "state=State.RETRYING, attempts=run.record.attempts, reason=None",
    ),
    Mutant(
        "older outcomes are removed whatever they are by now",
        "path/outcome.py",
        "                self._store.delete(url, if_generation=generation)\n",
        "                self._store.delete(url)\n",
    ),
    Mutant(
        "a newer generation does not stop the run of the older",
        "runs/stop_condition.py",
        "        return None if blob.generation == self._config.generation else Reason.NEWER_GENERATION\n",
        "        return None\n",
    ),
    Mutant(
        "an older success replaces a newer one",
        "path/outcome.py",
        "error.data != config.data or error.updated < self._written(done)",
        "error.data != config.data",
    ),
    Mutant(
        "success of other bytes supersedes an error",
        "path/outcome.py",
        "            if error.data != config.data or ",
        "            if ",
        ("tests/unit/path/test_outcome.py",),
    ),
    Mutant(
        "a run whose rename was refused is run again",
        "runs/reconciler.py",
        "            verdict = run.verdict if run.verdict is not None else self._attempt(run, item)\n",
        "            verdict = self._attempt(run, item)\n",
    ),
    Mutant(
        "after a restart the known outcome is not taken up",
        "runs/run.py",
        "        if record.state is State.FINISHED and record.outcome is not None:\n",
        "        if record.state is State.ENDED and record.outcome is not None:\n",
    ),
    Mutant(
        "giving up ignores the nodes that are still at it",
        "runs/reconciler.py",
        "        if at_it:\n",
        "        if not at_it and self is None:\n",
    ),
    Mutant(
        "every node clears the failures",
        "path/marks.py",
        "            pass  # another node was first, or this one in an earlier life: read on\n",
        "            return True\n",
    ),
    Mutant(
        "a failure is believed before earlier ones were cleared",
        "runs/attempt.py",
        "(Reason.TASK_DISABLED, Reason.TASK_FAILED) and not self.failure_reset.done(run.config)",
        "(Reason.TASK_DISABLED, Reason.TASK_FAILED) and run is None",
    ),
    Mutant(
        "an environment that comes late is an error at once",
        "runs/reconciler.py",
        "ENVIRONMENT_GRACE = 60.0\n",
        "ENVIRONMENT_GRACE = 0.0\n",
    ),
    Mutant(
        "a config that is missing for a moment stops its run",
        "path/liveness.py",
        "GONE_GRACE_SECONDS = 10.0\n",
        "GONE_GRACE_SECONDS = 0.0\n",
    ),
    Mutant(
        "a record that cannot be read now counts as missing",
        "path/records.py",
        "        except Temporary:\n            raise\n        except RunError as error:\n",
        "        except RunError as error:\n",
    ),
    Mutant(
        "a node that gave up says so once only",
        "runs/reconciler.py",
        "        self._note(run, State.GAVE_UP, verdict, again=True)",
        "        self._note(run, State.GAVE_UP, verdict)",
    ),
)
CHOSEN = (MUTANTS[0], MUTANTS[1], MUTANTS[4])
"""Those that every run of the suite tries."""


class Unfit(Exception):
    """The list and the package do not belong together any more."""


def wound(package: Path, mutant: Mutant) -> None:
    """Apply the patch to a copy of the package. Raises `Unfit` unless it applies exactly once."""
    file = package / mutant.file
    text = file.read_text()
    if text.count(mutant.old) != 1:
        raise Unfit(f"{mutant.name!r}: its text stands {text.count(mutant.old)} times in {mutant.file}; mend the patch")
    file.write_text(text.replace(mutant.old, mutant.new))


def run(tests: tuple[str, ...], mutant: Mutant | None = None) -> tuple[bool, str]:
    """Whether `tests` pass on a copy of the package, wounded or not, and the end of what they said."""
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
            wound(home / "poltergust", mutant)
        argv = [sys.executable, "-m", "pytest", "-x", "-q", "--assert=plain", "-p", "no:cacheprovider", *tests]
        env = {**os.environ, "POLTERGUST_NO_SHRINK": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(home)}
        ended = subprocess.run(
            argv, cwd=home, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE
        )
    if ended.returncode not in (0, 1):  # neither passed nor failed: not even started
        raise Unfit(f"pytest ended with {ended.returncode}: {ended.stdout[-1000:]}")
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
            raise Unfit("the tests fail without any mutant")
        for mutant in chosen:
            began = time.monotonic()
            passed, output = run(MACHINE if options.machine else mutant.tests, mutant)
            alive += passed
            how = "SURVIVED" if passed else f"killed by {killer(output)}"
            say(f"{time.monotonic() - began:5.1f} s  {mutant.name}: {how}")
    except Unfit as error:
        say(f"error: {error}")
        return 1
    say(f"{len(chosen) - alive} of {len(chosen)} killed")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
