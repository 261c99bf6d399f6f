"""Where a folder is that a person names: what cannot be known, or looked at, is one line that says so."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from poltergust.base.checks import Severity
from poltergust.base.errors import UsageError
from poltergust.base.folders import absolute
from poltergust.cli.checking import check
from poltergust.cli.env.parts import home
from poltergust.cli.node_options import working_folder
from poltergust.doctor.watched_path import FolderProbes
from poltergust.environments.cache_folder import examine
from poltergust.luigi_run.own_state import state_folder, with_own_password
from poltergust.node.settings import Settings, parse_cache, parse_path
from poltergust.path import layout
from tests.security.users import NOBODY, acting_as, needs_root
from tests.unit.cli.calling import call


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current directory was removed, in another shell for example."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process runs under a number that no user has, as containers may, and HOME is not set."""

    def nobody(uid: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "POLTERGUST_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)


def test_it_is_absolute_and_its_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/anna")
    assert absolute("--path", "a/../b") == tmp_path / "b"
    assert absolute("--path", "~/b") == Path("/home/anna/b")


def test_a_home_that_nobody_knows_is_said(homeless: None) -> None:
    with pytest.raises(UsageError, match=r"^--cache-dir ~/.cache/poltergust: there is no such home .*; set HOME, or"):
        parse_cache(None)
    with pytest.raises(UsageError, match=r"^XDG_STATE_HOME ~/.local/state: there is no such home"):
        state_folder({})
    assert home("/cache/e.yaml") == "/cache/e.yaml"
    assert with_own_password("http://127.0.0.1:9", {}) == "http://127.0.0.1:9"


@pytest.mark.parametrize(
    "words", ["env list", "listen --path .", "doctor --path .", "scheduler", "init ~/x", "status ~/x"]
)
def test_a_command_without_a_home_is_one_line(words: str, homeless: None, capsys: pytest.CaptureFixture[str]) -> None:
    said = call(capsys, *words.split())
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "there is no such home on this machine; set HOME" in said.err


@pytest.mark.parametrize(
    "words", ["status ./x", "logs a --path x", "init", "env build x.yaml", "env list --cache-dir x", "doctor --path x"]
)
def test_a_command_in_a_directory_that_is_gone_is_one_line(
    words: str, gone: None, capsys: pytest.CaptureFixture[str]
) -> None:
    said = call(capsys, *words.split())
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "the directory in which this was started is gone; change to one that is there" in said.err


def test_whole_paths_work_where_the_current_directory_is_gone(
    gone: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = call(capsys, "init", str(tmp_path / "reports"))
    assert made.code == 0, made.err
    assert f"cd {tmp_path}/reports" in made.out


@needs_root
def test_what_stands_below_another_users_folder_is_said_to_be_closed(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    config = f"environment: {closed}/e.yaml\ntask: {{name: A, module: a}}\n"
    path = closed / "pipeline"
    check("a.config.yaml", config.encode())  # what it imports may be closed to others
    probes = FolderProbes(Settings(layout.WatchedPath(str(path)), "n"))
    with acting_as(NOBODY):
        with pytest.raises(UsageError, match=f"^--path {path}: Permission denied; let this user enter"):
            parse_path(str(path))
        with pytest.raises(UsageError, match=f"^--workdir {path}: Permission denied; let this user enter"):
            working_folder(str(path))
        with pytest.raises(UsageError, match=f"^--cache-dir {path} cannot be written to: Permission denied; name"):
            examine(path)
        (found,) = probes.access()
        checked = check("a.config.yaml", config.encode())
    assert (found.name, found.verdict, found.text) == ("folder", Severity.FAIL, f"{path}: Permission denied")
    assert (checked.problems, checked.followed) == ((), None)
