"""One Pub/Sub emulator for the whole folder; each test has a project of its own on it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests import needs
from tests.emulators.pubsub import pubsub_emulator


@dataclass(frozen=True)
class Cloud:
    """HOST:PORT of the Pub/Sub emulator and a fresh project's id."""

    host: str
    project: str = field(default_factory=lambda: f"project-{secrets.token_hex(4)}")


@pytest.fixture(scope="session")
def pubsub() -> Iterator[str]:
    needs.terraform()
    with pubsub_emulator() as host:
        yield host


@pytest.fixture
def cloud(pubsub: str) -> Cloud:
    return Cloud(pubsub)
