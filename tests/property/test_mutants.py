"""The suite notices what it is there to notice: a few mutants each time, all of them with POLTERGUST_LONG=1."""

from __future__ import annotations

import ast
import os
import shutil
from pathlib import Path

import pytest

from tests.mutants import CHOSEN, MUTANTS, Mutant, killer, run
from tests.syntax_patches import PatchError, apply, call

PACKAGE = Path(__file__).parents[2] / "poltergust"


@pytest.mark.parametrize("mutant", MUTANTS if os.environ.get("POLTERGUST_LONG") else CHOSEN, ids=lambda m: m.name)
def test_the_suite_kills(mutant: Mutant) -> None:
    passed, output = run(mutant.tests, mutant)
    assert not passed, "it survived"
    assert killer(output) != "?", output


def test_every_patch_applies(tmp_path: Path) -> None:
    for number, mutant in enumerate(MUTANTS):
        copy = tmp_path / str(number)
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        changed = apply(copy, mutant.scope, mutant.changes)
        assert _tree(changed) != _tree(PACKAGE / changed.relative_to(copy)), mutant.name


def _tree(file: Path) -> str:
    return ast.dump(ast.parse(file.read_text()))


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("class Other: pass", "Thing.act stands 0 times in the package"),
        ("class Thing:\n def act(self): self.run()", r"the call of move stands 0 times in Thing\.act"),
        ("class Thing:\n def act(self): self.move() or move()", r"the call of move stands 2 times in Thing\.act"),
        ("class Thing:\n def act(self): move()\nclass Thing:\n def act(self): move()", "Thing.act stands 2 times"),
    ],
)
def test_a_patch_that_no_longer_applies_is_said_so(tmp_path: Path, source: str, complaint: str) -> None:
    (tmp_path / "module.py").write_text(source)
    with pytest.raises(PatchError, match=complaint):
        apply(tmp_path, "Thing.act", (call("move", "None"),))
