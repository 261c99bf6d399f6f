"""What the tests in a browser share: one browser, one cluster with a page in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.browser import chromium
from tests.dashboard.cluster import Cluster, cluster

expect.set_options(timeout=30_000)  # milliseconds; Playwright's own five seconds are little on a busy machine


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def live(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three agents, and the page as the command serves it. After the browser: without one nothing is started."""
    root: Path = tmp_path_factory.mktemp("cluster")
    with cluster(root, tmp_path_factory.mktemp("cache")) as running, running.served():
        yield running
