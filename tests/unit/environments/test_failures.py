"""What installers said, and what is made of it. The texts are theirs (uv 0.13, pip 26), shortened."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from poltergust.base.errors import NodeError
from poltergust.base.reasons import Reason
from poltergust.environments import Dependency, failures, lines
from poltergust.environments.commands import CommandResult
from poltergust.environments.installer_output import MAX_CHARACTERS, InstallerOutput
from poltergust.processes import Exit

NO_SOLUTION = "error: No solution found when resolving dependencies\n  cause: Because "
CASES = [
    (
        Reason.PACKAGE_NOT_FOUND,
        NO_SOLUTION + "pandsa was not found in the package registry and you require pandsa, we …",
    ),
    (Reason.PACKAGE_NOT_FOUND, NO_SOLUTION + "there is no version of pandas==99 and you require pandas==99, we can …"),
    (Reason.PACKAGE_NOT_FOUND, NO_SOLUTION + "zz was not found in the package registry and a==1 depends on zz, we …"),
    (
        Reason.PACKAGE_NOT_FOUND,
        "ERROR: Could not find a version that satisfies the requirement zz (from versions: none)\n"
        "ERROR: No matching distribution found for zz",
    ),
    (Reason.RESOLUTION_IMPOSSIBLE, NO_SOLUTION + "you require pandas<1 and pandas>2, we can conclude …"),
    (
        Reason.RESOLUTION_IMPOSSIBLE,
        NO_SOLUTION + "only the following versions of pandas are available:\n    pandas<=1.0\n"
        "  and you require pandas<1.1, we can conclude that you require pandas<=1.0.\n"
        "  And because you require pandas>1.0, we …",
    ),
    (
        Reason.RESOLUTION_IMPOSSIBLE,
        "ERROR: Cannot install a==1 and pandas>1 because these package versions have conflicting "
        "dependencies.\nERROR: ResolutionImpossible: for help visit …",
    ),
    (
        Reason.DEPENDENCY_INVALID,
        "error: Couldn't parse requirement in `/c/work/k/wanted.txt` at position 0\n  cause: after …",
    ),
    (Reason.DEPENDENCY_INVALID, "ERROR: Invalid requirement: 'pandas=>1': Expected end or semicolon"),
    (
        Reason.REGISTRY_UNREACHABLE,
        "error: Failed to fetch: http://r/simple/six/\n  cause: error sending request for url\n"
        "  cause: client error (Connect)\n  cause: tcp connect error",
    ),
    (
        Reason.REGISTRY_UNREACHABLE,
        "error: Failed to fetch\n  cause: HTTP status server error (503 Service Unavailable) for url",
    ),
    (
        Reason.REGISTRY_UNREACHABLE,
        "ERROR: No matching distribution found for a\nCould not fetch URL http://r/: "
        "503 Server Error: x for url: http://r/ - skipping",
    ),
    (
        Reason.REGISTRY_UNREACHABLE,
        "error: Git operation failed\n  fatal: unable to access 'https://h/x.git/': Failed to "
        "connect to h port 443: Couldn't connect to server",
    ),
    (Reason.REGISTRY_UNREACHABLE, "error: Git operation failed\n  ssh: connect to host h port 22: Connection refused"),
    (Reason.INSTALL_FAILED, "error: Failed to fetch\n  cause: HTTP status client error (401 Unauthorized) for url"),
    (
        Reason.INSTALL_FAILED,
        "error: Failed to build `zlib-thing==1.0`\n  cause: The build backend returned an error\n"
        "  cause: Call to `setuptools.build_meta.build_wheel` failed (exit status: 1)\n"
        "         [stderr]\n         error: command 'gcc' failed: No such file",
    ),
    (Reason.INSTALL_FAILED, "something nobody has seen before"),
    (
        Reason.DISK_FULL,
        "error: Failed to install: numpy\n  cause: failed to write: No space left on device (os error 28)",
    ),
]


@pytest.mark.parametrize(("reason", "text"), CASES)
def test_the_reason(reason: Reason, text: str) -> None:
    ended = CommandResult(Exit(1), tuple(text.splitlines()))
    error = failures.of_install(ended, lines.read([Dependency("pandas<1", 5)]), "environment e.yaml")
    assert error.reason is reason
    assert str(error).startswith("environment e.yaml: ")
    assert "\n" not in str(error)
    assert "wanted.txt" not in str(error)


def test_killed_for_memory() -> None:
    error = failures.of_install(CommandResult(Exit(None, 9, out_of_memory=True), ()), (), "environment e.yaml")
    assert error.reason is Reason.OUT_OF_MEMORY


def test_the_line_is_named() -> None:
    read = lines.read([Dependency("six", 5), Dependency("Pandas[x]==99", 6)])
    text = NO_SOLUTION + "there is no version of pandas[x]==99 and you require pandas[x]==99, we …"
    error = failures.of_install(CommandResult(Exit(1), tuple(text.splitlines())), read, "environment e.yaml")
    assert "line 6 (Pandas[x]==99): " in str(error)


def test_last_words_are_short_and_end_with_the_cause() -> None:
    words = InstallerOutput(["noise"] * 50 + ["error: " + "x" * 1000, "  cause: no such host", "  ^^^^"]).summary
    assert words.startswith("xxx")
    assert words.endswith("xxx: no such host")
    assert len(words) == MAX_CHARACTERS


def test_an_option_that_newer_pips_do_not_take() -> None:
    said = ("Usage: pip [options]", "ERROR: Invalid requirement: x", "pip: error: no such option: --global-option")
    error = failures.of_install(CommandResult(Exit(1), said), (), "environment e.yaml")
    assert error.reason is Reason.DEPENDENCY_INVALID
    assert "no longer takes --global-option: write --config-settings=--global-option=…" in str(error)


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.ENOSPC, Reason.DISK_FULL), (errno.EACCES, Reason.INSTALL_FAILED)]
)
def test_what_the_operating_system_refuses(number: int, reason: Reason) -> None:
    with pytest.raises(NodeError) as caught, failures.os_errors(Path("/cache")):
        raise OSError(number, "no", "/cache/x")
    assert (caught.value.reason, str(caught.value)) == (reason, "environment cache: /cache/x: no")
