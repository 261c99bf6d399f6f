"""The variables of a process that was forked and runs no new program: those it sees, and those that others see.

/proc/PID/environ shows the memory in which the kernel put the variables when the program started (proc(5), `env_start`
and `env_end` of stat). By a mark in it an agent finds what a dead supervisor left (`poltergust/processes/orphans.py`).
"""

import ctypes
import os
from typing import Dict, Mapping


class Variables:
    """Made before any fork. Raises OSError where the system does not say where they are."""

    def __init__(self) -> None:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        self._begin, end = int(fields[50 - 3]), int(fields[51 - 3])
        self._size = end - self._begin
        if self._begin <= 0 or self._size <= 0:
            raise OSError("/proc/self/stat does not say where the variables are")
        with open("/proc/self/environ", "rb") as file:
            given = {entry.partition(b"=")[0] for entry in file.read().split(b"\0")}
        # Such as LC_CTYPE in the C locale (PEP 538).
        self._added = {name: value for name, value in os.environb.items() if name not in given}

    def put(self, variables: Mapping[bytes, bytes]) -> None:
        """These, and what the interpreter itself adds to them, become this process's own."""
        os.environb.clear()
        os.environb.update({**self._added, **variables})

    def show(self, variables: Dict[bytes, bytes]) -> None:
        """Others see these, as many of the first as there is room for. Only after `put`: what was there is gone."""
        data = b""
        for name, value in variables.items():
            if len(data) + len(name) + len(value) + 2 <= self._size:
                data += name + b"=" + value + b"\0"
        ctypes.memset(self._begin, 0, self._size)
        ctypes.memmove(self._begin, data, len(data))
