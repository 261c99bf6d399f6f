"""The two message pipes to the agent: JSON objects, one a line, in both directions.

The agent's first message is the request; `drain` may follow at any time, even in the same read. The end
of its pipe means that the agent is gone: then this process has nobody to work for and ends. What is sent is framed by
a newline, not by the end of the pipe, because forked task processes may hold the descriptor longer than this one lives.
"""

import errno
import fcntl
import json
import os
import signal
import threading
from typing import Any, Callable, Dict, Optional

CONTROL, RESULT = "POLTERGUST_CONTROL_FD", "POLTERGUST_RESULT_FD"
AGENT_GONE = 75  # EX_TEMPFAIL of sysexits.h
MIN_DESCRIPTOR = 200  # above what a task's own files reach, so that a loop closing the first hundred leaves these alone


def out_of_the_way(descriptor: int) -> int:
    """The same file under a high number and closed on exec; the old number is free again if that worked."""
    try:
        high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, MIN_DESCRIPTOR)
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL: the process may not have that many
            raise
        os.set_inheritable(descriptor, False)
        return descriptor
    os.close(descriptor)
    return high


class Channel:
    """Made once, before anything of the pipeline is imported."""

    def __init__(self, environ: Any) -> None:
        self._control = out_of_the_way(int(environ.pop(CONTROL)))
        self._result = out_of_the_way(int(environ.pop(RESULT)))
        self._owner = os.getpid()
        self._sending = threading.Lock()
        self._unread = b""

    def send(self, message: Dict[str, Any]) -> None:
        """Raises OSError only if the descriptor was closed under us; an agent that is gone is noticed elsewhere."""
        if os.getpid() != self._owner:
            return  # a forked task process that runs into our code speaks for nobody
        data = json.dumps(message).encode("ascii") + b"\n"
        with self._sending:
            while data:
                try:
                    data = data[os.write(self._result, data) :]
                except BrokenPipeError:
                    return

    def receive(self) -> Optional[Dict[str, Any]]:
        """The agent's next message, None when it is gone. Blocks."""
        while b"\n" not in self._unread:
            data = os.read(self._control, 65536)
            if not data:
                return None
            self._unread += data
        line, self._unread = self._unread.split(b"\n", 1)
        message = json.loads(line.decode("utf-8"))
        return message if isinstance(message, dict) else {}

    def listen(self, on_drain: Callable[[], None]) -> None:
        """Answer further messages from a thread, until the agent goes, which ends the process group."""

        def loop() -> None:
            while True:
                try:
                    message = self.receive()
                except (OSError, ValueError):
                    return  # a task closed the descriptor: nobody can be heard any more, the work goes on
                if message is None:
                    end_with_the_agent()
                elif message.get("drain"):
                    on_drain()

        threading.Thread(target=loop, name="poltergust-control", daemon=True).start()


def end_with_the_agent() -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(AGENT_GONE)
