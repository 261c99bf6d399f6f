"""docs/commands.md: every sample screen is what the command prints, beside two real nodes on a bucket."""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.samples import same, steps
from tests.e2e.commands import Commands
from tests.e2e.test_cli_cloud import PATH, Cloud
from tests.emulators.gcs import strict_gcs
from tests.emulators.luigid import luigid

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "commands.md"
PIPELINES = Path(__file__).with_name("pipelines")
NODES = {"docs-1": "node-1", "docs-2": "node-2"}
"""What they are called here, where other tests listen to the same path, and on the page."""

NAMES = ("nightly", "hourly", "weekly")


class World:
    """What the page takes for granted before each of its samples."""

    def __init__(self, cloud: Cloud, nodes: contextlib.ExitStack) -> None:
        self.cloud = cloud
        self._nodes = nodes
        self.folder = cloud.folder / "work"
        (self.folder / "pipeline").mkdir(parents=True)
        for name in NAMES:
            (cloud.folder / name).mkdir()
            root = "Load" if name == "hourly" else "Nightly"
            task = f"  module: reports\n  name: {root}\n  folder: {cloud.folder}/{name}\n"
            text = f"environment: ../environment/reports.yaml\nretries: 0\ntask:\n{task}"
            (self.folder / f"{name}.config.yaml").write_text(text)
        environ = {**cloud.env, "POLTERGUST_CACHE_DIR": str(cloud.cache), "PYTHONPATH": str(PIPELINES)}
        self.poltergust = Commands(PATH, self.folder, {**environ, "USER": "anna"})

    def type(self, command: str) -> str:
        """Everything that `poltergust COMMAND` prints."""
        said = self.poltergust(*command.split())
        return said.out + said.err

    def nodes_run(self) -> None:
        """The config that the first sample submitted is gone again."""
        assert self.poltergust("cancel", "nightly").code == 0
        self.another_environment()
        self._nodes.enter_context(self.cloud.listening(*NODES))

    def one_of_each(self) -> None:
        (self.cloud.folder / "weekly" / "broken").touch()
        (self.cloud.folder / "nightly" / "closed").touch()
        for target in ("Report", "Audit", "Nightly"):
            (self.cloud.folder / "nightly" / target).unlink()
        assert self.poltergust("submit", "weekly.config.yaml", "--wait").code == 3
        assert self.poltergust("submit", "hourly.config.yaml", "--wait").code == 0
        assert self.poltergust("submit", "nightly.config.yaml").code == 0

    def another_run(self) -> None:
        """Of weekly, with another config."""
        (self.cloud.folder / "weekly" / "Audit").unlink()
        file = self.folder / "weekly.config.yaml"
        file.write_text(f"{file.read_text()}variables:\n  REGION: north\n")
        assert self.poltergust("submit", "weekly.config.yaml", "--wait").code == 3

    def a_mistake(self) -> None:
        file = self.folder / "nightly.config.yaml"
        file.write_text(file.read_text().replace("retries", "retires"))
        (self.cloud.folder / "environment").mkdir()
        text = "virtualenv: {python: python3.8}\ndependencies: [pandas, matplotlib]\n"
        (self.cloud.folder / "environment" / "reports.yaml").write_text(text)

    def another_environment(self) -> None:
        folder = self.cloud.folder / "hello" / "environment"
        folder.mkdir(parents=True)
        (folder / "hello.yaml").write_text("dependencies: [six]\n")
        assert self.poltergust("env", "build", str(folder / "hello.yaml"), "--quiet").code == 0


BEFORE: dict[str, Callable[[World], None]] = {
    "submit nightly.config.yaml --wait": World.nodes_run,
    "status": World.one_of_each,
    "history weekly": World.another_run,
    "check nightly.config.yaml ../environment/reports.yaml": World.a_mistake,
}
SECONDS_UNTIL_IT_IS_THERE = 15.0

CHANGE_NOTHING = ("status", "history", "diff", "logs", "env list")


@pytest.fixture
def world() -> Iterator[World]:
    """In a folder with a short name: the tables cut a long one."""
    with tempfile.TemporaryDirectory(prefix="docs-") as name, strict_gcs() as storage:
        folder = Path(name)
        with luigid(folder) as scheduler, contextlib.ExitStack() as nodes:
            storage.create_bucket("mybucket")
            storage.put("mybucket", "environment/reports.yaml", b"dependencies: []\n")
            yield World(Cloud(storage, scheduler, folder, folder / "cache", PIPELINES, home=name), nodes)


def changes(screen: str) -> tuple[str, set[str], str]:
    """Of a `--wait`: first and last line, and between them the kinds of changes that were seen; which of them one sees
    depends on the moment one looks."""
    first, *between, last = screen.splitlines()
    volatile = re.compile(r"\d+ of \d+ tasks done(?:, \d+ \w+)*|node-\d(?:, node-\d)*")
    return first, {" ".join(volatile.sub("…", line).split()[1:]) for line in between}, last


def test_every_sample_is_what_the_command_prints(world: World) -> None:
    names = {str(world.cloud.folder): "/home/anna", **NODES}
    for step in steps(PAGE):
        command = step.text.removeprefix("poltergust ").removesuffix(" | cat")
        if command in BEFORE:
            BEFORE[command](world)
        seen = world.type(command)
        if command.endswith("--wait"):
            first, between, last = changes(re.sub("docs-", "node-", seen))
            documented = changes("\n".join(step.screen))
            assert same((documented[0],), first, names), seen
            assert same((documented[2],), last, names), seen
            # That it is finished is seen between the record and the rename only: too short to be in the sample.
            assert {kind for kind in between if not kind.startswith("finished")} <= documented[1], seen
            continue
        end = time.monotonic() + SECONDS_UNTIL_IT_IS_THERE
        while not same(step.screen, seen, names):
            assert command.startswith(CHANGE_NOTHING), f"line {step.line}: {step.text} printed\n{seen}"
            assert time.monotonic() < end, f"line {step.line}: {step.text} printed\n{seen}"
            seen = world.type(command)
