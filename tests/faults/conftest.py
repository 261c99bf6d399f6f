"""Clusters to break: one for each module, one environment cache for all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulators.pubsub import pubsub_emulator
from tests.faults.cluster import Cluster, cluster

LONG = os.environ.get("POLTERGUST_LONG") == "1"
"""Whether to take as long as it needs: the default is sized for every change, the rest for a night."""

long = pytest.mark.skipif(not LONG, reason="takes minutes: set POLTERGUST_LONG=1")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Environments are built once for all these tests; the agents share them as the agents of one machine do."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Cluster]:
    """A cluster without notifications whose agents scan every two seconds, and have short patience when stopped."""
    with cluster(tmp_path_factory.mktemp("cluster"), cache, "--reconcile-interval", "2s") as made:
        yield made


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Cluster]:
    """A cluster with notifications whose agents scan every two hours: what happens is due to notifications."""
    folder = tmp_path_factory.mktemp("cluster")
    with pubsub_emulator() as emulator, cluster(folder, cache, "--reconcile-interval", "2h", emulator=emulator) as made:
        yield made
