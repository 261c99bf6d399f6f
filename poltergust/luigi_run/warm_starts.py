"""Warm starts: runs of an environment in use are forked from a process in it that has Luigi imported already.

Each environment has its own fork server, as does each set of variables that its environment file and the node give.
Whatever is in the way of a warm start, the run is started the plain way; why is logged once. What a fork has to put
right stands in `inside/fresh.py`, what it cannot in `START_VARIABLES`.
"""

from __future__ import annotations

import fnmatch
import functools
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from poltergust.base.clock import Clock, SystemClock
from poltergust.base.errors import NodeError
from poltergust.base.loops import Loop
from poltergust.luigi_run import luigi_cfg
from poltergust.processes import Child, LastWord, Spawn
from poltergust.processes.child import spawn
from poltergust.processes.fork_server import ForkServer
from poltergust.processes.memory import memory_left
from poltergust.processes.start import NotAlike

START_VARIABLES = (
    # Python, the loader and the C library read them before any code of ours runs.
    *("PYTHON*", "LD_*", "MALLOC_*", "GLIBC_TUNABLES", "LC_*", "LANG", "LANGUAGE", "LOCPATH", "HOME"),
    *("OPENSSL_*", "SSLKEYLOGFILE", "COVERAGE_*", "SETUPTOOLS_*"),
    # Libraries that `preload` may name, when they are imported.
    *("OMP_*", "KMP_*", "MKL_*", "OPENBLAS_*", "GOTO_*", "BLIS_*", "VECLIB_*", "NUMEXPR_*", "CUDA_*", "NVIDIA_*"),
    *("TORCH_*", "PYTORCH_*", "TF_*", "JAX_*", "XLA_*", "MPL*", "PROTOCOL_BUFFERS_*", "ARROW_*", "POLARS_*"),
)
"""Patterns of variables whose values a fork cannot put right: a run that has others than its server starts plainly."""

NOT_SHARED = ("TMPDIR", luigi_cfg.PATH, luigi_cfg.PARSER)
"""Variables of a single run, which a fork does put right."""

MAX_SERVERS = 4
IDLE_SECONDS = 300.0
MAX_RUNS = 1000
"""A server that forked so many is replaced, whatever it may have gathered."""

MIN_MEMORY_LEFT = 0.1
"""Of the machine's memory: with less, no server is kept."""

CHECK_SECONDS = 15.0
READY_SECONDS = 10.0
"""How long a run waits for a server that starts; it would import the same things itself meanwhile."""

TROUBLE_SECONDS = 300.0
"""After which an environment whose server failed gets another."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SharedStart:
    """What all runs have in common that one server can serve. `env` without what a single run adds."""

    python: Path
    preload: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)


_Key = tuple[str, int, int, tuple[str, ...], frozenset[tuple[str, str]]]


@dataclass
class _KeptServer:
    """A server, or None where there is to be none until `until` (monotonic seconds)."""

    server: ForkServer | None
    used: float
    runs: int = 0
    until: float = 0.0


class WarmStarts:
    """For all runs of a node; used from any thread. `left` says which part of the machine's memory is left."""

    def __init__(self, clock: Clock | None = None, left: Callable[[], float] = memory_left) -> None:
        self._clock: Clock = SystemClock() if clock is None else clock
        self._left = left
        self._lock = threading.Lock()
        self._kept: dict[_Key, _KeptServer] = {}
        self._said: set[str] = set()
        self._stopped = False
        self._loop = Loop("warm-starts", self.retire, clock=self._clock)

    def start(self) -> None:
        """Look from now on for servers that are no longer needed."""
        self._loop.start(CHECK_SECONDS)

    def stop(self) -> None:
        """All servers end; runs go on."""
        self._loop.request_stop()
        with self._lock:
            self._stopped = True
            servers = [self._kept.pop(key).server for key in list(self._kept)]
        for server in servers:
            if server is not None:
                server.close()
        for server in servers:
            if server is not None:
                server.wait(READY_SECONDS)

    @property
    def servers(self) -> tuple[int, ...]:
        """The process ids of those there are."""
        with self._lock:
            return tuple(kept.server.pid for kept in self._kept.values() if kept.server is not None)

    def spawner(self, shared: SharedStart, plain: Spawn) -> Spawn:
        """What starts one run: forked from the server for `shared`, else by `plain`."""

        def start(
            argv: Sequence[str],
            *,
            env: Mapping[str, str],
            cwd: Path,
            on_line: Callable[[str], None],
            on_message: Callable[[Mapping[str, object]], None] | None = None,
            on_exit: Callable[[], None] | None = None,
            last_word: LastWord | None = None,
        ) -> Child:
            def by(starter: Callable[..., Child]) -> Child:
                return starter(
                    argv,
                    env=env,
                    cwd=cwd,
                    on_line=on_line,
                    on_message=on_message,
                    on_exit=on_exit,
                    last_word=last_word,
                )

            forked = self._warm(shared, argv, env, lambda server: by(functools.partial(spawn, fork_server=server)))
            return by(plain) if forked is None else forked

        return start

    def _warm(
        self,
        shared: SharedStart,
        argv: Sequence[str],
        env: Mapping[str, str],
        fork: Callable[[ForkServer], Child],
    ) -> Child | None:
        """None where it has to be started the plain way. Waits for a server that starts, `READY_SECONDS` at most."""
        differing = different(shared.env, env)
        if differing:
            self._say(
                logging.INFO, shared, f"a run has another {', '.join(differing)}, which Python reads at its start"
            )
            return None
        kept = self._for(shared, argv)
        server = None if kept is None else kept.server
        if kept is None or server is None:
            return None
        try:
            if not server.wait_ready(READY_SECONDS):
                return None
            child = fork(server)
        except NotAlike as error:
            self._say(logging.INFO, shared, str(error))
            return None
        except NodeError as error:
            self._failed(kept, shared, str(error))
            return None
        with self._lock:
            kept.used = self._clock.monotonic()
            kept.runs += 1
        return child

    def _for(self, shared: SharedStart, argv: Sequence[str]) -> _KeptServer | None:
        """What is kept for such a start, made if there is nothing; None where none can be had now."""
        try:
            found = os.lstat(shared.python)  # another one, if the environment was built again
        except OSError:
            return None
        env = {name: value for name, value in shared.env.items() if name not in NOT_SHARED}
        key = (str(shared.python), found.st_ino, found.st_ctime_ns, shared.preload, frozenset(env.items()))
        retired: list[ForkServer] = []
        with self._lock:
            now = self._clock.monotonic()
            kept = self._kept.get(key)
            if kept is not None and (kept.runs >= MAX_RUNS or (kept.server is None and now >= kept.until)):
                retired += self._drop(key)
                kept = None
            if kept is None and not self._stopped and self._left() >= MIN_MEMORY_LEFT:
                while len(self._kept) >= MAX_SERVERS:
                    retired += self._drop(min(self._kept, key=lambda each: self._kept[each].used))
                kept = self._kept[key] = self._new(shared, argv, env, now)
        for server in retired:
            server.close()
        return kept

    def _new(self, shared: SharedStart, argv: Sequence[str], env: Mapping[str, str], now: float) -> _KeptServer:
        kept = _KeptServer(None, used=now)

        def ended() -> None:
            if not server.closed:
                self._failed(kept, shared, server.problem or "its fork server ended")

        try:
            server = kept.server = ForkServer(
                argv,
                env=env,
                preload=shared.preload,
                on_line=lambda line: log.debug("fork server of %s: %s", shared.python, line),
                on_end=ended,
            )
        except NodeError as error:
            kept.until = now + TROUBLE_SECONDS
            self._say(logging.WARNING, shared, str(error))
        return kept

    def _drop(self, key: _Key) -> list[ForkServer]:
        server = self._kept.pop(key).server
        return [] if server is None else [server]

    def _failed(self, kept: _KeptServer, shared: SharedStart, why: str) -> None:
        """Its starts are plain for a while."""
        with self._lock:
            server, kept.server = kept.server, None
            kept.until = self._clock.monotonic() + TROUBLE_SECONDS
        if server is not None and not server.closed:  # else it was retired meanwhile
            server.close()
            self._say(logging.WARNING, shared, why)

    def _say(self, level: int, shared: SharedStart, why: str) -> None:
        text = f"runs in {shared.python.parent.parent} are not started warm: {why}"
        with self._lock:
            if text in self._said:
                return
            self._said.add(text)
        log.log(level, "%s", text)

    def retire(self) -> float:
        """End the servers that nobody used for long, or all when memory is short. The seconds until it is to be done
        again."""
        retired = []
        short = self._left() < MIN_MEMORY_LEFT
        with self._lock:
            now = self._clock.monotonic()
            for key, kept in list(self._kept.items()):
                if kept.server is not None and (short or now - kept.used >= IDLE_SECONDS):
                    retired += self._drop(key)
        for server in retired:
            log.debug("the fork server %d is retired", server.pid)
            server.close()
        return CHECK_SECONDS


def different(shared: Mapping[str, str], env: Mapping[str, str]) -> list[str]:
    """The names of variables that a fork cannot have other than its server. PYTHONPATH is not one: see
    `inside/fresh.py`."""
    return sorted(
        name
        for name in shared.keys() | env.keys()
        if shared.get(name) != env.get(name)
        and name != "PYTHONPATH"
        and any(fnmatch.fnmatchcase(name, pattern) for pattern in START_VARIABLES)
    )
