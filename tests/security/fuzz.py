"""How the fuzzers of this folder search: a short slice, or for POLTERGUST_LONG=1 a hundred times as long.

Derandomized: the same code sees the same cases. POLTERGUST_SEED=number looks elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from hypothesis import seed, settings
from hypothesis import strategies as st

F = TypeVar("F", bound=Callable[..., None])

EXAMPLES = 4000 if os.environ.get("POLTERGUST_LONG") else 40
SEED = os.environ.get("POLTERGUST_SEED")


def fuzzed(test: F) -> F:
    """Below `@given`: how much of what that draws is tried."""
    limited: F = settings(max_examples=EXAMPLES, deadline=None, derandomize=SEED is None)(test)
    return seed(int(SEED))(limited) if SEED is not None else limited


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
