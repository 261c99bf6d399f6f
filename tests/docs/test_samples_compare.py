"""The comparison itself: what is volatile is, and nothing else."""

from __future__ import annotations

import pytest

from tests.docs.samples import same


@pytest.mark.parametrize(
    ("documented", "printed", "equal"),
    [
        ("done   hello  40s    6s", "done  hello  2m  17s\n", True),
        ("done   hello  40s    6s", "error  hello  2m  17s\n", False),
        ("first\n…\nlast", "first\nlast\n", True),
        ("first\n…\nlast", "first\na\nb\nlast\n", True),
        ("first\n…\nlast", "first\na\nb\n", False),
        ("first\n…", "first\na\nb\n", True),
        ("fails: …", "fails: because\n", True),
        ("fails: …", "fails: because\nand more\n", False),
        ("", "anything\n", False),
        ("(dots. and *stars)", "(dots. and *stars)", True),
        ("/home/anna/p on node-1", "/tmp/x/p on vm", True),
    ],
)
def test_same(documented: str, printed: str, *, equal: bool) -> None:
    lines = tuple(documented.splitlines())
    assert same(lines, printed, {"/tmp/x": "/home/anna", "vm": "node-1"}) is equal
