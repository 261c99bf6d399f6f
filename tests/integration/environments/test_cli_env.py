"""`poltergust env …` with real builds from the tests' own index, as a user gives the commands."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from poltergust.environments import marker
from tests.e2e.commands import Commands, Said
from tests.e2e.nodes import descendants_with
from tests.emulators.gcs import strict_gcs
from tests.emulators.servers import wait_until
from tests.integration.environments import packages
from tests.integration.environments.conftest import Node
from tests.integration.environments.index_server import Index


@dataclass(frozen=True)
class Env:
    """`poltergust env` on one machine; `file` is an environment file that asks for `alpha`."""

    node: Node
    file: Path
    more: dict[str, str]

    @property
    def commands(self) -> Commands:
        variables = {"POLTERGUST_CACHE_DIR": str(self.node.root), **self.more}
        return Commands(self.more.get("POLTERGUST_PATH", ""), self.file.parent, {**self.node.env, **variables})

    def __call__(self, *arguments: str) -> Said:
        return self.commands("env", *arguments)

    def json(self, *arguments: str) -> dict[str, Any]:
        said = self(*arguments, "--json")
        assert said.code == 0, said.err
        found: dict[str, Any] = json.loads(said.out)
        assert found.pop("format") == 1
        return found


@pytest.fixture(autouse=True)
def only_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command's own process starts from ours: what points to another registry goes."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_", "POLTERGUST_")):
            monkeypatch.delenv(name)


def machine(node: Node, **more: str) -> Env:
    file = node.files / "reports.yaml"
    file.write_text("dependencies:\n  - alpha\n")
    return Env(node, file, more)


@pytest.fixture
def env(node: Node) -> Env:
    return machine(node)


@contextmanager
def held(env: Env) -> Iterator[str]:
    """The environment of the file, in use by this very process; its key."""
    with env.node.cache.ready(
        env.node.spec("alpha", url=str(env.file)), node_env=env.node.env, on_line=print, cancelled=lambda: False
    ) as environment:
        yield environment.key


def test_nothing_was_built_yet(env: Env) -> None:
    said = env("list")
    assert (said.code, "no environment has been built yet" in said.out) == (0, True)
    assert env.json("list") == {"size": 0, "environments": []}
    said = env("show", "reports.yaml")
    assert said.code == 2
    assert "poltergust env build reports.yaml" in said.err


def test_build_list_show_prune(env: Env) -> None:
    first = env("build", "reports.yaml")
    assert first.code == 0, first.err
    assert "alpha==1.1" in first.err, "the installer's lines are progress"
    assert " built in " in first.out
    key = first.out.split()[0]
    again = env.json("build", "reports.yaml")
    assert (again["key"], again["built"]) == (key, False)

    listed = env("list").out.splitlines()
    assert listed[0].split() == ["KEY", "PYTHON", "SIZE", "USED", "BUILT", "USERS", "FILE"]
    assert listed[1].split()[0] in key
    assert listed[-1].startswith("1 environment, ")

    by_file, by_key = env.json("show", "reports.yaml"), env.json("show", key[:14])
    assert by_file["key"] == by_key["key"] == key
    assert by_file["url"] == str(env.file)
    assert by_file["installed"] == {"alpha": "1.1", "luigi": "3.0"}
    assert "alpha==1.1" in env("show", key, "--lock").out
    assert "alpha  1.1" in env("show", "reports.yaml").out

    assert env.json("prune") == {"removed": [], "freed": 0, "kept": [key]}
    assert env.json("prune", "--older", "1h", "--size", "1G")["removed"] == []
    removed = env.json("prune", "--size", "0")
    assert (removed["removed"], removed["kept"]) == ([key], [])


def test_what_is_in_use_is_said_and_never_removed(env: Env) -> None:
    with held(env) as key:
        assert [one["users"] for one in env.json("list")["environments"]] == [[os.getpid()]]
        assert str(os.getpid()) in env("list").out
        assert env.json("prune", "--all") == {"removed": [], "freed": 0, "kept": [key]}
        assert "1 kept, 1 of them in use" in env("prune", "--all").out
    assert env.json("prune", "--all")["removed"] == [key]


def test_old_ones_go_by_age(env: Env) -> None:
    key = str(env.json("build", "reports.yaml")["key"])
    mark = env.node.root / "environments" / key / marker.NAME
    before = time.time() - 10 * 86400
    os.utime(mark, (before, before))
    assert env.json("prune", "--older", "11d")["removed"] == []
    assert env.json("prune", "--older", "9d")["removed"] == [key]


def test_one_that_was_left_half_built_is_named_so(env: Env) -> None:
    key = str(env.json("build", "reports.yaml")["key"])
    (env.node.root / "environments" / key / marker.NAME).unlink()
    assert "left half-built" in env("list").out
    assert "left half-built" in env("show", key).out
    assert env.json("prune")["removed"] == [key]


def test_keys_that_share_a_beginning_are_told_apart(env: Env) -> None:
    key = str(env.json("build", "reports.yaml")["key"])
    folder = env.node.root / "environments" / key
    shutil.copytree(folder, folder.with_name(key[:-1] + "x"), symlinks=True)
    shown = [line.split()[0] for line in env("list").out.splitlines()[1:3]]
    assert len(set(shown)) == 2
    said = env("show", key[:10])
    assert said.code == 2
    assert "2 environments" in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("build", "nowhere.yaml"), 2, "does not exist"),
        (("show", "py3.99-beef"), 2, "no environment"),
        (("prune", "--all", "--size", "1G"), 2, "leave out"),
        (("prune", "--size", "much"), 2, "not a size"),
        (("lock", "nowhere.yaml"), 2, "does not exist"),
    ],
)
def test_wrong_command_lines(env: Env, arguments: tuple[str, ...], code: int, text: str) -> None:
    said = env(*arguments)
    assert said.code == code
    assert text in said.err


def test_a_wrong_file_and_a_package_that_does_not_exist(env: Env) -> None:
    env.file.write_text("dependency: []\n")
    said = env("build", "reports.yaml")
    assert (said.code, len(said.err.splitlines())) == (1, 1)
    assert "reports.yaml:1:1" in said.err
    env.file.write_text("dependencies: [nothing-of-that-name]\n")
    said = env("build", "reports.yaml")
    assert said.code == 1
    assert "nothing-of-that-name" in said.err.splitlines()[-1]


def test_the_lock_of_a_path_is_shared_and_refreshed(make_node: Callable[..., Node], index: Index) -> None:
    one, two = make_node("one", index), make_node("two", index)
    with strict_gcs() as gcs:
        gcs.create_bucket("mybucket")
        gcs.put("mybucket", "environment/reports.yaml", b"dependencies: [alpha]\n")
        url = "gs://mybucket/environment/reports.yaml"
        cloud = {"STORAGE_EMULATOR_HOST": gcs.url, "POLTERGUST_PATH": "gs://mybucket/pipeline"}
        here, there = machine(one, **cloud), machine(two, **cloud)
        first = here.json("lock", url)
        assert (first["path"], first["refreshed"]) == ("gs://mybucket/pipeline", False)
        assert first["versions"] == {"alpha": "1.1", "luigi": "3.0"}
        (name,) = gcs.objects("mybucket").keys() - {"environment/reports.yaml"}
        assert name.startswith("pipeline.poltergust/locks/")

        packages.wheel(index.folder, "alpha", "2.0")
        assert there.json("lock", url)["digest"] == first["digest"], "another machine installs the same"
        fresh = there.json("lock", url, "--refresh")
        assert fresh["versions"] == {"alpha": "2.0", "luigi": "3.0"}
        assert b"alpha==2.0" in gcs.objects("mybucket")[name].data
        said = here("lock", url)
        assert "alpha==2.0" in said.out.splitlines()
        assert "all nodes of gs://mybucket/pipeline" in said.out


def test_a_lock_without_a_path_is_this_machines_own(env: Env, index: Index) -> None:
    assert env.json("lock", "reports.yaml")["versions"] == {"alpha": "1.1", "luigi": "3.0"}
    packages.wheel(index.folder, "alpha", "2.0")
    assert env.json("lock", "reports.yaml")["versions"] == {"alpha": "1.1", "luigi": "3.0"}
    said = env("lock", "reports.yaml", "--refresh")
    assert "resolved again" in said.out
    assert "alpha==2.0" in said.out


def test_ctrl_c_ends_a_build_with_all_its_processes(env: Env, index: Index, tmp_path: Path) -> None:
    asked: list[str] = []
    released = tmp_path / "released"

    def stall(path: str) -> None:
        asked.append(path)
        wait_until(released.exists, "the test to go on", 120)

    index.before = stall
    try:
        with env.commands.started("env", "build", "reports.yaml") as process:
            wait_until(lambda: asked, "the installer to ask the index")
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        assert "interrupted" in (env.file.parent / "env.err").read_text()
        wait_until(lambda: descendants_with(str(env.node.root)) == [], "every process to end")
    finally:
        released.touch()
    index.before = lambda path: None
    assert env.json("build", "reports.yaml")["built"] is True
