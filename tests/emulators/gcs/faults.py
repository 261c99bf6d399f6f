"""Faults on command: which calls go wrong, how, and how often.

A fault is named by the kind of call (`objects.move`, a glob such as `objects.*`) and may be narrowed to an object, a
bearer token or a User-Agent. The kinds:

- `status`: the answer is that status, in the words of `message`, nothing has happened;
- `reset`: the connection is reset, nothing has happened;
- `lost`: the call takes effect, then the connection is reset in place of the answer;
- `damage`: the call takes effect, one byte of the answer's body is another;
- `hold`: the call waits before it takes effect until released (goes on), dropped (as `reset`) or its seconds are over;
- `hold-answer`: the call takes effect, its answer waits (dropped: as `lost`).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, get_args

from tests.emulators.gcs.errors import ApiError, Disconnect
from tests.emulators.gcs.exchange import Request, Response

How = Literal["status", "reset", "lost", "damage", "hold", "hold-answer"]
HOWS: tuple[str, ...] = get_args(How)


@dataclass
class Fault:
    """One standing order. `times` None is for ever; the first `skip` matching calls pass."""

    call: str
    how: How = "status"
    status: int = 503
    times: int | None = 1
    skip: int = 0
    seconds: float | None = None
    object: str | None = None
    token: str | None = None
    user_agent: str | None = None
    message: str | None = None
    hits: int = field(default=0, init=False)
    _seen: int = field(default=0, init=False)
    _dropped: bool = field(default=False, init=False)
    _reached: threading.Event = field(default_factory=threading.Event, init=False)
    _released: threading.Event = field(default_factory=threading.Event, init=False)

    def wait_reached(self, timeout: float = 60.0) -> None:
        """Until a call has run into this fault; AssertionError after `timeout` seconds."""
        if not self._reached.wait(timeout):
            raise AssertionError(f"waited {timeout:g} s for a call of {self.call} to meet its fault ({self.how})")

    def release(self) -> None:
        """Let held calls go on, and hold no more."""
        self._released.set()

    def drop(self) -> None:
        """End held calls without effect or answer, as if their client had died before sending them."""
        self._dropped = True
        self._released.set()

    def matches(self, call: str, request: Request, name: str) -> bool:
        return (
            fnmatchcase(call, self.call)
            and (self.object is None or fnmatchcase(name, self.object))
            and (self.token is None or request.token == self.token)
            and (self.user_agent is None or self.user_agent in request.user_agent)
        )

    def take(self) -> bool:
        """Count one matching call; whether the fault strikes it."""
        self._seen += 1
        if self._seen <= self.skip or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True

    def strike_before(self) -> None:
        """What happens before the effect."""
        self._reached.set()
        if self.how == "status":
            raise ApiError(self.status, self.message or f"Fault on command: {self.status}")
        if self.how == "reset":
            raise Disconnect
        if self.how == "hold":
            self._hold()

    def strike_after(self, response: Response) -> None:
        """What happens between the effect and the answer."""
        if self.how == "damage" and response.body:
            response.body = bytes([response.body[0] ^ 1]) + response.body[1:]
        if self.how == "lost":
            raise Disconnect
        if self.how == "hold-answer":
            self._hold()

    def _hold(self) -> None:
        self._released.wait(self.seconds)
        if self._dropped:
            raise Disconnect


class Faults:
    """All standing orders; thread-safe. The first that matches and still has hits left strikes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        if fault.how not in HOWS:
            raise ValueError(f"a fault's kind is one of {', '.join(HOWS)}, not {fault.how!r}")
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all; held calls go on."""
        with self._lock:
            faults, self._faults = self._faults, []
        for fault in faults:
            fault.release()

    def find(self, call: str, request: Request, name: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.matches(call, request, name) and fault.take():
                    return fault
        return None

    def all(self) -> list[Fault]:
        with self._lock:
            return list(self._faults)
