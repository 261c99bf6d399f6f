"""Signals that ask to stop are heard, whichever thread the kernel gives them to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

PROGRAM = """
import signal, sys, threading
from poltergust.base.stopping import Stopping, signals_stop

stopping = Stopping()
ready = threading.Event()

def other():
    ready.set()
    sys.stdin.readline()
    for number in sys.argv[1:]:
        signal.pthread_kill(threading.get_ident(), int(number))

with signals_stop(stopping):
    threading.Thread(target=other, daemon=True).start()
    ready.wait()
    print("waiting", flush=True)
    stopping.wait()
    while len(sys.argv) > 2 and not stopping.now:
        pass
print("now" if stopping.now else "draining")
"""


def stopped_by(*numbers: int) -> str:
    """What the program says last, whose main thread waits while another one gets these signals."""
    argv = [sys.executable, "-c", PROGRAM, *map(str, numbers)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "waiting\n"
            return program.communicate("go\n", timeout=30)[0].strip()
        finally:
            program.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_drains(number: int) -> None:
    assert stopped_by(number) == "draining"


def test_two_stop_now() -> None:
    assert stopped_by(signal.SIGTERM, signal.SIGINT) == "now"


def test_what_was_there_before_is_there_afterwards() -> None:
    from poltergust.base.stopping import Stopping, signals_stop

    read, write = os.pipe()
    os.set_blocking(write, False)
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    theirs = signal.set_wakeup_fd(write)
    try:
        with signals_stop(Stopping()):
            pass
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
        assert signal.set_wakeup_fd(theirs) == write
    finally:
        signal.set_wakeup_fd(theirs)
        os.close(read)
        os.close(write)
