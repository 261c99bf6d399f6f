"""How often the kernel killed a process for want of memory: the one trace that an out-of-memory kill leaves us. And
how much is left before it does, and how little of it this process takes.

The counters know nothing of single processes. A command counts as killed for memory when it died by a SIGKILL that we
did not send (or ended with 137, as shells and Luigi report such a death of their own child) and the counter rose while
it ran. With several commands on one node an unlucky coincidence can name the wrong reason; never the wrong outcome row,
since both reasons are "this node cannot".

Sources: cgroup v2 ``memory.events`` (`oom_kill`, which counts the cgroup and all below it), where the kernel shows it;
else cgroup v1 ``memory.oom_control``; and always ``/proc/vmstat`` (`oom_kill`, the whole machine, Linux 4.13 on).
https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
from pathlib import Path

_M_ARENA_MAX = -8  # malloc.h
_CGROUPS = Path("/sys/fs/cgroup")


def oom_kills(cgroup_file: Path = Path("/proc/self/cgroup"), vmstat: Path = Path("/proc/vmstat")) -> int:
    """The sum of all readable counters; only a difference between two calls means something. 0 where there is none."""
    return sum(_count(path) for path in (*_counters(cgroup_file), vmstat))


def memory_left(meminfo: Path = Path("/proc/meminfo")) -> float:
    """The part of the machine's memory that programs can still have, 0.0 to 1.0; 1.0 where the kernel does not say."""
    try:
        sizes = {line.partition(":")[0]: line.split()[1] for line in meminfo.read_text().splitlines()}
        return int(sizes["MemAvailable"]) / int(sizes["MemTotal"])
    except (OSError, KeyError, IndexError, ValueError, ZeroDivisionError):
        return 1.0


def few_arenas() -> None:
    """Keep glibc from giving threads heaps of their own, eight for each core (mallopt(3), M_ARENA_MAX).

    What is free in one is of no use to the others, so that an agent grew by a tenth over its first hundred runs, each
    with threads of its own. With the interpreter lock two are enough. To be called before threads are started; does
    nothing where the C library is another.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def release_free_memory() -> None:
    """Give the kernel back what is free in the C library's heaps, which keeps it (malloc_trim(3)): imports leave 3 MB
    so, a long listing much more."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def freeze_loaded() -> None:
    """Leave what was made so far, the modules above all, out of the garbage collector's looks (`gc.freeze`).

    It looks at everything old only when a quarter as much has grown old since
    (https://devguide.python.org/internals/garbage-collector/). Beside the 70,000 objects of Google's clients that lets
    megabytes of answers that lie in cycles, as those of failed requests do, stand for minutes.
    """
    gc.freeze()
    gc.collect()  # the quarter is one of what the latest full collection left in sight


def _counters(cgroup_file: Path) -> list[Path]:
    try:
        lines = cgroup_file.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        below = path.lstrip("/")
        if controllers == "":
            found.append(_CGROUPS / below / "memory.events")
        elif "memory" in controllers.split(","):
            found.append(_CGROUPS / "memory" / below / "memory.oom_control")
    return found


def _count(path: Path) -> int:
    try:
        for line in path.read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    except OSError:
        return 0  # not on this kernel, or not shown in this container
    return 0
