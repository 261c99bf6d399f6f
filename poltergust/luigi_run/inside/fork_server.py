"""The fork server of one environment: a process with Luigi imported, from which the agent has each run forked.

    agent ── {"supervisor": FILE, "preload": [NAME, …], "environ": {…}}, one line ──> server
    agent <── {"ready": true} or {"refused": WHY}, one line ── server
    agent ── one byte with five descriptors: order, status, output, control, result ──> server, for each run

A fork becomes the run's supervisor (`poltergust/processes/supervisor.py`, which says the rest by its own descriptors),
that one's child the run. The server is single-threaded, never imports a pipeline's code, and ends with its agent: while
it imports the kernel ends it (SIGIO), later it reads the end of the socket. Runs outlive it.
"""

import contextlib
import fcntl
import gc
import importlib
import importlib.util
import json
import os
import signal
import socket
import struct
import sys
import time
import traceback
from typing import Any, Dict, List

from . import finding, fresh, guards, luigi_import, process
from .ending import Ended, describe
from .variables import Variables
from .warm_supervisor import Forked, warm_supervisor

DESCRIPTORS = struct.Struct("5i")
NEEDED_LATER = ("judging", "remote", "working")  # of this package
THREADS_END_SECONDS = 2.0  # for those that a library ends before a fork
IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)  # for the agent, which ends the server


class CannotServe(Exception):
    """No run can be forked from this process."""


def main() -> int:
    """Ends the process, but in a run: that returns its exit code."""
    agent = socket.socket(fileno=int(os.environ.pop("POLTERGUST_FORK_SERVER")))
    orders = json.loads(agent.makefile("rb").readline())
    supervisor = load_supervisor(orders["supervisor"])
    supervisor.become_subreaper(True)  # what a module starts becomes our child, and is seen
    watch_for_its_end(agent, True)
    try:
        shown = Variables()
        before = fresh.Before()
        import_all(orders["preload"])
        check_single(supervisor)
        before.modules_loaded()
    except CannotServe as why:
        agent.sendall(json.dumps({"refused": str(why)}).encode("ascii") + b"\n")
        for pid in supervisor.descendants([os.getpid()], supervisor.parents()):
            os.kill(pid, signal.SIGKILL)
        os._exit(1)
    supervisor.become_subreaper(False)  # a supervisor's orphans are the agent's to find
    watch_for_its_end(agent, False)
    for number in (signal.SIGCHLD, *IGNORED):
        signal.signal(number, signal.SIG_IGN)  # of SIGCHLD: nobody waits for supervisors that ended
    environ = {os.fsencode(name): os.fsencode(value) for name, value in orders["environ"].items()}
    gc.collect()
    # Collections in the forks leave the shared pages alone. Python 3.6 has no fork server.
    gc.freeze()  # novm
    agent.sendall(b'{"ready": true}\n')
    with contextlib.suppress(Forked):
        serve(agent, supervisor, environ, shown, before)
    return process.main()


def load_supervisor(path: str) -> Any:
    """Under a name of this package: a pipeline may have a module called supervisor."""
    name = __package__ + ".supervisor"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("cannot load " + path)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def watch_for_its_end(agent: socket.socket, on: bool) -> None:
    """Whether SIGIO, which nobody handles, ends this process when the agent closes its end: fcntl(2), O_ASYNC."""
    flags = fcntl.fcntl(agent, fcntl.F_GETFL)
    fcntl.fcntl(agent, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(agent, fcntl.F_SETFL, flags | os.O_ASYNC if on else flags & ~os.O_ASYNC)
    agent.setblocking(False)
    try:
        if not agent.recv(1, socket.MSG_PEEK):
            os._exit(0)  # it was gone before
    except BlockingIOError:
        pass
    finally:
        agent.setblocking(True)


def import_all(names: List[str]) -> None:
    """Luigi, what a run needs later, and of `names` what the environment holds: modules that stand elsewhere are the
    user's own code, which each run reads for itself."""
    try:
        luigi_import.import_luigi()
        for name in NEEDED_LATER:
            importlib.import_module("." + name, __package__)
        importlib.import_module("luigi.contrib.external_program")
        with guards.no_run_while_importing():
            for name in names:
                if installed(name.partition(".")[0]):
                    finding.load_module(name)
    except Ended as error:
        raise CannotServe(error.detail) from None
    except BaseException as error:
        raise CannotServe("importing Luigi failed: " + describe(error)) from error


def installed(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    origin = os.path.abspath(getattr(spec, "origin", None) or os.sep)
    return any(origin.startswith(os.path.join(prefix, "")) for prefix in (sys.prefix, sys.base_prefix))


def check_single(supervisor: Any) -> None:
    """A fork copies one thread: what others hold, a lock for example, would be held for ever."""
    pid = os.fork()  # libraries that prepare for it, such as OpenBLAS, end their threads now
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    end = time.monotonic() + THREADS_END_SECONDS
    while len(os.listdir("/proc/self/task")) > 1:
        if time.monotonic() > end:
            raise CannotServe("a module of preload started a thread")
        time.sleep(0.01)
    if supervisor.descendants([os.getpid()], supervisor.parents()):
        raise CannotServe("a module of preload started a process")


def serve(
    agent: socket.socket, supervisor: Any, environ: Dict[bytes, bytes], shown: Variables, before: fresh.Before
) -> None:
    """Fork a supervisor for each byte until the agent is gone. Raises `Forked` in a run; never returns."""
    while True:
        data, ancillary, _, _ = agent.recvmsg(1, socket.CMSG_SPACE(DESCRIPTORS.size), socket.MSG_CMSG_CLOEXEC)
        if not data:
            os._exit(0)
        received = b"".join(data for _, kind, data in ancillary if kind == socket.SCM_RIGHTS)
        fds = [number for (number,) in struct.iter_unpack("i", received)]
        if len(fds) == DESCRIPTORS.size // 4:  # else the process may not have that many
            try:
                if os.fork() == 0:
                    agent.close()
                    supervise(supervisor, fds, environ, shown, before)
            except OSError as error:
                with contextlib.suppress(BrokenPipeError):
                    os.write(fds[1], b"failed fork %d\n" % (error.errno or 0))
        for fd in fds:
            os.close(fd)


def supervise(
    supervisor: Any, fds: List[int], environ: Dict[bytes, bytes], shown: Variables, before: fresh.Before
) -> None:
    """In the fork: be a supervisor to the end. Raises `Forked` in its child."""
    try:
        order, status, output, control, result = fds
        os.setsid()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        shown.put(environ)  # for the last word, which is the agent's
        supervisor.serve(warm_supervisor(supervisor, shown, before)(order, status, control, result))
    except Forked:
        raise
    except BaseException:  # noqa: BLE001 - the server's loop is not this process's
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
