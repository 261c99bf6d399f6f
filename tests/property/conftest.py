"""Simulated worlds for the stories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.property.world import World, simulated


@pytest.fixture
def one(tmp_path: Path) -> Iterator[World]:
    with simulated(1, tmp_path) as world:
        yield world


@pytest.fixture
def two(tmp_path: Path) -> Iterator[World]:
    with simulated(2, tmp_path) as world:
        yield world
