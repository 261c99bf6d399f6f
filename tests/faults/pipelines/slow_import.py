"""Waits while it is imported, which is the first thing Luigi does in its process."""

import os
import time

from faulty import Touch, note

note(os.environ["IMPORTING"], str(os.getpid()))
_end = time.monotonic() + 240
while not os.path.exists(os.environ["GO"]):
    if time.monotonic() > _end:
        raise TimeoutError(os.environ["GO"])
    time.sleep(0.02)


class Slow(Touch):
    """Done at once, when it comes to that."""
