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
    assert str(error) == message
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
