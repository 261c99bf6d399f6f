"""What a machine lacks skips a test here, and fails it under CI: nothing goes untested in silence."""

from __future__ import annotations

import pytest

from tests import needs


def test_a_missing_program_skips_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="not on this machine; install it: apt-get install no-such-program"):
        needs.program("no-such-program", "apt-get install no-such-program")


def test_under_ci_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="install it: apt-get install no-such-program"):
        needs.program("no-such-program", "apt-get install no-such-program")
