"""The pages for those who read the code name files and functions that are there: the ten hops, the table of rooms."""

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


def test_every_check_of_doctor_stands_in_the_table_of_its_names() -> None:
    places = [*(ROOT / "poltergust/doctor").glob("*.py"), *(ROOT / "poltergust").glob("s*/*/examine.py")]
    calls = [each for place in places for each in ast.walk(ast.parse(place.read_text())) if isinstance(each, ast.Call)]
    verdicts = ("ok", "skip", "warn", "fail", "_failed")
    names = {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in verdicts and isinstance(call.args[0], ast.Constant)
    }
    table = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8").partition("| name | what is checked |")[2]
    rows = table.partition("\n\n")[0].strip().splitlines()[1:]
    assert {name for row in rows for name in re.findall(r"`([a-z-]+)`", row.split("|")[1])} == names


def test_the_table_of_rooms_has_every_room_and_names_files_that_are_there() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)/` \|.*\| (`.*`) \|$", contributing, re.MULTILINE))
    package = ROOT / "poltergust"
    assert set(rows) == {folder.name for folder in package.iterdir() if (folder / "__init__.py").exists()}
    for room, files in rows.items():
        for file in re.findall(r"`([^`]+)`", files):
            assert (package / room / file).exists(), f"CONTRIBUTING.md: {room}/ has no {file}"
