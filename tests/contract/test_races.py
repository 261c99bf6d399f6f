"""Finishers in separate processes race for one config, round after round: one wins, and nothing else is left.

The same with answers lost after their effect, and with a finisher killed at each of its steps. Two hundred rounds of
each take minutes on two cores: POLTERGUST_LONG=1 runs them, otherwise it is a slice.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from poltergust.stores import Blob, Store
from tests.contract.conftest import open_folder
from tests.emulators.gcs import StrictGcs, strict_gcs

FINISHERS = 8
ROUNDS = 200 if os.environ.get("POLTERGUST_LONG") else 10
ANSWER_SECONDS = 120.0  # seconds until a finisher that does not answer fails the test


class Finisher:
    """One process of `finisher.py`. The answer to an order is None if it died over it."""

    def __init__(self, name: str, root: str, env: dict[str, str]) -> None:
        argv = [sys.executable, "-m", "tests.contract.finisher", name, root]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, cwd=Path(__file__).parents[2]
        )

    def order(self, source: Blob, target: str, die: int = 0) -> None:
        assert self.process.stdin is not None
        line = {"source": source.url, "generation": source.generation, "target": target, "die": die}
        self.process.stdin.write(json.dumps(line).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self) -> str | None:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], ANSWER_SECONDS)
        assert ready, "a finisher hangs"
        line = self.process.stdout.readline()
        return str(json.loads(line)) if line else None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


class Field:
    """A path, its store as the test sees it, and finishers that can be had."""

    def __init__(self, root: str, store: Store, env: dict[str, str], stack: contextlib.ExitStack) -> None:
        self.root, self.store, self._env, self._stack = root, store, env, stack

    def finishers(self, count: int, name: str = "finisher") -> list[Finisher]:
        made = [Finisher(f"{name}-{number}", self.root, self._env) for number in range(count)]
        for each in made:
            self._stack.callback(each.kill)
        return made

    def configs(self, count: int) -> list[Blob]:
        """`count` configs, all written before the first is read, so that folders settle once."""
        urls = [f"{self.root}/r{number}.config.yaml" for number in range(count)]
        for url in urls:
            self.store.write(url, url.encode())
        return [self.store.read(url) for url in urls]

    def left(self, config: Blob) -> list[str]:
        """The kinds that stand at the config's name, such as ["done"], each with the config's content."""
        stem = config.url.removesuffix("config.yaml")
        found = [entry.url for entry in self.store.list(stem)]
        assert all(self.store.read(url).data == config.data for url in found)
        return [url.removeprefix(stem).removesuffix(".yaml") for url in found]

    def race(self, config: Blob, finishers: list[Finisher], kinds: tuple[str, ...] = ("done",)) -> list[str | None]:
        for number, finisher in enumerate(finishers):
            finisher.order(config, target(config, kinds[number % len(kinds)]))
        return [finisher.answer() for finisher in finishers]


def target(config: Blob, kind: str) -> str:
    return config.url.replace(".config.", f".{kind}.")


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path, stack: contextlib.ExitStack) -> Field:
    root = tmp_path.resolve() / "pipeline"
    root.mkdir()
    return Field(str(root), open_folder(str(root)), dict(os.environ), stack)


@pytest.fixture
def strict(stack: contextlib.ExitStack) -> StrictGcs:
    server = stack.enter_context(strict_gcs())
    server.create_bucket("races")
    return server


@pytest.fixture
def bucket(strict: StrictGcs, stack: contextlib.ExitStack) -> Field:
    from poltergust.stores.gs import GsStore

    store = GsStore(strict.client())
    stack.callback(store.close)
    return Field("gs://races/pipeline", store, {**os.environ, "STORAGE_EMULATOR_HOST": strict.url}, stack)


@pytest.fixture(params=["folder", "bucket"])
def field(request: pytest.FixtureRequest) -> Field:
    made: Field = request.getfixturevalue(request.param)
    return made


@pytest.mark.parametrize("kinds", [("done",), ("done", "error", "cancelled")], ids=["one-target", "three-targets"])
def test_each_round_has_one_winner(field: Field, kinds: tuple[str, ...]) -> None:
    finishers = field.finishers(FINISHERS)
    for config in field.configs(ROUNDS):
        answers = field.race(config, finishers, kinds)
        assert sorted(map(str, answers)) == ["gone"] * (FINISHERS - 1) + ["won"]
        assert field.left(config) == [kinds[answers.index("won") % len(kinds)]]


def test_each_round_by_copy_and_delete_has_one_winner(bucket: Field, strict: StrictGcs) -> None:
    strict.fail("objects.move", status=501, times=None)
    finishers = bucket.finishers(FINISHERS)
    for config in bucket.configs(ROUNDS):
        answers = bucket.race(config, finishers)
        assert sorted(map(str, answers)) == ["gone"] * (FINISHERS - 1) + ["won"]
        assert bucket.left(config) == ["done"]


def test_each_round_with_answers_lost_after_the_effect(bucket: Field, strict: StrictGcs) -> None:
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    finishers = bucket.finishers(FINISHERS)
    for config in bucket.configs(ROUNDS):
        lost = dice.randint(1, 3)
        strict.fail("objects.move", how="lost", times=lost, skip=dice.randint(0, 2))
        answers = bucket.race(config, finishers)
        strict.heal()
        said = f"seed {seed}: {answers}"
        assert set(answers) <= {"won", "done", "gone"}, said
        assert answers.count("won") <= 1, said
        assert answers.count("done") <= lost, said  # only who lost an answer may be unsure
        assert "won" in answers or "done" in answers, said  # and whoever did it never believes that another did
        assert bucket.left(config) == ["done"], said


def test_a_finisher_killed_at_each_of_its_steps_on_a_folder(folder: Field) -> None:
    steps = count_steps(folder)
    assert steps > 8
    survivors = folder.finishers(3)
    for config, step in zip(folder.configs(steps), range(1, steps + 1), strict=True):
        (doomed,) = folder.finishers(1, "doomed")
        doomed.order(config, target(config, "done"), die=step)
        for number, survivor in enumerate(survivors):
            survivor.order(config, target(config, ("done", "error")[number % 2]))
        answers = [survivor.answer() for survivor in survivors]
        end = doomed.answer()
        doomed.kill()
        check_survivors(folder, config, [*answers, end])


def test_a_lone_finisher_killed_at_each_of_its_steps_on_a_folder(folder: Field) -> None:
    steps = count_steps(folder)
    for config, step in zip(folder.configs(steps), range(1, steps + 1), strict=True):
        (doomed,) = folder.finishers(1, "doomed")
        doomed.order(config, target(config, "done"), die=step)
        assert doomed.answer() is None
        doomed.kill()
        check_survivors(folder, config, [None])


@pytest.mark.parametrize("sent", [False, True], ids=["before-the-request", "after-its-effect"])
@pytest.mark.parametrize("by_copy", [False, True], ids=["move", "copy-and-delete"])
def test_a_finisher_killed_between_any_two_requests(
    bucket: Field, strict: StrictGcs, by_copy: bool, sent: bool
) -> None:
    survivors = bucket.finishers(3)
    for step, config in enumerate(bucket.configs(12)):
        if by_copy:
            strict.fail("objects.move", status=501, times=None)
        hold = strict.hold("objects.*", skip=step, user_agent="doomed")
        (doomed,) = bucket.finishers(1, "doomed")
        doomed.order(config, target(config, "done"))
        finished = reached(hold.wait_reached, doomed)
        if not finished:
            doomed.kill()
            (hold.release if sent else hold.drop)()
        answers = bucket.race(config, survivors)
        strict.heal()
        assert answers.count("won") <= 1
        assert set(answers) <= {"won", "gone"}
        assert bucket.left(config) == ["done"]
        if finished:
            assert step >= 2
            return
    raise AssertionError("a rename takes less than a dozen requests")


def reached(wait: Callable[[float], None], doomed: Finisher) -> bool:
    """Whether the finisher got to its end before it met the fault."""
    assert doomed.process.stdout is not None
    while True:
        if select.select([doomed.process.stdout], [], [], 0)[0]:
            return True
        with contextlib.suppress(AssertionError):
            wait(0.02)
            return False


def count_steps(field: Field) -> int:
    """How many steps an undisturbed rename has: the first number that a finisher survives."""
    for step in range(1, 100):
        url = f"{field.root}/s{step}.config.yaml"  # a new one, without anything to recover
        field.store.write(url, b"")
        config = field.store.read(url)
        (doomed,) = field.finishers(1, "doomed")
        doomed.order(config, target(config, "done"), die=step)
        answer = doomed.answer()
        doomed.kill()
        if answer == "won":
            return step - 1
    raise AssertionError("a rename takes less than a hundred steps")


def check_survivors(field: Field, config: Blob, answers: list[str | None]) -> None:
    """One object with the config's bytes is left, and if it is still the config it can be finished."""
    assert answers.count("won") <= 1
    left = field.left(config)
    if left == ["config"]:
        again = field.store.read(config.url)
        assert field.store.move(again.url, again.generation, target(config, "done"))
        left = field.left(config)
    assert left in (["done"], ["error"]), (left, answers)
    hidden = [name for name in os.listdir(field.root) if name.startswith(".")]
    assert hidden == []
