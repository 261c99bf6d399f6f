"""What `.ci/run` says of tests that fail, run by the project's own Makefile over a small suite."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAILS_ONCE = """
def test_fails_once():
    import pathlib
    here = pathlib.Path("ran")
    ran = here.exists()
    here.touch()
    assert ran
"""
FAILS = """
def test_fails():
    assert False
"""
PASSES = """
def test_passes():
    pass
"""
DIES = """
def test_interrupts():
    raise KeyboardInterrupt
"""


def ci_run(folder: Path, suite: str) -> tuple[int, list[str]]:
    """Exit code and lines of standard output."""
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci")
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "requirements").mkdir()
    for needed in ("pyproject.toml", "requirements/dev.txt"):
        (folder / needed).touch()
    (folder / ".venv").symlink_to(sys.prefix)
    # What is looked at here is what comes after `make check`; the virtualenv is this one.
    (folder / "GNUmakefile").write_text("include Makefile\ncheck:\n\t@true\n.venv/.ready:\n\t@true\n")
    (folder / "test_suite.py").write_text(suite)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "MAKE"))}
    ended = subprocess.run(
        [folder / ".ci" / "run"], env={**environ, "JOBS": "0"}, capture_output=True, text=True, timeout=120
    )
    return ended.returncode, ended.stdout.splitlines()


def test_all_passed_and_the_closing_line_is_the_last(tmp_path: Path) -> None:
    code, lines = ci_run(tmp_path, PASSES)
    assert code == 0
    assert "1 passed" in lines[-1]


def test_what_failed_once_is_named_after_the_closing_line(tmp_path: Path) -> None:
    code, lines = ci_run(tmp_path, FAILS_ONCE + PASSES)
    assert code == 0
    assert lines[-1] == "FLAKY: test_suite.py::test_fails_once"
    assert any("1 failed, 1 passed" in line for line in lines)
    assert "1 passed" in lines[-2]


def test_what_failed_twice_is_a_failure_beside_what_failed_once(tmp_path: Path) -> None:
    code, lines = ci_run(tmp_path, FAILS + FAILS_ONCE + PASSES)
    assert code != 0
    assert lines[-2:] == ["FAILED TWICE: test_suite.py::test_fails", "FLAKY: test_suite.py::test_fails_once"]


@pytest.mark.parametrize("suite", [FAILS_ONCE + DIES, "import nowhere_to_be_found"])
def test_a_suite_that_did_not_run_to_its_end_is_a_failure(tmp_path: Path, suite: str) -> None:
    code, lines = ci_run(tmp_path, suite)
    assert code != 0
    assert not any(line.startswith("FLAKY") for line in lines)
