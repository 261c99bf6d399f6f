"""Secrets and terminal codes stay out of everything that is written."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from poltergust.base.redaction import MASK, Redactor
from poltergust.base.secret_forms import SecretNames


@pytest.mark.parametrize(
    "name", ["GH_TOKEN", "DB_PASSWORD", "AWS_SECRET_ACCESS_KEY", "my_api_key", "TOKEN", "API_KEY", "SECRET_KEY"]
)
def test_names_that_say_so_hold_secrets(name: str) -> None:
    assert name in SecretNames()


@pytest.mark.parametrize("name", ["PATH", "TOKENIZERS_PARALLELISM", "DB_HOST", "SECRETARY"])
def test_others_do_not(name: str) -> None:
    assert name not in SecretNames()


def test_a_secret_is_masked_wherever_it_occurs_the_longer_one_first() -> None:
    redact = Redactor([{"A_TOKEN": "abcdef", "B_TOKEN": "abcdefghi", "HOST": "visible-host"}, {"C_PASSWORD": "no"}])
    assert redact("x abcdefghi y abcdef z visible-host no") == f"x {MASK} y {MASK} z visible-host no"


def test_values_that_are_known_to_be_secret_are_masked_when_shorter() -> None:
    redact = Redactor((), ["word", "word-and-more", "1"])
    assert redact("word-and-more word 1 https://user:pw@h/x git+https://t@h https://user:p@ss@h/a@b") == (
        f"{MASK} {MASK} 1 https://{MASK}@h/x git+https://{MASK}@h https://{MASK}@h/a@b"
    )


def test_a_key_of_several_lines_is_masked_line_by_line() -> None:
    redact = Redactor([{"SSH_PRIVATE_KEY": "-----BEGIN-----\nfirstline\nsecondline"}])
    assert redact("it says secondline") == f"it says {MASK}"


def test_credentials_in_urls_are_masked_without_knowing_them() -> None:
    text = Redactor([])("git+https://user:pa55@host/x.git and https://token@host and https://host/a@b")
    assert text == f"git+https://{MASK}@host/x.git and https://{MASK}@host and https://host/a@b"


def test_a_secret_is_masked_as_python_json_and_urls_show_it() -> None:
    value = 'it\'s "q"\\ é/+'
    redact = Redactor([{"DB_PASSWORD": value}])
    for shown in (value, repr(value), json.dumps(value), quote(value, safe=""), quote(value)):
        assert MASK in redact(f"before {shown} after")
        assert "é" not in redact(shown)
        assert "u00e9" not in redact(shown)
        assert "%C3" not in redact(shown)


def test_the_half_of_a_secret_that_a_cut_left_is_masked() -> None:
    redact = Redactor([{"A_TOKEN": "swordfish-and-more"}])
    assert redact("failed with swordfish-an… (and 2 more)") == f"failed with {MASK}… (and 2 more)"
    assert redact("failed with sword… and nothing") == "failed with sword… and nothing", "too short to tell"


def test_the_password_of_a_url_is_masked_apart_from_it_whatever_the_variable_is_called() -> None:
    redact = Redactor(
        [{"FEED": "https://deploy:hunter22@host/x", "GIT": "https://deploy@host", "HOOK": "ftp://a:b@c@d"}]
    )
    assert redact("deploy with hunter22 to host") == f"deploy with {MASK} to host"
    assert redact("https://user:p@ss@host") == f"https://{MASK}@host"
    assert Redactor([{"HOOK": "https://long-token-of-mine@host"}])("long-token-of-mine") == MASK


def test_a_long_line_without_spaces_is_no_burden() -> None:
    """Each letter of it could begin a URL's scheme: looking from each to the end would take minutes for this one."""
    line = "x" * 1_000_000
    assert Redactor(())(line) == line
    assert Redactor(())(f"{line}://user:pass@host") == f"{line}://[redacted]@host"
