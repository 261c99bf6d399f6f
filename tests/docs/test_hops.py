"""The page on how it works names the function behind each step: every `file.py: function` on it is one of the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w/]+\.py): ([\w.]+)`", PAGE)))
_HOPS = re.findall(r"^\| (\d+) \|.*`[\w/]+\.py: [\w.]+`", PAGE, re.MULTILINE)


def test_the_way_has_ten_hops_each_with_its_function() -> None:
    numbers = [int(number) for number in _HOPS]
    assert numbers == list(range(1, 11))


@pytest.mark.parametrize(("file", "function"), NAMED, ids=[f"{file}: {function}" for file, function in NAMED])
def test_each_function_that_is_named_stands_in_that_file(file: str, function: str) -> None:
    body: list[ast.stmt] = ast.parse((ROOT / "poltergust" / file).read_text(encoding="utf-8")).body
    for name in function.split("."):
        found = [
            node
            for node in body
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)) and node.name == name
        ]
        assert found, f"docs/how-it-works.md: poltergust/{file} has no {function}; name the function that does it now"
        body = found[0].body
