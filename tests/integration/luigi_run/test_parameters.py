"""Text of a task file in, value in the task out: every kind of Luigi parameter."""

from __future__ import annotations

import ast

import pytest

from poltergust.base.reasons import Reason
from poltergust.luigi_run import Argument
from tests.integration.luigi_run.conftest import Node

ROWS: list[tuple[str, str | None, bool, str]] = [
    # parameter, text, whether it is JSON, repr of the value in the task
    ("plain", "1.10", False, "'1.10'"),
    ("plain", "007", False, "'007'"),
    ("plain", "2024-01-01", False, "'2024-01-01'"),
    ("plain", "true", False, "'true'"),
    ("plain", "--not-an-option", False, "'--not-an-option'"),
    ("plain", "-1", False, "'-1'"),
    ("plain", "", False, "''"),
    ("plain", " spaces kept ", False, "' spaces kept '"),
    ("plain", "a=b%(c)s ${HOME} $(x) `y`", False, "'a=b%(c)s ${HOME} $(x) `y`'"),
    ("plain", "täsk ✓ 漢", False, repr("täsk ✓ 漢")),
    ("plain", "two\nlines", False, repr("two\nlines")),
    ("plain", '["a", 1]', True, repr('["a", 1]')),
    ("plain", None, False, "'default'"),
    ("whole", "42", False, "42"),
    ("whole", "007", False, "7"),
    ("whole", "-5", False, "-5"),
    ("real", "1.10", False, "1.1"),
    ("real", "1e-3", False, "0.001"),
    ("implicit", "true", False, "True"),
    ("implicit", "false", False, "False"),
    ("implicit-on", "false", False, "False"),
    ("implicit_on", None, False, "True"),
    ("explicit", "true", False, "True"),
    ("explicit", "false", False, "False"),
    ("explicit-on", "False", False, "False"),
    ("day", "2024-02-29", False, "'2024-02-29'"),
    ("month", "2024-02", False, "'2024-02-01'"),
    ("year", "2024", False, "'2024-01-01'"),
    ("hour", "2024-02-29T13", False, "'2024-02-29 13:00:00'"),
    ("minute", "2024-02-29T1305", False, "'2024-02-29 13:05:00'"),
    ("second", "2024-02-29T130559", False, "'2024-02-29 13:05:59'"),
    ("interval", "2024-W05", False, "'2024-W05'"),
    ("duration", "2 hours 5 minutes", False, "'2:05:00'"),
    ("duration", "P1DT2H", False, "'1 day, 2:00:00'"),
    ("enum", "RED", False, "'Colour.RED'"),
    ("enums", "RED,BLUE", False, "['Colour.RED', 'Colour.BLUE']"),
    ("enums", '["RED", "BLUE"]', True, "['Colour.RED', 'Colour.BLUE']"),
    ("enums", "[]", True, "[]"),
    ("versions", '["1.10", 1.10, 1.1]', True, "['1.10', '1.10', '1.1']"),
    ("versions", '[1e3, true, "007"]', True, "['1e3', 'true', '007']"),
    ("versions", "[]", True, "[]"),
    ("Palette-colours", '["BLUE"]', True, "['Colour.BLUE']"),
    ("Palette-colours", "[]", True, "[]"),
    ("things", '[1, "two", [3]]', True, "[1, 'two', [3]]"),
    ("things", "[]", True, "[]"),
    ("mapping", '{"a": {"b": [1, null]}}', True, "{'a': {'b': [1, None]}}"),
    ("pair", "[[1, 2], [3, 4]]", True, "[[1, 2], [3, 4]]"),
    ("bounded", "7", False, "7"),
    ("choice", "two", False, "'two'"),
    ("optional", "x", False, "'x'"),
    ("optional", "", False, "None"),
    ("task", "Tree", False, "'Tree'"),
    ("under_score", "1", False, "1"),
    ("under-score", "1", False, "1"),
    ("Kinds-plain", "by its own name", False, "'by its own name'"),
    ("Kinds_whole", "8", False, "8"),
    ("Kinds-implicit-on", "false", False, "False"),
    ("Kinds-plain", "", False, "''"),
    ("Kinds-things", "[1]", True, "[1]"),
    ("Settings-word", "--a b", False, "'--a b'"),
    ("Settings-word", "", False, "''"),
    ("Settings-flag", "true", False, "True"),
    ("Settings_flag", "false", False, "False"),
    ("Settings-word", "50%", False, "'50%'"),
]


def batches() -> list[list[int]]:
    """Numbers of rows that go into one run: each parameter once in a run, as starting one costs most of the time."""
    runs: list[list[int]] = []
    for number, row in enumerate(ROWS):
        for run in runs:
            if field(row[0]) not in [field(ROWS[other][0]) for other in run]:
                run.append(number)
                break
        else:
            runs.append([number])
    return runs


def field(name: str) -> str:
    key = name.replace("-", "_")
    return key if key.startswith(("Settings_", "Palette_")) else key.removeprefix("Kinds_")


@pytest.mark.parametrize("run", batches(), ids=lambda run: "rows-" + "-".join(map(str, run)))
def test_values_in_the_task(node: Node, run: list[int]) -> None:
    arguments = tuple(Argument(*ROWS[number][:3]) for number in run)
    started = node.start("Kinds", module="kinds", arguments=arguments)
    report = started.report()
    assert report.reason is Reason.COMPLETE, report.detail
    values = ast.literal_eval((node.shared / "values").read_text())
    assert {ROWS[number][:2]: repr(values[field(ROWS[number][0])]) for number in run} == {
        ROWS[number][:2]: ROWS[number][3] for number in run
    }


def test_values_of_a_configuration_stay_in_force(node: Node) -> None:
    files = {"run.cfg": "[Kinds]\nplain = from cfg\nwhole = 5\n[Settings]\nword = cfg\nflag = true\n"}
    node.report("Kinds", module="kinds", arguments={"whole": "6"}, files=files, env={"LUIGI_CONFIG_PATH": "run.cfg"})
    values = ast.literal_eval((node.shared / "values").read_text())
    assert (values["plain"], values["whole"]) == ("from cfg", 6)
    assert (values["Settings_word"], values["Settings_flag"]) == ("cfg", True)


def test_a_configuration_named_by_a_variable(node: Node) -> None:
    path = node.shared / "my.cfg"
    path.write_text("[Kinds]\nplain = from the variable\n")
    node.report("Kinds", module="kinds", env={"LUIGI_CONFIG_PATH": str(path)})
    assert ast.literal_eval((node.shared / "values").read_text())["plain"] == "from the variable"
