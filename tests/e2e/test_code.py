"""A pipeline that is one file beside the environment file: it runs without packaging, and a change needs no build."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.nodes import Node
from tests.e2e.paths import SIDE, Place
from tests.emulators.servers import wait_until

PIPELINE = """\
import os
import pathlib
import time

import luigi
import words


class Say(luigi.Task):
    target = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(self.target)

    def run(self):
        pathlib.Path(self.target + ".running").touch()
        while not os.path.exists(self.target + ".gate"):
            time.sleep(0.02)
        with self.output().open("w") as file:
            file.write(words.word + " {change}")
"""

ENVIRONMENT = """\
dependencies: []
code:
  - say.py
  - ../lib/
"""


@pytest.fixture(scope="module")
def agents(place: Place, shared_cache: Path, scheduler: str) -> Iterator[tuple[Node, Node]]:
    """Two machines of one path."""
    with (
        place.agent("one", shared_cache, "--scheduler-url", scheduler) as one,
        place.agent("two", shared_cache, "--scheduler-url", scheduler) as two,
    ):
        yield one, two


def submit(place: Place, name: str) -> Path:
    target = place.scratch / f"{name}.txt"
    place.put(name, f"  module: say\n  name: Say\n  target: {target}\n", environment="../environment/coded.yaml")
    return target


def publish(place: Place, change: str) -> None:
    place.write("environment/say.py", PIPELINE.format(change=change).encode())


def test_a_change_is_for_the_next_run_and_needs_no_new_environment(place: Place, agents: tuple[Node, Node]) -> None:
    place.environment("coded", ENVIRONMENT)
    place.write("lib/words.py", b"word = 'hello'\n")
    publish(place, "first")
    first = submit(place, "first")
    wait_until(Path(f"{first}.running").exists, "the first run to execute", 90)
    publish(place, "second")  # while the first is running
    second = submit(place, "second")
    for target in (first, second):
        Path(f"{target}.gate").touch()
    for name in ("first", "second"):
        place.until(name, "done")
    assert [first.read_text(), second.read_text()] == ["hello first", "hello second"]

    records = [*place.records("first").values(), *place.records("second").values()]
    assert len({each["environment"]["key"] for each in records if each["environment"]}) == 1
    digests = {each["code"] for each in records} - {""}
    assert len(digests) == 2
    assert {key.rsplit("/", 1)[1] for key in place.keys(f"{SIDE}/code/")} == {f"{each}.zip" for each in digests}


def test_source_may_land_after_the_config(place: Place, agents: tuple[Node, Node]) -> None:
    place.environment("coded", "code: [late.py]\n")
    target = place.scratch / "late.txt"
    place.put("late", f"  module: late\n  name: Say\n  target: {target}\n", environment="../environment/coded.yaml")
    text = f"waiting for {place.url('environment/late.py')}"
    place.until_records("late", "the source to be waited for", reason="environment-awaited", text=text)
    Path(f"{target}.gate").touch()
    place.write("environment/late.py", PIPELINE.replace("import words", "").replace("words.word", "'it is'").encode())
    place.until("late", "done")
    # What waits is not an attempt each second.
    assert max(each["attempts_made"] for each in place.records("late").values()) <= 3


def test_a_hostile_archive_is_an_error_that_names_it(place: Place, agents: tuple[Node, Node]) -> None:
    place.environment("coded", "code:\n- bad.zip\n")
    place.write("environment/bad.zip", b"PK no archive")
    place.put("bad", "  module: say\n  name: Say\n  target: x\n", environment="../environment/coded.yaml")
    place.until("bad", "error")
    record = place.until_records("bad", "the reason", reason="code-invalid")
    assert f"code, line 2: {place.url('environment/bad.zip')} is not a zip archive" in record["text"]
