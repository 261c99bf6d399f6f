"""Settings as people write them."""

from __future__ import annotations

import pytest

from poltergust.node.settings import parse_path


@pytest.mark.parametrize("text", ["gs://bucket/pipeline", "gs://bucket/pipeline/", "gs://bucket/pipeline\n"])
def test_a_path_in_a_bucket(text: str) -> None:
    """A line break is that of the file whose text the variable has."""
    assert parse_path(text).prefix == "gs://bucket/pipeline/"
