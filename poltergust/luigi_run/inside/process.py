"""The life of the process: descriptors and signals first, then the run, the result, and an end that nothing delays."""

import os
import signal
import threading
import time
from typing import Any

from . import clearing, leaving, logs
from .channel import AGENT_GONE, Channel
from .running import PipelineRun

EXIT_SECONDS = 10  # for the pipeline's own threads and exit handlers once the result is sent


def main() -> int:
    channel = Channel(os.environ)
    log = logs.keep_standard_error()
    interrupt_on_terminate()
    first = channel.receive()
    if first is None or "request" not in first:
        return AGENT_GONE
    clear = first.get("clear")
    if clear is not None:
        clearing.converse(channel, first["request"], clear["family"], clear["known"], log)
        return 0
    run = PipelineRun(channel, first["request"], log)
    channel.listen(run.drain)
    result = run.result()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    channel.send({"result": result})
    threading.Thread(target=exit_late, args=(log,), name="poltergust-exit", daemon=True).start()
    leaving.leave(0, run.modules_before, EXIT_SECONDS)
    return 0


def exit_late(log: int) -> None:
    time.sleep(EXIT_SECONDS)
    text = "the process is ended {} s after its result: threads or exit handlers of the pipeline are cut off"
    logs.write_line(log, "poltergust: " + text.format(EXIT_SECONDS))
    os._exit(0)


def interrupt_on_terminate() -> None:
    """SIGTERM as SIGINT: left alone it would end this process at once and orphan its task processes."""
    owner = os.getpid()

    def handler(number: int, frame: Any) -> None:
        if os.getpid() == owner:
            raise KeyboardInterrupt
        signal.signal(number, signal.SIG_DFL)  # a forked task process: as if there were no handler
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may have had it ignored
    end_forks_by_terminate(handler)


def end_forks_by_terminate(handler: Any) -> None:
    """A fork has the kernel end it, and no handler: Python forgets what came before the fork has set itself up
    (PyOS_AfterFork_Child), and `multiprocessing.Pool` would wait for ever for a process that was told to end then."""
    if not hasattr(os, "register_at_fork"):
        return  # Python 3.6
    before = threading.local()

    def hold() -> None:
        before.mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

    def release() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before.mask)

    def as_if_there_were_none() -> None:
        if signal.getsignal(signal.SIGTERM) is handler:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        release()

    os.register_at_fork(before=hold, after_in_parent=release, after_in_child=as_if_there_were_none)  # novm
