"""Listings and partial responses of the strict server."""

from __future__ import annotations

import itertools
import json
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from google.api_core.exceptions import BadRequest

from tests.emulators.gcs import StrictGcs, resources, strict_gcs
from tests.emulators.gcs.errors import ApiError
from tests.emulators.gcs.listing import glob_pattern

NAMES = [
    "a.config.yaml",
    "a/b.config.yaml",
    "a/b/c.config.yaml",
    "a/b/c.done.yaml",
    "a0",
    "b/",
    "b/x",
    "c",
    "é",
]


@pytest.fixture(scope="module")
def server() -> Iterator[StrictGcs]:
    with strict_gcs() as running:
        running.create_bucket("bkt")
        for name in reversed(NAMES):
            running.put("bkt", name, b"data")
        yield running


def listed(server: StrictGcs, **query: object) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{server.url}/storage/v1/b/bkt/o?{urlencode(query)}", timeout=30) as answer:
        made: dict[str, Any] = json.load(answer)
        return made


def names(page: dict[str, Any]) -> list[str]:
    return [item["name"] for item in page.get("items", [])]


def test_order_is_that_of_the_bytes(server: StrictGcs) -> None:
    assert names(listed(server)) == NAMES
    assert sorted(NAMES, key=str.encode) == NAMES


@pytest.mark.parametrize(
    ("query", "items", "prefixes"),
    [
        ({"prefix": "a/"}, ["a/b.config.yaml", "a/b/c.config.yaml", "a/b/c.done.yaml"], []),
        ({"prefix": "a", "delimiter": "/"}, ["a.config.yaml", "a0"], ["a/"]),
        ({"delimiter": "/"}, ["a.config.yaml", "a0", "c", "é"], ["a/", "b/"]),
        ({"delimiter": "/", "includeTrailingDelimiter": "true"}, ["a.config.yaml", "a0", "b/", "c", "é"], ["a/", "b/"]),
        ({"prefix": "a/", "delimiter": "/"}, ["a/b.config.yaml"], ["a/b/"]),
        ({"prefix": "nothing"}, [], []),
        ({"startOffset": "a0", "endOffset": "c"}, ["a0", "b/", "b/x"], []),
        ({"matchGlob": "**.config.yaml"}, ["a.config.yaml", "a/b.config.yaml", "a/b/c.config.yaml"], []),
        ({"matchGlob": "*.config.yaml"}, ["a.config.yaml"], []),
        ({"matchGlob": "a/**.{done,error}.yaml", "prefix": "a/"}, ["a/b/c.done.yaml"], []),
        ({"softDeleted": "true"}, [], []),
    ],
)
def test_what_a_listing_holds(server: StrictGcs, query: dict[str, str], items: list[str], prefixes: list[str]) -> None:
    page = listed(server, **query)
    assert (names(page), page.get("prefixes", [])) == (items, prefixes)
    assert "nextPageToken" not in page


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_pages_add_up_to_the_whole(server: StrictGcs, size: int, delimiter: str) -> None:
    whole = listed(server, delimiter=delimiter)
    found, prefixes, token = [], [], ""
    for _ in itertools.count():
        page = listed(server, delimiter=delimiter, maxResults=size, pageToken=token)
        assert len(names(page)) + len(page.get("prefixes", [])) <= size
        found += names(page)
        prefixes += page.get("prefixes", [])
        if not (token := page.get("nextPageToken", "")):
            break
    assert (found, prefixes) == (names(whole), whole.get("prefixes", []))


def test_a_thousand_to_a_page() -> None:
    with strict_gcs() as server:
        server.create_bucket("bkt")
        for number in range(1001):
            server.put("bkt", f"{number:05}", b"")
        assert len(names(listed(server))) == 1000
        assert len(names(listed(server, maxResults=5000))) == 1000
        blobs = server.client().list_blobs("bkt", fields="items(name),nextPageToken")
        assert len(list(blobs)) == 1001
        assert len(server.calls("objects.list")) == 4
        # Fields without nextPageToken end the iteration after one page, as they do on Google's side.
        assert len(list(server.client().list_blobs("bkt", fields="items(name)"))) == 1000


def test_fields_are_all_there_is(server: StrictGcs) -> None:
    page = listed(server, fields="items(name,size),nextPageToken", maxResults=2)
    assert page == {
        "items": [{"name": "a.config.yaml", "size": "4"}, {"name": "a/b.config.yaml", "size": "4"}],
        "nextPageToken": page["nextPageToken"],
    }


RESOURCE = {"a": 1, "b": {"c": 2, "d": {"e": 3, "f": 4}}, "g": [{"h": 5, "i": 6}, {"h": 7}]}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("a", {"a": 1}),
        ("*", RESOURCE),
        ("b/c", {"b": {"c": 2}}),
        ("b(c,d/e)", {"b": {"c": 2, "d": {"e": 3}}}),
        ("b/d(e,f),a", {"a": 1, "b": {"d": {"e": 3, "f": 4}}}),
        ("g/h", {"g": [{"h": 5}, {"h": 7}]}),
        ("g(i)", {"g": [{"i": 6}, {}]}),
        ("b/*", {"b": RESOURCE["b"]}),
        ("b/c,b/d/f", {"b": {"c": 2, "d": {"f": 4}}}),
        ("nothing", {}),
    ],
)
def test_field_selectors(fields: str, expected: object) -> None:
    assert resources.selected(RESOURCE, fields) == expected


@pytest.mark.parametrize("fields", ["a(", "a)", "a,,b", "(a)", "a/"])
def test_field_selectors_that_are_wrong(fields: str) -> None:
    with pytest.raises(ApiError):
        resources.selected(RESOURCE, fields)


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("*", ["a", "a.b"], ["a/b"]),
        ("**", ["a", "a/b", "a/b\nc"], []),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("[ab]*", ["a", "bx"], ["c", "a/b"]),
        ("[!a]x", ["bx"], ["ax", "/x"]),
        ("[a-c]", ["b"], ["d", "-"]),
        ("{one,t*o}/x", ["one/x", "two/x"], ["three/x"]),
        (r"\*", ["*"], ["a"]),
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_globs(glob: str, matching: list[str], other: list[str]) -> None:
    pattern = glob_pattern(glob)
    assert [bool(pattern.fullmatch(name)) for name in matching] == [True] * len(matching)
    assert [bool(pattern.fullmatch(name)) for name in other] == [False] * len(other)


@pytest.mark.parametrize("query", [{"match_glob": "[a"}, {"match_glob": "{a"}, {"match_glob": "*", "delimiter": "-"}])
def test_globs_that_are_wrong(server: StrictGcs, query: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        list(server.client().list_blobs("bkt", **query))
