"""What the tests of outcomes share: one cache of environments and one luigid for all, a place for each module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.paths import Bucket, Folder, Place
from tests.emulators.gcs import strict_gcs
from tests.emulators.luigid import luigid


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Environments are built once for all tests that ask for the same."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with luigid(tmp_path_factory.mktemp("luigid")) as url:
        yield url


@pytest.fixture(scope="module", params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A fresh path with a plain environment, one for each module and kind."""
    if request.param == "folder":
        folder = Folder(tmp_path_factory.mktemp("folder"))
        folder.environment("plain")
        yield folder
        return
    with strict_gcs() as server:
        bucket = Bucket(server, tmp_path_factory.mktemp("bucket"))
        bucket.environment("plain")
        yield bucket
