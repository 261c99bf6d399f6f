"""Which line is what, and who can install it."""

from __future__ import annotations

import pytest

from poltergust.base.errors import NodeError, Permanent
from poltergust.base.reasons import Reason
from poltergust.environments import Dependency, lines


def read(text: str) -> lines.Line:
    [line] = lines.read([Dependency(text, 7)])
    return line


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("pandas", None),
        ("pandas[perf]>=2,<3 ; python_version < '3.13'", None),
        ("pandas==2.0 --hash=sha256:abc", None),
        ("git+https://example.com/x.git@main#egg=x", None),
        ("x @ git+ssh://git@example.com/x.git", None),
        ("-e ./x", None),
        ("./x[extra]", None),
        ("-r more.txt", None),
        ("--index-url https://${TOKEN}@example.com/simple", None),
        ("--pre", None),
        ("https://${TOKEN}@example.com/x-1-py3-none-any.whl", None),
        ("-e git+https://example.com/x.git#egg=x", "-e git+…"),
        ("hg+https://example.com/x", "hg+…"),
        ("x @ svn+https://example.com/x", "svn+…"),
        ("x --config-settings a=b", "--config-settings"),
        ("x --global-option=a", "--global-option"),
        ("x --no-deps", "--no-deps"),
        ("x -U", "--upgrade"),
        ("--prefer-binary", "--prefer-binary"),
        ("x==${VERSION}", "${…} outside a URL or path"),
    ],
)
def test_what_uv_cannot_take(text: str, why: str | None) -> None:
    assert read(text).for_pip == why


@pytest.mark.parametrize(
    ("text", "path", "direct"),
    [
        ("pandas", False, False),
        ("./x", True, True),
        ("../wheels/x-1.0-py3-none-any.whl", True, True),
        ("x-1.0.tar.gz", True, True),
        ("/opt/x", True, True),
        ("sub/folder[extra]", True, True),
        ("file:///opt/x", False, True),
        ("x @ https://example.com/x.zip", False, True),
        ("git+https://example.com/x", False, True),
    ],
)
def test_what_is_a_path(text: str, path: bool, direct: bool) -> None:
    assert (read(text).is_path, read(text).is_direct) == (path, direct)


def test_comments_continuations_and_several_lines() -> None:
    text = "pandas \\\n  >=2  # the new one\n\n# nothing\nx@https://example.com/#egg"
    assert [line.text for line in lines.read([Dependency(text, 3)])] == ["pandas    >=2", "x@https://example.com/#egg"]


def test_an_installer_gets_one_option_a_line_and_no_command_options() -> None:
    assert (
        read("-i https://a.example --find-links ./x").install_text == "--index-url https://a.example\n--find-links ./x"
    )
    assert read("x>1 --no-deps --hash=sha256:a").install_text == "x>1 --hash sha256:a"
    assert read("-e ./x").install_text == "-e ./x"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x --nodeps", "unknown option --nodeps"),
        ("--index-url", "--index-url needs a value"),
        ("x --index-url https://a.example", "--index-url stands on a line of its own"),
        ("x --hash 'a", "No closing quotation"),
    ],
)
def test_what_is_no_line_of_a_requirements_file(text: str, says: str) -> None:
    with pytest.raises(Permanent) as caught:
        read(text)
    assert caught.value.reason is Reason.DEPENDENCY_INVALID
    assert str(caught.value).startswith(f"dependencies, line 7: {says}")


@pytest.mark.parametrize("text", ["=> 3", "pandas=>2", "a b", "pandas[", "pandas; python_versio < '3'"])
def test_requirements_that_cannot_be_read_are_found_before_anything_runs(text: str) -> None:
    with pytest.raises(Permanent) as caught:
        lines.check([read(text)], {})
    assert caught.value.reason is Reason.DEPENDENCY_INVALID


def test_variables() -> None:
    lines.check(
        [read("git+https://${A}@example.com/x"), read("x==${B}"), read("x @ https://e.example/$C/x.whl")],
        {"A": "1", "B": "2"},
    )
    with pytest.raises(NodeError) as caught:
        lines.check([read("git+https://${A}@example.com/x")], {"A": ""})
    assert caught.value.reason is Reason.VARIABLE_MISSING
    assert "line 7" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pandas[perf]>=2", "pandas"),
        ("x @ https://e.example/x.whl", "x"),
        ("git+https://e.example/x", None),
        ("./x", None),
    ],
)
def test_the_name_a_line_says(text: str, name: str | None) -> None:
    assert lines.requirement_name(read(text)) == name


def test_no_password_in_a_message() -> None:
    with pytest.raises(Permanent) as caught:
        read("https://user:s3cret@example.com/x.whl --nodeps")
    assert "s3cret" not in str(caught.value)
