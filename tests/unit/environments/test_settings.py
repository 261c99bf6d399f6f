"""pip's configuration read as pip reads it, and said in uv's words."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from poltergust.base.errors import NodeError
from poltergust.environments import Dependency, lines, pip_settings, uv_settings

SECRET = "s3cret-word"


def test_files_sections_and_variables_in_pips_order(tmp_path: Path) -> None:
    home, etc = tmp_path / "home", tmp_path / "etc"
    for folder in (home / ".config" / "pip", etc / "pip"):
        folder.mkdir(parents=True)
    (etc / "pip" / "pip.conf").write_text("[global]\nindex-url = https://system\ncert = /a\n", encoding="utf-8")
    user = "[global]\nindex_url = https://user\ntimeout = 9\n[install]\ntimeout = 8\n[list]\nformat = columns\n"
    (home / ".config" / "pip" / "pip.conf").write_text(user, encoding="utf-8")
    env = {"HOME": str(home), "XDG_CONFIG_DIRS": str(etc), "PIP_CERT": "/b", "PIP_EXTRA_INDEX_URL": "", "pip_x": "1"}
    read = pip_settings.read(env)
    assert {key: read[key] for key in ("index-url", "timeout", "cert")} == {
        "index-url": "https://user",
        "timeout": "8",
        "cert": "/b",
    }
    assert "format" not in read
    assert "extra-index-url" not in read


def test_a_named_file_replaces_the_users_and_devnull_all(tmp_path: Path) -> None:
    (tmp_path / ".pip").mkdir()
    (tmp_path / ".pip" / "pip.conf").write_text("[global]\nretries = 1\n", encoding="utf-8")
    (tmp_path / "own.conf").write_text("[global]\nproxy = p\n", encoding="utf-8")
    env = {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path)}
    assert pip_settings.read(env)["retries"] == "1"
    named = pip_settings.read(env | {"PIP_CONFIG_FILE": str(tmp_path / "own.conf")})
    assert (named["proxy"], named.get("retries")) == ("p", None)
    assert pip_settings.read(env | {"PIP_CONFIG_FILE": os.devnull}) == {}


def test_a_file_that_pip_could_not_read_either_is_named(tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text("index-url = x\n", encoding="utf-8")
    with pytest.raises(NodeError, match=r"own\.conf cannot be read"):
        pip_settings.read({"PIP_CONFIG_FILE": str(tmp_path / "own.conf")})


def translate(settings: Mapping[str, str], *texts: str, env: Mapping[str, str] | None = None) -> uv_settings.UvSettings:
    return uv_settings.translate(settings, lines.read([Dependency(text) for text in texts]), env or {})


@pytest.mark.parametrize(
    ("settings", "arguments", "env"),
    [
        ({"index-url": "https://a"}, [], {"UV_DEFAULT_INDEX": "https://a"}),
        (
            {"extra-index-url": "https://a\nhttps://b"},
            [],
            {"UV_EXTRA_INDEX_URL": "https://a https://b", "UV_INDEX_STRATEGY": "unsafe-best-match"},
        ),
        ({"find-links": "/a https://b"}, ["--find-links=/a", "--find-links=https://b"], {}),
        ({"find-links": "https://u:p@b"}, [], {"UV_FIND_LINKS": "https://u:p@b"}),
        ({"find-links": "https://b/x?sig=key"}, [], {"UV_FIND_LINKS": "https://b/x?sig=key"}),
        ({"no-index": "true"}, ["--no-index"], {}),
        ({"no-index": "0"}, [], {}),
        ({"trusted-host": "a b:8"}, ["--allow-insecure-host=a", "--allow-insecure-host=b:8"], {}),
        ({"cert": "/c.pem", "client-cert": "/d"}, [], {"SSL_CERT_FILE": "/c.pem", "SSL_CLIENT_CERT": "/d"}),
        ({"constraint": "/a https://u:p@b"}, [], {"UV_CONSTRAINT": "/a https://u:p@b"}),
        ({"build-constraint": "/a"}, [], {"UV_BUILD_CONSTRAINT": "/a"}),
        ({"proxy": "p:1"}, [], {"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://p:1", "ALL_PROXY": "http://p:1"}),
        ({"keyring-provider": "subprocess"}, ["--keyring-provider=subprocess"], {}),
        ({"default-timeout": "180", "retries": "2"}, [], {"UV_HTTP_TIMEOUT": "180", "UV_HTTP_RETRIES": "2"}),
        ({"quiet": "1", "no-cache-dir": "0", "break-system-packages": "1"}, [], {}),
    ],
)
def test_each_setting_in_uvs_words(settings: Mapping[str, str], arguments: list[str], env: dict[str, str]) -> None:
    result = translate(settings)
    assert (result.arguments, result.env, result.unmapped) == (arguments, env, [])


@pytest.mark.parametrize(
    "name",
    """
    prefer-binary config-settings requirement platform never-heard-of pre require-hashes no-deps only-binary
    no-binary no-build-isolation keyring-provider uploaded-prior-to timeout
    """.split(),  # noqa: SIM905
)
def test_any_other_setting_is_a_reason_for_pip(name: str) -> None:
    assert translate({name: "x"}).unmapped == [f"pip's setting {name}"]


def test_a_lines_own_index_replaces_the_configured_ones() -> None:
    configured = {"index-url": "https://a", "extra-index-url": "https://b"}
    assert translate(configured, "--index-url https://c").env == {}
    assert translate({}, "--extra-index-url https://c").env == {"UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_what_the_node_set_for_uv_itself_wins() -> None:
    configured = {"index-url": "https://a", "extra-index-url": "https://b"}
    own = {"UV_DEFAULT_INDEX": "https://own", "UV_INDEX": "https://own2", "UV_INDEX_STRATEGY": "first-index"}
    assert translate(configured, env=own).env == {}


def test_passwords_are_no_arguments_and_known_as_secrets_and_not_in_the_fingerprint() -> None:
    one = translate({"index-url": f"https://user:{SECRET}@a/simple", "find-links": f"https://user:{SECRET}@b"})
    other = translate({"index-url": "https://user:another@a/simple", "find-links": "https://user:another@b"})
    assert SECRET not in " ".join(one.arguments)
    assert SECRET in one.secrets
    assert one.fingerprint == other.fingerprint
    assert one.fingerprint != translate({"index-url": "https://elsewhere/simple"}).fingerprint
