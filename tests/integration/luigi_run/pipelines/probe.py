"""Everything that a program can see of the process it runs in, in a form that two processes can be compared by."""

# mypy: ignore-errors
import atexit
import builtins
import decimal
import gc
import json
import locale
import logging
import multiprocessing
import os
import random
import re
import resource
import signal
import site
import socket
import stat
import sys
import tempfile
import threading
import time
import uuid
import warnings
from typing import Any

import luigi
import luigi.configuration
import luigi.setup_logging
from luigi.task_register import Register

MODULES = sorted(sys.modules)


def seen() -> dict:
    config = luigi.configuration.get_config()
    return {
        "variables": {name: value for name, value in os.environ.items() if name != "POLTERGUST_CHILD"},
        "descriptors": descriptors(),
        "working directory": os.getcwd(),
        "umask": umask(),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if "RLIMIT" in name},
        "signals": {number: text(signal.getsignal(number)) for number in range(1, signal.NSIG)},
        "kernel": status(),
        "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "wake-up descriptor": signal.set_wakeup_fd(-1),
        "timers": [signal.getitimer(timer) for timer in (signal.ITIMER_REAL, signal.ITIMER_PROF)],
        "own session and group": [os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid()],
        "scheduling": [os.nice(0), sorted(os.sched_getaffinity(0)), read("/proc/self/oom_score_adj")],
        "command": [read("/proc/self/cmdline"), read("/proc/self/comm")],
        "argv": [sys.argv, getattr(sys, "orig_argv", None)],
        "path": sys.path,
        "flags": [str(sys.flags), sys.warnoptions, text(sys._xoptions), sys.dont_write_bytecode],
        "interpreter": [sys.executable, sys.prefix, sys.base_prefix, site.ENABLE_USER_SITE],
        "finders": [[text(finder) for finder in found] for found in (sys.meta_path, sys.path_hooks)],
        "modules": MODULES,
        "main": [sorted(vars(sys.modules["__main__"])), sys.modules["__main__"].__file__],
        "builtins": sorted(vars(builtins)),
        "hooks": [sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__, sys.gettrace()],
        "interpreter's limits": [sys.getrecursionlimit(), sys.getswitchinterval(), threading.stack_size()],
        "garbage": [gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.callbacks],
        "exit handlers": getattr(atexit, "_ncallbacks", int)(),
        "streams": [stream(each) for each in (sys.stdin, sys.stdout, sys.stderr)],
        "standard input": sys.stdin.read(),
        "locale": [locale.setlocale(locale.LC_ALL), locale.getpreferredencoding(False), sys.getfilesystemencoding()],
        "time zone": [time.tzname, time.timezone, time.localtime(0)[:6]],
        "temporary": [tempfile.tempdir, tempfile.gettempdir()],
        "threads": sorted(re.sub(r"\d+", "N", thread.name) for thread in threading.enumerate()),
        "main thread": threading.current_thread() is threading.main_thread(),
        "warnings": [text(entry) for entry in warnings.filters],
        "logging": {name: logger(name) for name in ("", "luigi", "luigi-interface", "luigi.scheduler")},
        "log levels": [logging.root.manager.disable, logging.raiseExceptions],
        "processes": [multiprocessing.get_start_method(), multiprocessing.current_process().name],
        "sockets": socket.getdefaulttimeout(),
        "decimals": text(decimal.getcontext()),
        "luigi's configuration": {name: dict(config.items(name)) for name in config.sections()},
        "luigi's files": type(config)._config_paths,
        "luigi's parsers": [text(parser._instance) for parser in luigi.configuration.core.PARSERS.values()],
        "luigi's logging": [
            luigi.setup_logging.InterfaceLogging._configured,
            luigi.setup_logging.DaemonLogging._configured,
            luigi.setup_logging.BaseLogging.config is config,
        ],
        "luigi's tasks": sorted(Register.task_names()),
        "luigi's instances": sorted(text(task) for task in vars(Register)["_Register__instance_cache"].values()),
    }


def differs() -> dict:
    """What has to be another in each process."""
    return {
        "process": os.getpid(),
        "mark": os.environ["POLTERGUST_CHILD"],
        "random": random.random(),
        "random bytes": os.urandom(8).hex(),
        "uuid": str(uuid.uuid4()),
        "temporary name": next(tempfile._get_candidate_names()),
        "key of multiprocessing": bytes(multiprocessing.current_process().authkey).hex(),
    }


def text(value: Any) -> str:
    return re.sub(r"0x[0-9a-f]+", "ADDRESS", repr(value))


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


def umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


def descriptors() -> dict:
    """All but connections to the scheduler: other threads of a Luigi process open and close them at any time."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            kind, where = stat.S_IFMT(os.fstat(int(name)).st_mode), os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue  # of the listing itself
        if stat.S_ISSOCK(kind) and is_internet(int(name)):
            continue
        found[name] = [kind, re.sub(r"\d+", "N", where), os.get_inheritable(int(name)), os.get_blocking(int(name))]
    return found


def is_internet(descriptor: int) -> bool:
    try:
        with socket.socket(fileno=os.dup(descriptor)) as each:
            return each.family in (socket.AF_INET, socket.AF_INET6)
    except OSError:
        return True  # closed since


def status() -> dict:
    """proc(5): who it is, what it ignores and catches, what it may do."""
    lines = dict(line.split(":\t", 1) for line in read("/proc/self/status").splitlines())
    kept = ("Umask", "Uid", "Gid", "Groups", "Threads", "Sig", "Shd", "Cap", "NoNewPrivs", "Seccomp", "TracerPid")
    found = {name: value for name, value in lines.items() if name.startswith(kept)}
    found.pop("SigQ", None)  # how many signals wait for this user's processes
    return found


def stream(each: Any) -> Any:
    names = ("name", "mode", "encoding", "errors", "line_buffering", "write_through", "newlines")
    return [getattr(each, name, None) for name in names] + [each.isatty(), each.seekable(), text(type(each.buffer))]


def logger(name: str) -> Any:
    found = logging.getLogger(name)
    return [found.level, found.propagate, found.disabled, [text(handler) for handler in found.handlers]]


class Probe(luigi.Task):
    """Writes what it sees, and what nobody else may see, to a file; `mark` as everywhere."""

    mark = luigi.Parameter(default=os.path.basename(os.environ.get("SHARED", "")))
    name = luigi.Parameter(default="seen")

    def output(self) -> luigi.LocalTarget:
        return luigi.LocalTarget(os.path.join(os.environ["SHARED"], self.name))

    def run(self) -> None:
        found = {"seen": seen(), "differs": differs()}
        with open(self.output().path, "w") as file:
            json.dump(found, file)
