"""What this process keeps from others on the machine: its memory, and variables that are for itself alone."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from poltergust.processes.supervisor import prctl

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def keep_private() -> bool:
    """No process of the same user (a task is one) can read this one's memory, variables or descriptors from now on, or
    trace it; root's can. False off Linux.

    The files in /proc/PID belong to root then, and no core is dumped (proc(5), ptrace(2)). What this process starts is
    not concerned: execve(2) resets it.
    """
    return prctl(_PR_SET_DUMPABLE, 0)


def forget(names: Iterable[str]) -> None:
    """Take variables from `os.environ` and blank their values in the memory that /proc/PID/environ shows.

    `os.environ.pop` alone leaves them readable there, for root as well.
    """
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_void_p
    for name in names:
        value = os.environ.get(name)
        place = getenv(name.encode())
        if value and place:
            ctypes.memset(place, ord("*"), len(os.fsencode(value)))
        os.environ.pop(name, None)
