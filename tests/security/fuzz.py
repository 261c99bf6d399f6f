"""How long the fuzzers of this folder search: a short slice, or for POLTERGUST_LONG=1 a hundred times as long."""

from __future__ import annotations

import os

from hypothesis import settings
from hypothesis import strategies as st

fuzzed = settings(max_examples=4000 if os.environ.get("POLTERGUST_LONG") else 40, deadline=None)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
