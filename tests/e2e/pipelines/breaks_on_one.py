"""Cannot be imported on the node `one`."""

import os

from waits import Gate, Gates  # noqa: F401

if os.environ.get("NODE") == "one":
    raise ImportError("libmoon.so.5: cannot open shared object file")
