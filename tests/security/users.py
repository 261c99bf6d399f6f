"""Another user of the machine: what an attacker does, and what an agent that is not root may do."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="to act as another user the tests have to run as root")


@contextlib.contextmanager
def acting_as(user: int) -> Iterator[None]:
    """This process has the rights of `user`, and of no group but its own, on every file; root's again afterwards."""
    groups, group, own = os.getgroups(), os.getegid(), os.geteuid()
    os.setgroups([])
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(own)
        os.setegid(group)
        os.setgroups(groups)
