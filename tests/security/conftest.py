"""Where attacker and attacked meet."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def common() -> Iterator[Path]:
    """A folder in which everybody may do everything: /tmp is one on many machines."""
    made = Path(tempfile.mkdtemp(prefix="poltergust-common-")).resolve()
    made.chmod(0o777)
    yield made
    shutil.rmtree(made)
