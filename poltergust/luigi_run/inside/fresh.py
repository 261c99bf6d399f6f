"""What a fork of the fork server has to put right so that a run cannot tell it from a process that was just started."""

# mypy: allow-untyped-calls
import importlib
import logging
import os
import pkgutil
import resource
import signal
import site
import sys
import time
from typing import Any, Dict, List, Tuple

from . import luigi_import

AT_START = ("sitecustomize", "usercustomize")  # imported by a starting interpreter that finds them
LIMITS = sorted({getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")})


class Unlike(Exception):
    """A fresh process would differ from this one in something that cannot be put right."""


class Before:
    """How the server was before it imported anything but this package."""

    def __init__(self) -> None:
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._limits = {number: resource.getrlimit(number) for number in LIMITS}
        self._given = absolute(os.environ.get("PYTHONPATH", ""))
        self._path: List[str] = []
        self._loaded: Dict[str, Tuple[str, int]] = {}

    def modules_loaded(self) -> None:
        """Everything is imported that the forks share."""
        self._path = sys.path[:-1]  # the last is the working directory
        for name, module in list(sys.modules.items()):
            origin = getattr(getattr(module, "__spec__", None), "origin", None)
            if "." not in name and origin and os.path.isabs(origin):
                self._loaded[name] = (origin, changed(origin))

    def restore(self) -> None:
        """In the forked run, in its working directory and with its variables. Raises `Unlike`."""
        os.umask(self._umask)
        for number, limit in self._limits.items():
            if resource.getrlimit(number) != limit:
                resource.setrlimit(number, limit)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_IGN)  # as Python does when it starts
        signal.signal(signal.SIGINT, signal.default_int_handler)
        time.tzset()
        self._find_modules()
        forget()
        try:
            luigi_import.configure_again()
        except ImportError as error:
            raise Unlike("Luigi's configuration cannot be read: " + str(error)) from None

    def _find_modules(self) -> None:
        entries, own = absolute(os.environ.get("PYTHONPATH", "")), len(self._given)
        refuse_shadows(entries, self._loaded)
        if entries == self._given:
            sys.path[:] = self._path
        elif self._path[:own] == self._given:
            sys.path[:] = [*entries, *self._path[own:]]
            untyped: Any = site
            untyped.removeduppaths()
        else:
            raise Unlike("sys.path does not begin with PYTHONPATH in this environment")
        sys.path.append(os.getcwd())
        importlib.invalidate_caches()


def absolute(python_path: str) -> List[str]:
    """Its entries as the interpreter puts them on sys.path: absolute, each once."""
    entries = [os.path.abspath(entry) for entry in python_path.split(os.pathsep)] if python_path else []
    return list(dict.fromkeys(entries))


def changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def refuse_shadows(entries: List[str], loaded: Dict[str, Tuple[str, int]]) -> None:
    """Raises `Unlike` if a fresh process would import from `entries` something else than what is loaded here."""
    for entry in entries:
        for module in pkgutil.iter_modules([entry]):
            origin, time_then = loaded.get(module.name, ("", 0))
            if origin.startswith(os.path.join(entry, "")):
                if changed(origin) != time_then:
                    raise Unlike(f"the module {module.name} in {entry} has changed")
            elif (origin or module.name in AT_START) and module.name != "__main__":
                raise Unlike(f"the module {module.name} in {entry} stands before one that Luigi or Python imports")


def forget() -> None:
    """What modules remember of the process in which they were imported."""
    modules: Dict[str, Any] = dict(sys.modules)
    if "tempfile" in modules:
        modules["tempfile"].tempdir = None
    if "multiprocessing.process" in modules:
        modules["multiprocessing.process"].current_process().authkey = os.urandom(32)
    if "numpy.random" in modules:
        modules["numpy.random"].seed()  # Python's own `random` does so at each fork
    start: Any = logging
    start._startTime = time.time_ns() if isinstance(start._startTime, int) else time.time()  # novm
