"""The stores the contract is tried on: folders, memory, fake-gcs-server, the strict server, a live one if named."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from poltergust.path.layout import WatchedPath
from poltergust.stores import Store, Stores
from poltergust.stores.gs import GsStore
from tests.emulators.fake_gcs import fake_gcs
from tests.emulators.gcs import strict_gcs
from tests.emulators.memory import Bucket, MemoryStore

LIVE_BUCKET = os.environ.get("POLTERGUST_TEST_BUCKET")
KINDS = ["folder", "memory", "fake", "strict", *(["live"] if LIVE_BUCKET else [])]

EXCLUDED: dict[tuple[str, str], str] = {
    ("fake", "test_delete_of_another_generation_is_a_conflict"): "fake-gcs-server ignores preconditions on delete",
    ("fake", "test_of_movers_to_different_targets_one_wins_and_no_other_object_is_left"): (
        "fake-gcs-server has no objects.move: by copy and delete the losers' targets stay"
    ),
    ("fake", "test_of_sixteen_movers_exactly_one_wins"): (
        "fake-gcs-server's delete is not one step: of two at the same moment both may be told that they did it"
    ),
    ("live", "test_lists_more_than_one_page"): "a thousand uploads cost money and minutes; the strict server shows it",
}
"""(store, test) that are left out, and why."""


def open_folder(root: str) -> Store:
    return Stores(WatchedPath(root).state_prefix, recovers=True).of(root)


@dataclass(frozen=True)
class Place:
    """A store and an empty path of its own in it. `another()` is the store as a second node has it."""

    kind: str
    store: Store
    root: str
    another: Callable[[], Store]

    def url(self, name: str) -> str:
        return f"{self.root}/{name}"

    def names(self) -> list[str]:
        """What stands below the path."""
        return [entry.url[len(self.root) + 1 :] for entry in self.store.list(f"{self.root}/")]


@pytest.fixture(scope="session")
def buckets() -> Iterator[Callable[[str], tuple[str, Store, Callable[[], Store]]]]:
    """A bucket's URL and stores for a kind of server, started when first asked for."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        made: dict[str, tuple[str, Store, Callable[[], Store]]] = {}

        def connect(url: str | None) -> Store:
            with pytest.MonkeyPatch.context() as patch:
                if url is not None:
                    patch.setenv("STORAGE_EMULATOR_HOST", url)
                store = GsStore.connect()
            stack.callback(store.close)
            return store

        def of(kind: str) -> tuple[str, Store, Callable[[], Store]]:
            if kind not in made:
                url: str | None = None
                if kind == "fake":
                    fake = stack.enter_context(fake_gcs())
                    fake.create_bucket("contract")
                    url = fake.url
                elif kind == "strict":
                    strict = stack.enter_context(strict_gcs())
                    strict.create_bucket("contract")
                    url = strict.url
                bucket = "gs://contract" if url else f"gs://{LIVE_BUCKET}"
                made[kind] = (bucket, connect(url), lambda: connect(url))
            return made[kind]

        yield of


@pytest.fixture(params=KINDS)
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    buckets: Callable[[str], tuple[str, Store, Callable[[], Store]]],
) -> Iterator[Place]:
    kind: str = request.param
    test = re.sub(r"\[.*", "", request.node.name)
    if reason := EXCLUDED.get((kind, test)):
        pytest.skip(reason)
    if kind == "folder":
        root = str(tmp_path.resolve() / "pipeline")
        os.mkdir(root)
        yield Place(kind, open_folder(root), root, lambda: open_folder(root))
        return
    if kind == "memory":
        memory = Bucket(time.time)
        yield Place(kind, MemoryStore(memory), "gs://memory/pipeline", lambda: MemoryStore(memory))
        return
    bucket, store, another = buckets(kind)
    found = Place(kind, store, f"{bucket}/test-{secrets.token_hex(6)}", another)
    yield found
    if kind == "live":
        for entry in store.list(found.root):
            store.delete(entry.url)
