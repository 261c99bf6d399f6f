"""The table of `poltergust env list` on a terminal: every line fits, whatever stands in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from poltergust.cli.env.listing import _table
from poltergust.environments.eviction import Cached
from poltergust.environments.marker import Marker
from tests.unit.cli.test_screens import drawn

NOW = 1_750_000_000.0


def cached(key: str, users: tuple[int, ...]) -> Cached:
    url = "gs://mybucket/environment/europe/west/reports-of-the-whole-group-by-country.yaml"
    marker = Marker(key, url, "/usr/bin/python3.11", "3.11.7", "a@b", "uv", {}, NOW - 9e6, 9.8, 1_200_000_000)
    return Cached(key, Path("/cache") / key, marker, NOW - 5e6, users)


@pytest.mark.parametrize("width", [60, 80])
def test_it_fits(width: int) -> None:
    found = [cached("py3.11-c621c733cb82-1", tuple(range(41_000, 41_020))), cached("py3.11-0d51c2a9cb82-2", ())]
    lines = drawn(_table(found, NOW, width), width).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].split()[:4] == ["KEY", "PYTHON", "SIZE", "USED"]
    assert "41000 +19" in lines[1]
    assert "…" not in "".join(lines)
