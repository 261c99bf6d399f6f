"""Secrets and terminal codes stay out of everything that is written."""

from __future__ import annotations

import pytest

from poltergust.redact import MASK, Redactor, one_line, plain, secret_name


@pytest.mark.parametrize(
    "name", ["GH_TOKEN", "DB_PASSWORD", "AWS_SECRET_ACCESS_KEY", "my_api_key", "TOKEN", "API_KEY", "SECRET_KEY"]
)
def test_names_that_say_so_hold_secrets(name: str) -> None:
    assert secret_name(name)


@pytest.mark.parametrize("name", ["PATH", "TOKENIZERS_PARALLELISM", "DB_HOST", "SECRETARY"])
def test_others_do_not(name: str) -> None:
    assert not secret_name(name)


def test_a_secret_is_masked_wherever_it_occurs_the_longer_one_first() -> None:
    redact = Redactor([{"A_TOKEN": "abcdef", "B_TOKEN": "abcdefghi", "HOST": "visible-host"}, {"C_PASSWORD": "no"}])
    assert redact("x abcdefghi y abcdef z visible-host no") == f"x {MASK} y {MASK} z visible-host no"


def test_a_key_of_several_lines_is_masked_line_by_line() -> None:
    redact = Redactor([{"SSH_PRIVATE_KEY": "-----BEGIN-----\nfirstline\nsecondline"}])
    assert redact("it says secondline") == f"it says {MASK}"


def test_credentials_in_urls_are_masked_without_knowing_them() -> None:
    text = Redactor([])("git+https://user:pa55@host/x.git and https://token@host and https://host/a@b")
    assert text == f"git+https://{MASK}@host/x.git and https://{MASK}@host and https://host/a@b"


def test_terminal_codes_do_not_reach_a_terminal() -> None:
    assert plain("\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b]8;;u\x1b\\ a\x00b\ttab\r") == "red  a\\x00b\ttab\\r"
    assert plain("left\u202eright") == "left\\u202eright"


def test_one_line_is_one_line_of_bounded_length() -> None:
    assert one_line("a\nb\r\n  c") == "a b c"
    assert one_line("x" * 600, 10) == "x" * 9 + "…"
