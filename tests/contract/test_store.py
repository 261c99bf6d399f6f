"""What every store promises, tried on each of them (see conftest for which, and what is left out where and why)."""

from __future__ import annotations

import threading
import time
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from poltergust.stores import ABSENT, Conflict, NotFound, Store
from tests.contract.conftest import EXCLUDED, KINDS, Place

ODD_NAMES = [
    "with space",
    "naïve-é",
    "naive\u0308-e\u0301",
    "hash#tag",
    "what?",
    "100%2Fslash",
    "a+b",
    "a&b=c;d",
    "quote'\"",
    "back\\slash",
    "[glob]*{x}",
    "日本語/ein ordner/x",
    "..hidden",
    "~tilde",
    "emoji-🎉",
]


def put(place: Place, name: str, data: bytes = b"one") -> str:
    """Write an object; its generation."""
    place.store.write(place.url(name), data)
    return place.store.read(place.url(name)).generation


def test_every_exclusion_names_a_test_and_a_store() -> None:
    for kind, test in EXCLUDED:
        assert kind in (*KINDS, "live")
        assert test in globals()


# read and write


def test_reads_what_was_written(place: Place) -> None:
    started = time.time()
    entry = place.store.write(place.url("sub/x.config.yaml"), b"task: {}\n")
    assert (entry.url, entry.size) == (place.url("sub/x.config.yaml"), 9)
    blob = place.store.read(entry.url)
    assert (blob.url, blob.data) == (entry.url, b"task: {}\n")
    assert abs(blob.updated - entry.updated) < 5
    assert started - 300 < blob.updated < time.time() + 300
    assert blob.generation not in ("", ABSENT)
    assert "/" not in blob.generation


def test_reading_what_is_not_there(place: Place) -> None:
    with pytest.raises(NotFound, match=r"nothing\.config\.yaml"):
        place.store.read(place.url("nothing.config.yaml"))


@pytest.mark.parametrize("limit", [None, 0, 1, 10])
def test_an_empty_object_is_an_object(place: Place, limit: int | None) -> None:
    place.store.write(place.url("empty"), b"")
    assert place.store.read(place.url("empty"), limit=limit).data == b""
    assert place.names() == ["empty"]


@pytest.mark.parametrize(
    ("start", "limit", "data"),
    [(0, None, b"0123456789"), (4, None, b"456789"), (4, 2, b"456"), (8, 5, b"89"), (10, None, b""), (99, 5, b"")],
)
def test_reads_from_an_offset_on(place: Place, start: int, limit: int | None, data: bytes) -> None:
    generation = put(place, "x", b"0123456789")
    blob = place.store.read(place.url("x"), start=start, limit=limit)
    assert (blob.data, blob.generation) == (data, generation)


def test_says_when_it_was_read_by_the_clock_of_the_time_it_was_written(place: Place) -> None:
    put(place, "x")
    blob = place.store.read(place.url("x"))
    assert blob.served is not None
    assert -2 < blob.served - blob.updated < 300


def test_reads_one_byte_more_than_the_limit_and_no_further(place: Place) -> None:
    data = bytes(range(256)) * 1024
    place.store.write(place.url("large"), data)
    assert place.store.read(place.url("large"), limit=len(data)).data == data
    assert place.store.read(place.url("large"), limit=len(data) - 1).data == data
    cut = place.store.read(place.url("large"), limit=1000)
    assert cut.data == data[:1001]
    assert cut.generation == place.store.read(place.url("large")).generation


def test_binary_content_comes_back_to_the_byte(place: Place) -> None:
    data = b"\x00\xff\r\n\x1f\x8b" * 100_000
    place.store.write(place.url("bin"), data)
    assert place.store.read(place.url("bin")).data == data


def test_replacing_makes_a_new_generation(place: Place) -> None:
    first = put(place, "x", b"one")
    second = put(place, "x", b"two")
    third = put(place, "x", b"two")
    assert len({first, second, third}) == 3


def test_a_generation_stays_while_nobody_writes(place: Place) -> None:
    first = put(place, "x")
    put(place, "y")
    assert place.store.read(place.url("x")).generation == first


def test_creates_only_what_is_absent(place: Place) -> None:
    url = place.url("x")
    place.store.write(url, b"one", if_generation=ABSENT)
    with pytest.raises(Conflict):
        place.store.write(url, b"two", if_generation=ABSENT)
    assert place.store.read(url).data == b"one"
    assert place.names() == ["x"]


def test_writes_over_the_named_generation_only(place: Place) -> None:
    url = place.url("x")
    first = put(place, "x", b"one")
    place.store.write(url, b"two", if_generation=first)
    with pytest.raises(Conflict):
        place.store.write(url, b"three", if_generation=first)
    assert place.store.read(url).data == b"two"


def test_a_conditional_write_needs_its_object(place: Place) -> None:
    first = put(place, "x")
    place.store.delete(place.url("x"))
    with pytest.raises(Conflict):
        place.store.write(place.url("x"), b"two", if_generation=first)
    assert place.names() == []


def test_of_eight_creators_exactly_one_wins(place: Place) -> None:
    results = at_once(8, lambda number, store: created(store, place.url("lock"), f"{number}".encode()), place)
    assert sorted(results) == [False] * 7 + [True]
    assert place.store.read(place.url("lock")).data == f"{results.index(True)}".encode()


# list


def test_lists_by_url_with_size_and_time(place: Place) -> None:
    for name in ("b", "a/c", "a.b", "a/b/c", "a", "a-b") if place.kind != "folder" else ("b", "a/c", "a.b", "a-b"):
        place.store.write(place.url(name), name.encode())
    entries = list(place.store.list(f"{place.root}/"))
    assert [entry.url for entry in entries] == sorted(entry.url for entry in entries)
    assert [entry.size for entry in entries] == [len(entry.url) - len(place.root) - 1 for entry in entries]
    assert all(abs(entry.updated - time.time()) < 300 for entry in entries)


def test_a_prefix_is_text(place: Place) -> None:
    for name in ("pipe/x", "pipeline/x", "pipeline2/x", "pipeline/sub/y", "other"):
        place.store.write(place.url(name), b"")
    cut = len(place.root) + 1

    def listed(prefix: str) -> list[str]:
        return [entry.url[cut:] for entry in place.store.list(place.url(prefix))]

    assert listed("pipe") == ["pipe/x", "pipeline/sub/y", "pipeline/x", "pipeline2/x"]
    assert listed("pipeline/") == ["pipeline/sub/y", "pipeline/x"]
    assert listed("pipeline/s") == ["pipeline/sub/y"]
    assert listed("pipeline/x") == ["pipeline/x"]
    assert listed("nothing/at/all/") == []


def test_a_suffix_is_text_too(place: Place) -> None:
    for name in ("x.config.yaml", "sub/deep/y.config.yaml", "x.done.yaml", "z.CONFIG.yaml", "z.config.yamlx"):
        place.store.write(place.url(name), b"")
    found = [entry.url for entry in place.store.list(f"{place.root}/", suffix=".config.yaml")]
    assert found == [place.url("sub/deep/y.config.yaml"), place.url("x.config.yaml")]
    assert [entry.url for entry in place.store.list(f"{place.root}/", suffix="[x]*")] == []


def test_lists_from_a_url_on(place: Place) -> None:
    for name in ("p/a/1", "p/a/2", "p/a/21/x", "p/a-/y", "p/b/1", "p/c"):
        place.store.write(place.url(name), b"")
    cut = len(place.root) + 1

    def names(since: str) -> list[str]:
        found = place.store.list(place.url("p/"), suffix="", since=place.url(since))
        return [entry.url[cut:] for entry in found]

    assert names("p/a/2") == ["p/a/2", "p/a/21/x", "p/b/1", "p/c"]
    assert names("p/a/21") == ["p/a/21/x", "p/b/1", "p/c"]
    assert names("p/a0") == ["p/b/1", "p/c"]
    assert names("p/") == ["p/a-/y", "p/a/1", "p/a/2", "p/a/21/x", "p/b/1", "p/c"]
    assert names("q") == []


def test_lists_more_than_one_page(place: Place) -> None:
    names = [f"n{number:04}" for number in range(1005)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: place.store.write(place.url(name), b"x"), names))
    assert place.names() == names


# append


def test_appends_grow_an_object(place: Place) -> None:
    url = place.url("logs/n.log")
    place.store.append(url, b"")
    assert place.store.read(url).data == b""
    for part in (b"one\n", b"", b"two\n", b"three\n"):
        place.store.append(url, part)
    assert place.store.read(url).data == b"one\ntwo\nthree\n"
    assert place.names() == ["logs/n.log"]


def test_appends_to_what_was_written(place: Place) -> None:
    place.store.write(place.url("x"), b"one")
    place.store.append(place.url("x"), b"two")
    assert place.store.read(place.url("x")).data == b"onetwo"


def test_a_long_append_arrives_whole(place: Place) -> None:
    data = bytes(range(256)) * (9 * 4096)  # 9 MiB: more than one request's worth
    place.store.append(place.url("x"), b"start")
    place.store.append(place.url("x"), data)
    assert place.store.read(place.url("x")).data == b"start" + data
    assert place.names() == ["x"]


# move


def test_moves_what_is_that_generation(place: Place) -> None:
    generation = put(place, "x.config.yaml", b"data")
    assert place.store.move(place.url("x.config.yaml"), generation, place.url("x.done.yaml")) is True
    assert place.names() == ["x.done.yaml"]
    assert place.store.read(place.url("x.done.yaml")).data == b"data"


def test_a_move_replaces_an_older_outcome(place: Place) -> None:
    put(place, "x.done.yaml", b"old")
    generation = put(place, "x.config.yaml", b"new")
    assert place.store.move(place.url("x.config.yaml"), generation, place.url("x.done.yaml")) is True
    assert place.names() == ["x.done.yaml"]
    assert place.store.read(place.url("x.done.yaml")).data == b"new"


def test_a_move_of_another_generation_is_a_conflict(place: Place) -> None:
    old = put(place, "x.config.yaml", b"old")
    put(place, "x.config.yaml", b"new")
    with pytest.raises(Conflict):
        place.store.move(place.url("x.config.yaml"), old, place.url("x.done.yaml"))
    assert place.names() == ["x.config.yaml"]
    assert place.store.read(place.url("x.config.yaml")).data == b"new"


def test_the_same_bytes_again_are_another_generation(place: Place) -> None:
    old = put(place, "x.config.yaml", b"same")
    put(place, "x.config.yaml", b"same")
    with pytest.raises(Conflict):
        place.store.move(place.url("x.config.yaml"), old, place.url("x.done.yaml"))
    assert place.names() == ["x.config.yaml"]


def test_a_move_of_what_is_gone(place: Place) -> None:
    generation = put(place, "x.config.yaml")
    place.store.delete(place.url("x.config.yaml"))
    with pytest.raises(NotFound):
        place.store.move(place.url("x.config.yaml"), generation, place.url("x.done.yaml"))
    assert place.names() == []


def test_a_late_mover_learns_that_it_is_gone_although_the_target_stands(place: Place) -> None:
    generation = put(place, "x.config.yaml")
    assert place.store.move(place.url("x.config.yaml"), generation, place.url("x.done.yaml"))
    with pytest.raises(NotFound):
        place.another().move(place.url("x.config.yaml"), generation, place.url("x.done.yaml"))
    assert place.names() == ["x.done.yaml"]


def test_a_moved_object_is_a_new_generation_and_may_move_back(place: Place) -> None:
    first = put(place, "x.config.yaml")
    place.store.move(place.url("x.config.yaml"), first, place.url("x.error.yaml"))
    outcome = place.store.read(place.url("x.error.yaml")).generation
    assert place.store.move(place.url("x.error.yaml"), outcome, place.url("x.config.yaml"))
    assert place.store.read(place.url("x.config.yaml")).generation not in (first, outcome)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_moves_names_as_they_are(place: Place, name: str) -> None:
    source, target = place.url(f"{name}.config.yaml"), place.url(f"{name}.done.yaml")
    place.store.write(source, b"odd")
    (entry,) = place.store.list(f"{place.root}/", suffix=".config.yaml")
    assert entry.url == source
    blob = place.store.read(source)
    assert place.store.move(source, blob.generation, target) is True
    place.store.append(target, b"er")
    assert place.store.read(target).data == b"odder"
    assert place.names() == [f"{name}.done.yaml"]
    place.store.delete(target)
    assert place.names() == []


def test_names_that_are_one_text_in_another_normal_form_stay_two(place: Place) -> None:
    composed = unicodedata.normalize("NFC", "é")
    decomposed = unicodedata.normalize("NFD", "é")
    place.store.write(place.url(composed), b"composed")
    place.store.write(place.url(decomposed), b"decomposed")
    assert place.names() == sorted([composed, decomposed])
    assert place.store.read(place.url(composed)).data == b"composed"


def test_of_sixteen_movers_exactly_one_wins(place: Place) -> None:
    for number in range(5):
        generation = put(place, f"{number}.config.yaml")
        source, target = place.url(f"{number}.config.yaml"), place.url(f"{number}.done.yaml")
        results = at_once(16, lambda _n, store, s=source, g=generation, t=target: moved(store, s, g, t), place)  # type: ignore[misc]
        assert sorted(results) == [False] * 15 + [True]
    assert place.names() == [f"{number}.done.yaml" for number in range(5)]


def test_of_movers_to_different_targets_one_wins_and_no_other_object_is_left(place: Place) -> None:
    generation = put(place, "x.config.yaml")

    def race(number: int, store: Store) -> bool:
        return moved(store, place.url("x.config.yaml"), generation, place.url(f"x.{number}.yaml"))

    results = at_once(8, race, place)
    assert sorted(results) == [False] * 7 + [True]
    assert place.names() == [f"x.{results.index(True)}.yaml"]


# delete


def test_deletes_and_minds_not_if_it_is_gone(place: Place) -> None:
    generation = put(place, "sub/x")
    place.store.delete(place.url("sub/x"))
    place.store.delete(place.url("sub/x"))
    place.store.delete(place.url("sub/x"), if_generation=generation)
    place.store.delete(place.url("never/was"))
    assert place.names() == []


def test_deletes_the_named_generation(place: Place) -> None:
    generation = put(place, "x")
    place.store.delete(place.url("x"), if_generation=generation)
    assert place.names() == []


def test_delete_of_another_generation_is_a_conflict(place: Place) -> None:
    old = put(place, "x", b"one")
    put(place, "x", b"two")
    with pytest.raises(Conflict):
        place.store.delete(place.url("x"), if_generation=old)
    assert place.store.read(place.url("x")).data == b"two"


def at_once(count: int, do: Callable[[int, Store], bool], place: Place) -> list[bool]:
    """What `count` nodes, each with a store of its own, got when they did it at the same moment."""
    stores = [place.another() for _ in range(count)]
    barrier = threading.Barrier(count)

    def one(number: int) -> bool:
        barrier.wait(60)
        return do(number, stores[number])

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def moved(store: Store, source: str, generation: str, target: str) -> bool:
    try:
        return store.move(source, generation, target)
    except (NotFound, Conflict):
        return False


def created(store: Store, url: str, data: bytes) -> bool:
    try:
        store.write(url, data, if_generation=ABSENT)
    except Conflict:
        return False
    return True
