"""Call the command line in this process, as the console script does."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from poltergust.cli import main


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> Said:
    """`poltergust ARGUMENTS`."""
    code: object = 0
    try:
        main(list(arguments))
    except SystemExit as ended:
        code = ended.code or 0
    assert isinstance(code, int)
    captured = capsys.readouterr()
    return Said(code, captured.out, captured.err)
