"""A command that misbehaves: ``python misbehave.py MODE TOKEN``. Started by the tests; TOKEN marks it in /proc."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import NoReturn


def say(text: str) -> None:
    os.write(1, text.encode() + b"\n")


def linger() -> NoReturn:
    """Stay for ever; the tests must end it."""
    while True:
        time.sleep(1000)


def fork(body: Callable[[], object]) -> None:
    if os.fork() == 0:
        body()
        linger()


def twice(body: Callable[[], object]) -> None:
    """Forked twice: the process in the middle ends, so that `body` runs in an orphan."""
    middle = os.fork()
    if middle == 0:
        fork(body)
        os._exit(0)
    os.waitpid(middle, 0)


def closed() -> None:
    os.setsid()
    os.closerange(0, 100)


def stubborn() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def nameless() -> None:
    """No environment, a session of its own."""
    os.setsid()
    os.execve(sys.executable, [sys.executable, "-I", "-S", __file__, "linger", sys.argv[2]], {})


def nine() -> None:
    """Nine descendants of every kind: see the count in each line."""
    fork(lambda: None)  # 1
    fork(lambda: fork(lambda: None))  # 3
    fork(os.setsid)  # 4
    fork(closed)  # 5
    fork(stubborn)  # 6
    twice(lambda: None)  # 7
    twice(os.setsid)  # 8
    fork(nameless)  # 9


def talk() -> None:
    control = os.fdopen(int(os.environ["POLTERGUST_CONTROL_FD"]))
    result = os.fdopen(int(os.environ["POLTERGUST_RESULT_FD"]), "w")
    for line in control:
        message = json.loads(line)
        say(f"got {message['n']}")
        result.write(json.dumps({"n": message["n"], "size": len(message.get("text", ""))}) + "\n")
        result.flush()
        if message.get("last"):
            return


def main(mode: str) -> None:
    if mode == "linger":
        linger()
    elif mode == "nine-and-wait":
        nine()
        linger()
    elif mode == "nine-and-end":
        nine()
        sys.exit(7)
    elif mode == "daemon":  # ends at once; what it left holds the output pipe
        twice(os.setsid)
        say("the daemon runs")
    elif mode == "ignore-term":
        stubborn()
        say("ready")
        linger()
    elif mode == "group":
        fork(lambda: signal.signal(signal.SIGUSR1, lambda *_: os._exit(0)))
        signal.signal(signal.SIGUSR1, lambda *_: (os.waitpid(-1, 0), sys.exit(5)))
        say("ready")
        linger()
    elif mode == "huge":
        line = b"x" * 99 + b"\n"
        for _ in range(2000):
            os.write(1, line * 250)
    elif mode == "talk":
        talk()
    elif mode == "descriptors":
        say(json.dumps(sorted(map(int, os.listdir("/proc/self/fd")))))
    elif mode == "memory":
        os.kill(os.getpid(), signal.SIGKILL)
    else:
        raise SystemExit(f"unknown mode {mode}")


if __name__ == "__main__":
    main(sys.argv[1])
