"""`EnvironmentCache`: find or build the environment of a file, and keep it while it is used. The room's front door."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from poltergust.base import hints
from poltergust.base.errors import NodeError, UsageError
from poltergust.base.folders import is_disk_full
from poltergust.base.reasons import Reason
from poltergust.base.redaction import Redactor
from poltergust.base.urls import is_cloud
from poltergust.environments import (
    Cancelled,
    Environment,
    EnvironmentSpec,
    Locks,
    Objects,
    eviction,
    failures,
    git_credentials,
    leases,
    marker,
    pip_settings,
    python_installs,
    resolve,
    uv_settings,
    virtualenv_options,
)
from poltergust.environments.build import Build, Layout
from poltergust.environments.checked_locks import CheckedLocks
from poltergust.environments.commands import CommandRunner, build_environment
from poltergust.environments.downloads import Downloads
from poltergust.environments.eviction import Cached, Evicted, Limits
from poltergust.environments.installers import Uv, python_of
from poltergust.environments.interpreters import Interpreter, Interpreters, TooOld, is_too_old
from poltergust.environments.leases import Lease
from poltergust.environments.lines import variables
from poltergust.environments.marker import Marker
from poltergust.environments.origins import Origins, Placed
from poltergust.environments.plan import Plan
from poltergust.environments.resolve import LocalLocks
from poltergust.processes import Spawn

_POLL_SECONDS = 0.25  # between looks at `cancelled` while other builds take all places
_IN_USE_SECONDS = 3600.0  # since it was asked for, in which a build, this very one too, may still need a download


class EnvironmentCache:
    """Implements `Environments`. `root` is made if missing; several processes may share it. `objects` reads `gs://`
    dependencies. At most `parallel_builds` builds run at a time in this process; uv's downloads are shared by all.
    `install_pythons`: a Python that this machine lacks is installed by uv, below `root`."""

    def __init__(
        self,
        root: Path,
        spawn: Spawn,
        *,
        objects: Objects | None = None,
        parallel_builds: int = 2,
        limits: Limits = Limits(),  # noqa: B008
        install_pythons: bool = False,
    ) -> None:
        self._layout = Layout(root.absolute())
        self._spawn = spawn
        self._limits = limits
        self._build_places = threading.BoundedSemaphore(parallel_builds)
        self._interpreters = Interpreters(self._layout.memory / "interpreters", self._layout.pythons, spawn)
        self._install_pythons = install_pythons
        self._downloads = Downloads(self._layout.downloads, objects) if objects is not None else None
        self._origins = Origins(self._downloads)

    @contextlib.contextmanager
    def ready(
        self,
        spec: EnvironmentSpec,
        *,
        node_env: Mapping[str, str],
        on_line: Callable[[str], None],
        cancelled: Callable[[], bool],
        locks: Locks | None = None,
    ) -> Iterator[Environment]:
        """See `Environments.ready`."""
        started = time.monotonic()
        agreed = locks if locks is not None else LocalLocks(self._layout.locks)
        with contextlib.ExitStack() as stack:
            with failures.os_errors(self._layout.root):
                plan, run = self._plan(spec, node_env, on_line, cancelled)
                found, built = self._obtain(plan, run, agreed, stack)
                folder = self._layout.environments / found.key
                eviction.used(folder)
            yield Environment(
                key=found.key,
                folder=folder,
                python=python_of(folder),
                version=found.version,
                built=built,
                seconds=time.monotonic() - started,
                lock=found.lock,
                size=found.size,
            )

    def refresh(
        self,
        spec: EnvironmentSpec,
        *,
        node_env: Mapping[str, str],
        on_line: Callable[[str], None],
        cancelled: Callable[[], bool],
        locks: Locks | None = None,
    ) -> str:
        """Resolve again and replace the lock that stands; the new lock's text. Nodes build from it when they next ask.

        Where pip has to install, resolving is installing: the new lock is what a trial build chose.
        """
        with failures.os_errors(self._layout.root):
            plan, run = self._plan(spec, node_env, on_line, cancelled)
        agreed = locks if locks is not None else LocalLocks(self._layout.locks)
        folder = self._layout.environments / f"{plan.base_key}-{secrets.token_hex(4)}"
        work = self._layout.work / folder.name
        with failures.os_errors(folder), leases.lease(self._layout.leases / folder.name) as held:
            held.exclusive(cancelled)
            trial = Build(plan, folder, self._layout, run, LocalLocks(work / "trial"))
            try:
                if plan.why_pip:
                    trial(None)
                    text = (folder / marker.LOCK_NAME).read_text(encoding="utf-8")
                else:
                    text = trial.agreement(work).newest()
            finally:
                shutil.rmtree(work, ignore_errors=True)
                if not folder.exists():
                    held.remove()  # no environment was made that it could guard
        agreed.replace(plan.lock_key, text)
        return text

    def contents(self) -> list[Cached]:
        """Everything in the cache, most recently used first."""
        return eviction.everything(self._layout.environments, self._layout.leases)

    def show(self, key: str) -> tuple[Cached, str]:
        """The environment whose key starts with `key`, and its lock's text. Raises `UsageError`."""
        found = [cached for cached in self.contents() if cached.key.startswith(key)]
        if len(found) != 1:
            why = "no environment" if not found else f"{len(found)} environments"
            see = hints.command("env", "list", cache_dir=str(self._layout.root))
            raise UsageError(f"{why} in the cache with a key that starts with {key!r}; see: {see}")
        path = found[0].folder / marker.LOCK_NAME
        return found[0], path.read_text(encoding="utf-8") if path.exists() else ""

    def prune(self, *, everything: bool = False) -> Evicted:
        """Apply the limits now, or remove every environment that is not in use."""
        limits = Limits(max_count=0) if everything else self._limits
        if self._downloads is not None and limits.max_age is not None:
            self._downloads.prune(_IN_USE_SECONDS if everything else limits.max_age)
        return eviction.keep_within(self._layout.environments, self._layout.leases, limits)

    def interpreters(self, node_env: Mapping[str, str]) -> list[Interpreter]:
        """Every Python on this node, newest first."""
        self._layout.memory.mkdir(parents=True, exist_ok=True)  # an error here beats asking all of them each time
        return self._interpreters.all(build_environment(node_env))

    def _plan(
        self,
        spec: EnvironmentSpec,
        env: Mapping[str, str],
        on_line: Callable[[str], None],
        cancelled: Callable[[], bool],
    ) -> tuple[Plan, CommandRunner]:
        """Decide everything; nothing is built yet."""
        placed = self._placed(spec, env, on_line)
        access = git_credentials.separate(placed, env)
        options = virtualenv_options.read(spec.virtualenv)
        build_env = build_environment(env)
        self._layout.work.mkdir(mode=0o700, parents=True, exist_ok=True)
        installing = CommandRunner(self._spawn, build_env, self._layout.work, on_line, cancelled, Redactor((env,)))
        interpreter = self._interpreter(options.python, spec.url, installing)
        configured = pip_settings.read(env)
        settings = uv_settings.translate(configured, [item.line for item in access.placed], env)
        hidden = [env[name] for item in placed for name in variables(item.line.text) if item.line.is_direct_url]
        hidden += [env[name] for item in placed for _, v in item.line.options for name in variables(v)]
        plan = Plan(
            spec=spec,
            interpreter=interpreter,
            options=options,
            placed=access.placed,
            settings=settings,
        )
        redact = Redactor((env,), (*access.secrets, *settings.secrets, *hidden))
        build_env |= access.env
        return plan, CommandRunner(self._spawn, build_env, self._layout.work, on_line, cancelled, redact)

    def _placed(
        self, spec: EnvironmentSpec, env: Mapping[str, str], on_line: Callable[[str], None]
    ) -> tuple[Placed, ...]:
        """The lines of the file, with what they name downloaded."""
        try:
            return self._origins.place(spec.dependencies, spec.url, env)
        except OSError as error:
            if not is_disk_full(error):
                raise
            on_line(f"{error.strerror} for what {spec.url} names; freeing the cache, then once more")
            self.prune(everything=True)
            return self._origins.place(spec.dependencies, spec.url, env)

    def _interpreter(self, requests: tuple[str, ...], url: str, run: CommandRunner) -> Interpreter:
        """The first request that this machine can serve; the first that can be installed, where that is allowed."""
        try:
            return self._present(requests, url, run.env)
        except NodeError:
            installable = (each for each in requests if "/" not in each and not is_too_old(each))
            wanted = next(installable, None)
            if not self._install_pythons or wanted is None:
                raise
        python_installs.install(wanted, self._layout.pythons, run)
        return self._present(requests, url, run.env)

    def _present(self, requests: tuple[str, ...], url: str, env: Mapping[str, str]) -> Interpreter:
        folder = None if is_cloud(url) else url.rpartition("/")[0]
        missing: list[NodeError | TooOld] = []
        for request in requests or (None,):
            try:
                return self._interpreters.find(request, env, folder=folder)
            except (NodeError, TooOld) as error:
                missing.append(error)
        raise next((error for error in reversed(missing) if isinstance(error, NodeError)), missing[-1])

    def _obtain(self, plan: Plan, run: CommandRunner, locks: Locks, stack: contextlib.ExitStack) -> tuple[Marker, bool]:
        """A finished environment, held shared until `stack` ends; whether this call built it."""
        locks = CheckedLocks(locks, plan.lines)
        while True:
            lock = locks.get(plan.lock_key)
            found = self._find(plan, lock, stack)
            if found is not None:
                return found, False
            with leases.lease(self._layout.leases / f"{plan.base_key}.build") as building:
                building.exclusive(run.cancelled, lambda: run.write("waiting for another build of this environment"))
                lock = locks.get(plan.lock_key)
                found = self._find(plan, lock, stack)
                if found is not None:
                    return found, False
                built, held = self._build(plan, run, locks, lock)
                # the change from exclusive to shared is not atomic (flock(2)): somebody may have evicted it meanwhile
                if held.try_shared() and marker.read(self._layout.environments / built.key) is not None:
                    stack.callback(held.release)
                    self.prune()
                    return built, True
                held.release()

    def _find(self, plan: Plan, lock: str | None, stack: contextlib.ExitStack) -> Marker | None:
        """A finished environment of this content and lock, held shared."""
        if lock is None:
            return None
        wanted = resolve.name(plan.lock_key, lock)
        for folder in self._layout.environments.glob(f"{plan.base_key}-*"):
            if not _is_finished(folder, wanted):
                continue
            held = Lease(self._layout.leases / folder.name)
            found = marker.read(folder) if held.try_shared() else None
            if found is not None and _is_finished(folder, wanted):
                stack.callback(held.release)
                return found
            held.release()
        return None

    def _build(self, plan: Plan, run: CommandRunner, locks: Locks, lock: str | None) -> tuple[Marker, Lease]:
        """Build under an exclusive lease, which is returned still held."""
        folder, held = self._free_slot(plan)
        try:
            with self._build_place(run):
                build = Build(plan, folder, self._layout, run, locks)
                try:
                    with failures.os_errors(folder):
                        return build(lock), held
                except NodeError as error:
                    if error.reason is not Reason.DISK_FULL:
                        raise
                    run.write(f"{error}; freeing the cache, then once more")
                    self._free_disk(run, plan)
                    with failures.os_errors(folder):
                        return build(lock), held
        except BaseException:
            if not folder.exists():
                held.remove()
            held.release()
            raise

    def _free_slot(self, plan: Plan) -> tuple[Path, Lease]:
        """What a killed build left is built again in place; otherwise a new folder."""
        for folder in self._layout.environments.glob(f"{plan.base_key}-*"):
            if marker.read(folder) is None:
                held = Lease(self._layout.leases / folder.name)
                if held.try_exclusive():
                    return folder, held
                held.release()
        folder = self._layout.environments / f"{plan.base_key}-{secrets.token_hex(4)}"
        held = Lease(self._layout.leases / folder.name)
        if not held.try_exclusive():
            raise AssertionError("a new lease is held by somebody else")
        return folder, held

    @contextlib.contextmanager
    def _build_place(self, run: CommandRunner) -> Iterator[None]:
        while not self._build_places.acquire(timeout=_POLL_SECONDS):
            if run.cancelled():
                raise Cancelled
        try:
            yield
        finally:
            self._build_places.release()

    def _free_disk(self, run: CommandRunner, plan: Plan) -> None:
        self.prune(everything=True)
        Uv(run, plan.settings, self._layout.uv).free()


def _is_finished(folder: Path, lock: str) -> bool:
    mark = marker.read(folder)
    return mark is not None and mark.lock == lock and python_of(folder).exists()
