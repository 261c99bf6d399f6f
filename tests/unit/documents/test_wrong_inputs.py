"""Every wrong file says what is wrong with it, in these very words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from poltergust.base.errors import Permanent
from poltergust.base.reasons import Reason, ReasonKind
from poltergust.documents import DocumentError, parse_environment_file, parse_task_file
from tests.unit.documents.wrong_environment_files import ENVIRONMENT_FILES
from tests.unit.documents.wrong_task_files import TASK_FILES
from tests.unit.documents.wrong_yaml import YAML

Parser = Callable[[bytes, str], object]

ROWS: list[tuple[Parser, str | bytes, Reason, str]] = [
    *((parse_task_file, *row) for row in TASK_FILES),
    *((parse_environment_file, *row) for row in ENVIRONMENT_FILES),
    *((parse_task_file, *row) for row in YAML),
    *((parse_environment_file, *row) for row in YAML),
]


def error_of(parse: Parser, text: str | bytes, source: str = "f.yaml") -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        parse(text if isinstance(text, bytes) else text.encode(), source)
    return caught.value


@pytest.mark.parametrize(("parse", "text", "reason", "message"), ROWS)
def test_says(parse: Parser, text: str | bytes, reason: Reason, message: str) -> None:
    error = error_of(parse, text)
    assert error.text == message
    assert error.reason is reason


@pytest.mark.parametrize(("parse", "text", "reason", "message"), ROWS)
def test_is_one_line_for_good(parse: Parser, text: str | bytes, reason: Reason, message: str) -> None:
    error = error_of(parse, text)
    assert isinstance(error, Permanent)
    assert error.reason.kind is ReasonKind.INVALID
    assert str(error).isprintable()
    assert len(str(error)) < 260
    assert error.__cause__ is None  # a traceback must not bring back what the message keeps to itself


def test_no_row_twice() -> None:
    for table in (TASK_FILES, ENVIRONMENT_FILES, YAML):
        texts = [text for text, _, _ in table]
        assert len(texts) == len(set(texts))
    assert len(ROWS) > 140


def test_the_parts_of_an_error() -> None:
    error = error_of(
        parse_task_file, "environment: e\ntask:\n  name: A\n  module: m\nretries: -1\n", "gs://b/p.config.yaml"
    )
    assert (error.source, error.line, error.column, error.key) == ("gs://b/p.config.yaml", 5, 10, "retries")
    assert error.message == 'retries: "-1" is not a whole number from 0 to 1,000'
    assert str(error) == f"gs://b/p.config.yaml:5:10: {error.message}"


def test_an_odd_source_keeps_the_message_on_one_line() -> None:
    error = error_of(parse_task_file, "a: 1", "gs://b/a\nb\x1b[31m.config.yaml")
    assert str(error).startswith("gs://b/a\\nb\\x1b[31m.config.yaml:1:1: ")


def test_an_odd_key_keeps_the_message_on_one_line() -> None:
    error = error_of(parse_task_file, '"a\\nb\\e[31m": 1')
    assert 'unknown key "a\\nb\\x1b[31m"' in str(error)
    assert error.key.isprintable()


def test_a_byte_order_mark_takes_no_column() -> None:
    error = error_of(parse_task_file, b"\xef\xbb\xbf\x07")
    assert str(error).startswith("f.yaml:1:1: control character U+0007 in the file")


SECRET = "hunter2"


@pytest.mark.parametrize(
    "value",
    [
        f"*{SECRET}",
        f"!{SECRET} x",
        f"!{SECRET}!x",
        f"&{SECRET} &x y",
        f"@{SECRET}",
        f"%{SECRET}",
        f"'{SECRET}' {SECRET}",
        f"{SECRET}: {SECRET}",
        f"[{SECRET}",
        f"[{SECRET}]",
        f"{{{SECRET}: {SECRET}}}",
        f'"{SECRET}\\q"',
        f'"{SECRET}\\0"',
        f'"{SECRET}\\ud800"',
        f'"{SECRET}',
        f"|{SECRET}",
        f"{SECRET}\n {SECRET}: x",
        f"{SECRET}\n{SECRET}",
        SECRET + "x" * 140_000,
    ],
)
@pytest.mark.parametrize("parse", [parse_task_file, parse_environment_file])
def test_a_variables_value_is_never_shown(parse: Parser, value: str) -> None:
    head = "environment: e\ntask: {name: A, module: m}\n" if parse is parse_task_file else ""
    error = error_of(parse, f"{head}variables:\n  PASSWORD: {value}\n")
    assert SECRET not in str(error)
    assert SECRET not in error.key


@pytest.mark.parametrize(
    "entry",
    [
        f"git+https://{SECRET}@h/x: y",
        f"'pkg @ https://u:{SECRET}@h/x': y",
        f"[{SECRET}]",
        f"'{SECRET}\\'",
        f"'<{SECRET}'",
    ],
)
def test_a_token_in_a_dependency_is_never_shown(entry: str) -> None:
    assert SECRET not in str(error_of(parse_environment_file, f"dependencies:\n- {entry}\n"))


def all_of(parse: Parser, text: str) -> list[str]:
    return list(error_of(parse, text).lines)


def test_every_mistake_of_a_task_file_in_one_answer() -> None:
    text = """\
enviroment: e.yaml
task:
  nam: A
  module: pipeline.py
  local-scheduler: true
  a b: 1
  some-x: 1
  some_x: 2
variables:
  A: [1]
  B:
  A: again
timeout: 90min
retries: many
nodes: ['a b', gpu, 'c d']
luigi-config: {core: {scheduler-url: h}, x: y}
"""
    assert all_of(parse_task_file, text) == [
        'f.yaml:12:3: variables: "A" stands twice, first on line 10; keep one',
        'f.yaml:1:1: unknown key "enviroment"; did you mean "environment"?',
        'f.yaml:2:1: "task.name" is missing: Luigi\'s root task, with its namespace if it has one; did you mean "name" '
        'by "nam" on line 3?',
        'f.yaml:4:11: task.module: "pipeline.py" is not a module\'s name; write it as after "import", package.module, '
        "without .py",
        'f.yaml:5:3: task: "local-scheduler" is refused: all nodes share one scheduler, named to poltergust listen; '
        "remove the line",
        'f.yaml:6:3: task: "a b" is not an argument\'s name; letters, digits, dashes, underscores and dots, beginning '
        "with a letter",
        'f.yaml:8:3: task: "some_x" is "some-x" of line 7 again (underscores and dashes are the same); keep one',
        "f.yaml:10:6: variables.A: a variable holds text; this is a list, put quotes around it",
        'f.yaml:11:5: variables.B: no value; write "" for an empty text, or "null" in quotes, or leave the line out',
        'f.yaml:13:10: timeout: "90min" is not a duration; write 45s, 90m, 1h30m, 2d or a number of seconds',
        'f.yaml:14:10: retries: "many" is not a whole number from 0 to 1,000',
        *(
            f'f.yaml:15:{column}: nodes: "{label}" is not a label; letters, digits, dots, dashes, underscores, slashes '
            "and equal signs, beginning with a letter or digit, at most 100 of them"
            for column, label in ((9, "a b"), (21, "c d"))
        ),
        'f.yaml:16:23: luigi-config.core: "scheduler-url" is refused: all nodes share one scheduler, named to '
        "poltergust listen --scheduler-url; remove the line",
        'f.yaml:16:45: luigi-config.x: a mapping belongs here, indented lines of "key: value"; this is text',
    ]


def test_every_mistake_of_an_environment_file_in_one_answer() -> None:
    text = """\
packages: []
virtualenv: {pyton: 3.8, clear: true, no-seed: 1}
dependencies: ['', {a: b}, pandas, "x\\0"]
installer: conda
preload: [a.py, [b]]
code: [a.whl, gs://b]
"""
    assert [message.partition(": ")[0] for message in all_of(parse_environment_file, text)] == [
        "f.yaml:3:36",
        "f.yaml:1:1",
        "f.yaml:2:14",
        "f.yaml:2:26",
        "f.yaml:2:48",
        "f.yaml:3:16",
        "f.yaml:3:20",
        "f.yaml:4:12",
        "f.yaml:5:11",
        "f.yaml:5:17",
        "f.yaml:6:8",
        "f.yaml:6:15",
    ]


def test_the_reason_of_a_run_is_one_line() -> None:
    error = error_of(parse_task_file, "foo: 1\n" + "task: {name: A, module: m}\nbar: 2\n")
    assert str(error).startswith('f.yaml:1:1: unknown key "foo"; a task file has ')
    assert str(error).endswith(" (and 2 more)")
    assert [each.key for each in error.all] == ["foo", "bar", "environment"]


def test_a_second_document_hides_no_mistake_of_the_first() -> None:
    error = error_of(parse_task_file, "environment: e\ntask: {name: A, module: m.py}\nretires: 1\n---\nx: ]\n")
    assert error.reason is Reason.MULTIPLE_DOCUMENTS
    assert [each.line for each in error.all] == [4, 3, 2]
    for text in ("---\n---\na: 1\n", "text\n---\na: 1\n"):
        assert [each.reason for each in error_of(parse_task_file, text).all] == [Reason.MULTIPLE_DOCUMENTS]


def test_thousands_of_mistakes_have_an_end() -> None:
    text = "environment: e\ntask: {name: A, module: m}\n" + "".join(f"k{number}: 1\n" for number in range(5000))
    assert len(error_of(parse_task_file, text).all) == 100
