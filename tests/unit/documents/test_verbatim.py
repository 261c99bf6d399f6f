"""What is written arrives: scalars character by character, lists and mappings as the JSON they look like."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poltergust.documents import Argument, DocumentError, parse_environment_file, parse_task_file

HEAD = "environment: e.yaml\ntask:\n  name: A\n  module: m\n"


def argument(written: str) -> Argument:
    (only,) = parse_task_file(f"{HEAD}  arg: {written}\n".encode(), "t").arguments
    return only


PLAIN = [
    "1.10", "007", "0x1F", "1e3", "1_000", "+5", "3.", "2024-01-01", "2024-01-01T10:00:00Z", "10:30:00",
    "true", "True", "TRUE", "false", "yes", "No", "on", "off", ".inf", "-.NaN",
    "nulls", "a#b", "a:b", "=", "-x", "--flag", "<<", "${HOME}", "$(x)", "a\\b",
    "a b", "a  b",
]  # fmt: skip


@pytest.mark.parametrize("written", PLAIN)
def test_a_plain_scalar_is_its_text(written: str) -> None:
    assert argument(written) == Argument("arg", written)


@pytest.mark.parametrize("written", PLAIN)
def test_a_plain_variable_is_its_text(written: str) -> None:
    assert parse_task_file(f"{HEAD}variables:\n  A: {written}\n".encode(), "t").variables == {"A": written}
    assert parse_environment_file(f"variables:\n  A: {written}\n".encode(), "e").variables == {"A": written}


@pytest.mark.parametrize("written", ["", "~", "null", "Null", "NULL", "# nothing"])
def test_a_plain_null_is_none(written: str) -> None:
    assert argument(written) == Argument("arg", None)


@pytest.mark.parametrize(
    ("written", "text"),
    [('"null"', "null"), ("'~'", "~"), ('""', ""), ("''", ""), ("'it''s'", "it's"), ('"\\u00e9\\n\\t"', "é\n\t"),
     ('"\\ud83d\\ude00"', "😀"), ("|\n    a\n     b\n", "a\n b\n"), (">-\n    a\n    b", "a b"), ('"\\x07"', "\x07")],
)  # fmt: skip
def test_quoted_and_block_scalars(written: str, text: str) -> None:
    assert argument(written) == Argument("arg", text)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("[]", "[]"),
        ("{}", "{}"),
        ("[1, 1.50, -0, 1e5, 12345678901234567890.10]", "[1, 1.50, -0, 1e5, 12345678901234567890.10]"),
        ("[007, 0x1F, +1, 1., .5, .inf, 1_000, 2024-01-01, 10:30]",
         '["007", "0x1F", "+1", "1.", ".5", ".inf", "1_000", "2024-01-01", "10:30"]'),
        ("[true, True, false, FALSE, null, ~, yes, 'true', \"null\", '1']",
         '[true, true, false, false, null, null, "yes", "true", "null", "1"]'),
        ("{b: 1, a: {1: x, true: y, ~: z}}", '{"b": 1, "a": {"1": "x", "true": "y", "~": "z"}}'),
        ("\n    - a\n    -\n    - k: [é, '\"']", '["a", null, {"k": ["é", "\\""]}]'),
    ],
)  # fmt: skip
def test_lists_and_mappings_are_json(written: str, text: str) -> None:
    assert argument(written) == Argument("arg", text, json=True)
    json.loads(text)


NOT_NUL = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXT = st.text(NOT_NUL, max_size=60)


def quoted(text: str) -> str:
    """A double-quoted YAML scalar in ASCII, escaped without any help of PyYAML or JSON."""
    return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\U{ord(c):08x}" for c in text) + '"'


@settings(deadline=None)
@given(TEXT)
def test_any_text_in_double_quotes(text: str) -> None:
    assert argument(quoted(text)) == Argument("arg", text)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=60))
def test_any_visible_text_in_single_quotes(text: str) -> None:
    written = text.replace("'", "''")
    assert parse_environment_file(f"variables:\n  A: '{written}'\n".encode(), "e").variables == {"A": text}


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.lists(JSON, max_size=5) | st.dictionaries(TEXT, JSON, max_size=5), st.booleans())
def test_any_json_value(value: Any, ascii_only: bool) -> None:
    written = json.dumps(value, ensure_ascii=ascii_only)
    written = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in written)
    try:
        parsed = argument(written)
    except DocumentError as error:  # YAML wants what JSON lets pass: characters it calls non-printable are escaped
        assert "control character" in str(error) and not ascii_only  # noqa: PT017, PT018
        return
    assert parsed.json
    assert json.loads(parsed.text or "") == value


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}'\"&*!|>%@#?,~<\n\t \\ux0", max_size=80).map(str.encode))
def test_whatever_is_in_it_a_file_parses_or_says_why(data: bytes) -> None:
    for parse in (parse_task_file, parse_environment_file):
        for head in (b"", b"variables:\n  A: ", b"environment: e\ntask:\n  name: A\n  module: m\n  x: "):
            try:
                parse(head + data, "f.yaml")
            except DocumentError as error:
                assert str(error).isprintable()  # noqa: PT017
