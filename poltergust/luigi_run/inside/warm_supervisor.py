"""A run's supervisor that was forked from a fork server: its command is no other program but this one, made fresh."""

import os
import signal
from typing import Any, Dict, List

from . import fresh
from .channel import CONTROL, RESULT
from .ending import describe
from .variables import Variables

MARK = b"POLTERGUST_CHILD"  # poltergust/processes/orphans.py


class Forked(BaseException):
    """Raised in the process that is to be the run, so that it leaves all frames of the server and its supervisor."""


def warm_supervisor(supervisor: Any, shown: Variables, before: fresh.Before) -> Any:
    """A `Supervisor` of that module (`poltergust/processes/supervisor.py`)."""

    class WarmSupervisor(supervisor.Supervisor):  # type: ignore[misc]
        """In the command `run` raises `Forked`."""

        def _start(self, cwd: bytes, argv: List[bytes], env: Dict[bytes, bytes]) -> bool:
            shown.show({name: value for name, value in env.items() if name != MARK})
            return bool(super()._start(cwd, argv, env))

        def _become(self, cwd: bytes, argv: List[bytes], env: Dict[bytes, bytes], report: int) -> None:
            stage = "setup"
            try:
                os.setsid()
                for fd in (self._order, self._status, self._wake, signal.set_wakeup_fd(-1)):
                    os.close(fd)
                supervisor.clean_signals()
                for name, fd in zip((CONTROL, RESULT), self._messages):
                    env[os.fsencode(name)] = b"%d" % fd
                shown.put(env)
                shown.show({MARK: env[MARK], **env})
                stage = "cwd"
                os.chdir(cwd)
                before.restore()
            except OSError as error:
                os.write(report, f"{stage} {error.errno or 0}".encode())
            except Exception as error:  # noqa: BLE001 - whatever it is, a plain start has it not
                text = str(error) if isinstance(error, fresh.Unlike) else describe(error)
                line = "unlike " + " ".join(text.split())
                os.write(report, line.encode("ascii", "replace")[: supervisor.MAX_FAILURE_BYTES])
            else:
                os.close(report)
                raise Forked
            os._exit(127)

    return WarmSupervisor
