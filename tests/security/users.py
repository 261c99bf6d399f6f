"""Another user of the machine: what an attacker does, and what an agent that is not root may do."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65534
REPOSITORY = Path(__file__).parents[2]

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


def python_for_all(folder: Path) -> str:
    """A Python that every user can start, of the tests' own version and with their packages: the tests' own may lie in
    a home that is closed. It is made in `folder`; skips where this machine has none."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = Path(os.__file__).parent
    if all(at.stat().st_mode & 0o005 == 0o005 for at in (own, *own.parents)):
        return sys.executable
    if not os.path.exists(f"/usr/bin/{name}"):
        pytest.skip(f"{own} is closed to other users, and there is no /usr/bin/{name}")
    subprocess.run([f"/usr/bin/{name}", "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    packages = folder / "lib" / name / "site-packages"
    (packages / "tests.pth").write_text(f"{sysconfig.get_path('purelib')}\n{REPOSITORY}\n", encoding="utf-8")
    return str(folder / "bin" / "python")
