"""Leases, markers, eviction order, git credentials, virtualenv options, locks: each by itself."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from poltergust.environments import (
    Cancelled,
    Dependency,
    eviction,
    git_credentials,
    leases,
    lines,
    marker,
    resolve,
    virtualenv_options,
)
from poltergust.environments.commands import build_environment
from poltergust.environments.eviction import Cached, Limits
from poltergust.environments.leases import Lease
from poltergust.environments.marker import Marker
from poltergust.environments.origins import Placed

MARKER = Marker("k", "u", "/p", "3.8.1", "l", "uv", {"a": "1"}, 1.0, 2.0, 10)


def test_leases(tmp_path: Path) -> None:
    path = tmp_path / "leases" / "x"
    one, two, three = Lease(path), Lease(path), Lease(path)
    assert one.try_shared()
    assert two.try_shared()
    assert not three.try_exclusive()
    assert leases.holders(path) == (os.getpid(),)
    one.release()
    two.release()
    assert three.try_exclusive()
    assert not one.try_shared()
    three.remove()
    assert one.try_exclusive(), "a removed lease guards nothing any more"
    with pytest.raises(Cancelled):
        two.exclusive(lambda: True)
    three.release()
    one.release()
    assert leases.holders(path) == ()


def test_markers(tmp_path: Path) -> None:
    assert marker.read(tmp_path) is None
    marker.write(tmp_path, MARKER)
    assert marker.read(tmp_path) == MARKER
    for damaged in ("", "{", "[]", '{"format": 1}', '{"format": 99}', "\x00"):
        (tmp_path / marker.NAME).write_text(damaged, encoding="utf-8")
        assert marker.read(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == [marker.NAME]


def cached(key: str, last_used: float, *, finished: bool = True) -> Cached:
    return Cached(key, Path(key), MARKER if finished else None, last_used, ())


@pytest.mark.parametrize(
    ("limits", "goes"),
    [
        (Limits(None, None, None), ["half"]),
        (Limits(2, None, None), ["old", "half"]),
        (Limits(None, 20, None), ["old", "half"]),
        (Limits(None, 9, None), ["old", "mid", "half", "new"]),
        (Limits(None, None, 75.0), ["old", "half"]),
        (Limits(0, None, None), ["old", "mid", "half", "new"]),
    ],
)
def test_what_goes_first(limits: Limits, goes: list[str]) -> None:
    everything = [cached("new", 90), cached("half", 80, finished=False), cached("mid", 50), cached("old", 10)]
    assert [one.key for one in eviction.over(everything, limits, now=100.0)] == goes


def separate(*texts: str, **env: str) -> git_credentials.GitAccess:
    placed = [Placed(line, line.text) for line in lines.read([Dependency(text) for text in texts])]
    return git_credentials.separate(placed, env)


def test_git_credentials_go_by_environment() -> None:
    access = separate("x @ git+https://me:${T}@h.example/a/x.git@v1#subdirectory=s", "pandas", T="a%20word")
    assert [item.line.requirement for item in access.placed] == [
        "x @ git+https://h.example/a/x.git@v1#subdirectory=s",
        "pandas",
    ]
    header = base64.b64encode(b"me:a word").decode()
    assert dict(access.env) == {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.https://h.example/.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {header}",
    }
    assert {"a%20word", "a word", header} <= set(access.secrets)


def test_two_credentials_of_one_host_are_told_apart_and_the_nodes_own_settings_stay() -> None:
    two = ("git+https://${A}@h.example/a.git", "git+https://${B}@h.example/b.git", "git+ssh://git@h.example/c.git")
    env = dict(separate(*two, A="1", B="2", GIT_CONFIG_COUNT="3").env)
    assert (env["GIT_CONFIG_COUNT"], env["GIT_CONFIG_KEY_3"]) == ("5", "http.https://h.example/a.git.extraHeader")
    assert env["GIT_CONFIG_KEY_4"] == "http.https://h.example/b.git.extraHeader"


def options(**values: str | bool | tuple[str, ...]) -> virtualenv_options.VirtualenvOptions:
    return virtualenv_options.read({name.replace("_", "-"): value for name, value in values.items()})


def test_virtualenv_options() -> None:
    read = options(python=("3.8", "3.9"), copies=True, system_site_packages=False, prompt="a b", no_pip=True)
    assert (read.python, read.arguments, read.seeds) == (("3.8", "3.9"), ("--copies", "--prompt=a b", "--no-seed"), ())
    assert options(pip="24.0", wheel=True, setuptools="none").seeds == ("pip==24.0", "wheel")
    own = options(download=True, pip="24.0")
    assert (own.arguments, own.seeds) == (("--download", "--pip=24.0"), ())


RESOLUTION = """\
alpha[x]==1.1 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
theta @ https://h.example/named-by-a-package-1.0-py3-none-any.whl
delta @ git+https://h.example/a/delta.git@0123456789012345678901234567890123456789
eps @ file:///here/eps
zeta @ https://u:p@h.example/zeta-1.0-py3-none-any.whl
./code
"""


def test_locks_hold_what_a_resolver_chose_and_nothing_else() -> None:
    texts = (
        "zeta @ https://${C}@h.example/zeta-1.0-py3-none-any.whl",
        "./code",
        "git+https://h.example/a/delta.git@v1",
    )
    read = lines.read([Dependency(t) for t in texts])
    chosen = resolve.choices(RESOLUTION, read)
    assert [entry.split(" ")[0] for entry in chosen] == ["alpha[x]==1.1", "theta", "delta"]
    lock = resolve.pins(chosen, read)
    assert resolve.versions(lock) == {
        "alpha[x]": "1.1",
        "delta": "git+https://h.example/a/delta.git@0123456789012345678901234567890123456789",
    }
    assert resolve.constraints(lock) == "alpha==1.1\n"
    more = lines.read([Dependency(t) for t in ("git+https://h.example/a/delta.git@main", "alpha", "--pre", "./code")])
    assert next(line.requirement for line in resolve.at_commits(lock, more)) == chosen[2]
    entries, rest = resolve.installation(chosen, more)
    assert [line.text for line in rest] == ["--pre", "./code"]
    assert entries[0] == "alpha[x]==1.1 --hash=sha256:aa --hash=sha256:bb"


def test_the_builds_environment() -> None:
    env = build_environment(
        {"PATH": "/bin", "PYTHONPATH": "/x", "PIP_TARGET": "/x", "PIP_INDEX_URL": "i", "UV_INDEX": "j"}
    )
    assert {"PATH", "PIP_INDEX_URL", "UV_INDEX"} <= set(env)
    assert not {"PYTHONPATH", "PIP_TARGET"} & set(env)
