"""How a run's process ends: as Python ends a process, but for what is not the pipeline's.

At its end Python clears every module. In a fork of the fork server each of their pages has to be copied for that, which
takes longer than a small pipeline. And what a daemon thread holds is never cleared: ours hold the pipeline, whose files
that it left open would lose what was not written yet. So the modules that the pipeline brought are cleared here, and
the others are left to the kernel. The order is Py_FinalizeEx's (cpython/Python/pylifecycle.c): threads that are no
daemons, exit handlers, standard streams, modules, at last C's own exit handlers.
"""

# mypy: allow-untyped-calls
import _io
import atexit
import contextlib
import gc
import signal
import sys
import threading
from types import ModuleType
from typing import Any, FrozenSet, List

FLUSH_FAILED = 120  # the exit code of a Python that cannot write what is left of its standard streams


def leave(code: int, shared: FrozenSet[str], seconds: int) -> None:
    """Does not return, but in a Python without ctypes, which then ends in its own way. `shared` are the names of the
    modules that were imported before the pipeline's; C's own exit handlers get so many `seconds`."""
    try:
        from ctypes import pythonapi
    except ImportError:
        return
    end: Any = pythonapi.exit
    threads: Any = threading
    handlers: Any = atexit
    for wait in (threads._shutdown, handlers._run_exitfuncs):
        with contextlib.suppress(BaseException):  # it has been said
            wait()
    if not flushed(sys.stdout) or not flushed(sys.stderr):
        code = code or FLUSH_FAILED
    setattr(threading, "excepthook", lambda _: None)  # noqa: B010  # daemon threads stand still by now in a Python that ends
    clear([module for name, module in list(sys.modules.items()) if name not in shared and is_module(module)])
    gc.collect()
    for each in gc.get_objects():  # those too that something shared still holds
        if issubclass(type(each), _io._IOBase):  # isinstance would ask a proxy what it stands for
            flushed(each)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)  # the kernel's: no thread of ours goes on
    end(code)  # holds the interpreter's lock, so that no thread goes on


def flushed(stream: Any) -> bool:
    try:
        if stream is not None and not stream.closed:
            stream.flush()
    except Exception:  # noqa: BLE001 - a stream of whatever kind, which nobody will use any more
        return False
    return True


def is_module(value: Any) -> bool:
    """A library may put anything among them."""
    return issubclass(type(value), ModuleType)


def clear(modules: List[Any]) -> None:
    """The latest first; in each, names with one underscore go first (cpython/Objects/moduleobject.c). A module that is
    loaded when it is looked at (`importlib.util.LazyLoader`) is not looked at."""
    for module in reversed(modules):
        names = object.__getattribute__(module, "__dict__")
        for first in (True, False):
            for name in list(names):
                if name != "__builtins__" and (name[:1] == "_" and name[1:2] != "_") is first:
                    names[name] = None
