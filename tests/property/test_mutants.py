"""The suite notices what it is there to notice: a few mutants each time, all of them with POLTERGUST_LONG=1."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.mutants import CHOSEN, MUTANTS, Mutant, Unfit, killer, run, wound


@pytest.mark.parametrize("mutant", MUTANTS if os.environ.get("POLTERGUST_LONG") else CHOSEN, ids=lambda m: m.name)
def test_the_suite_kills(mutant: Mutant) -> None:
    passed, output = run(mutant.tests, mutant)
    assert not passed, "it survived"
    assert killer(output) != "?", output


def test_every_patch_applies(tmp_path: Path) -> None:
    for mutant in MUTANTS:
        file = tmp_path / mutant.file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((Path(__file__).parents[2] / "poltergust" / mutant.file).read_text())
        wound(tmp_path, mutant)


def test_a_patch_that_no_longer_applies_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("twice\ntwice\n")
    for old in ("twice", "never"):
        with pytest.raises(Unfit, match="mend the patch"):
            wound(tmp_path, Mutant("it", "module.py", old, ""))
