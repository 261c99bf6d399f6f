"""Build: create the virtualenv, agree on exact versions, install them. In place: a virtualenv does not survive a move.

The resolution runs beside virtualenv, since neither needs the other; what is installed is always the lock that stands
in the end, this node's or one that another node published first.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from poltergust.base.errors import Permanent
from poltergust.environments import Locks, failures, installers, marker, resolve
from poltergust.environments.agreement import Agreement, need
from poltergust.environments.commands import CommandResult, CommandRunner
from poltergust.environments.installers import Pip, Uv
from poltergust.environments.marker import Marker
from poltergust.environments.plan import Plan

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layout:
    """Where things lie below the cache's root."""

    root: Path

    @property
    def environments(self) -> Path:
        return self.root / "environments"

    @property
    def leases(self) -> Path:
        return self.root / "leases"

    @property
    def locks(self) -> Path:
        return self.root / "locks"

    @property
    def memory(self) -> Path:
        return self.root / "memory"

    @property
    def tools(self) -> Path:
        return self.root / "tools"

    @property
    def downloads(self) -> Path:
        return self.root / "downloads"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def pythons(self) -> Path:
        return self.root / "pythons"

    @property
    def uv(self) -> Path:
        return self.root / "uv"


@dataclass(frozen=True)
class Build:
    """One build of `plan` into `folder`; the caller holds its lease exclusively."""

    plan: Plan
    folder: Path
    layout: Layout
    run: CommandRunner
    locks: Locks

    def __call__(self, lock: str | None) -> Marker:
        """Returns what was written as the marker, last of all. Raises what `Environments.ready` raises."""
        started = time.time()
        shutil.rmtree(self.folder, ignore_errors=True)
        work = self.layout.work / self.folder.name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700, parents=True)
        try:
            lock = self._install_with_pip(work, lock) if self.plan.why_pip else self._install_with_uv(work, lock)
            self._install_apart(work)
            return self._finish(started, lock)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def agreement(self, work: Path) -> Agreement:
        return Agreement(self.plan, self._uv, self.locks, work)

    @property
    def _uv(self) -> Uv:
        return Uv(self.run, self.plan.settings, self.layout.uv, self.plan.refresh)

    @property
    def _what(self) -> str:
        return f"environment {self.plan.spec.url}"

    def _need(self, ended: CommandResult) -> None:
        need(ended, self.plan)

    def _create(self, run: CommandRunner) -> None:
        argv = [sys.executable, "-m", "virtualenv", f"--python={self.plan.interpreter.path}"]
        argv += [f"--app-data={self.layout.root / 'virtualenv'}", "--no-periodic-update"]
        # a node's own virtualenv.ini would make its environments differ from the other nodes'
        ended = run([*argv, *self.plan.options.arguments, str(self.folder)], env={"VIRTUALENV_CONFIG_FILE": os.devnull})
        if not ended.ok or not installers.python_of(self.folder).exists():
            raise failures.of_virtualenv(ended, self._what)
        if self.plan.interpreter.minor == "3.7":
            # What virtualenv adds to each start is written for 3.8 and newer: it does nothing there but print its own
            # SyntaxError.
            for file in self.folder.glob("lib/*/site-packages/_virtualenv.p*"):
                file.unlink()

    def _install_with_uv(self, work: Path, lock: str | None) -> str:
        lock, chosen = self._create_and_agree(work, lock)
        entries, rest = resolve.installation(chosen, self.plan.lines)
        requirements = installers.write_requirements(work / "locked.txt", rest, entries)
        self._need(self._uv.install(self.folder, requirements, require_hashes=resolve.all_hashed(entries, rest)))
        return lock

    def _create_and_agree(self, work: Path, lock: str | None) -> tuple[str, list[str]]:
        stop = threading.Event()
        run = replace(self.run, cancelled=lambda: stop.is_set() or self.run.cancelled())
        with ThreadPoolExecutor(1, thread_name_prefix="virtualenv") as pool:
            creating = pool.submit(self._create, run)
            try:
                agreed = self.agreement(work).with_others(lock)
            except BaseException:
                stop.set()
                raise
            creating.result()
        return agreed

    def _install_with_pip(self, work: Path, lock: str | None) -> str:
        self.run.write(f"pip installs instead of uv ({'; '.join(self.plan.why_pip)})")
        self._create(self.run)
        requirements = installers.write_requirements(work / "wanted.txt", self.plan.lines, self.plan.added)
        if lock is None:
            mine = self._chosen_by_pip(requirements)
            lock = self.locks.publish(self.plan.lock_key, mine)
            if lock == mine:
                return lock
        pinned = work / "constraints.txt"  # of what the lines need: pip installs nothing because a constraint names it
        pinned.write_text(resolve.constraints(lock), encoding="utf-8")
        try:
            self._need(self._pip.install(self.folder, requirements, constraints=[pinned]))
        except Permanent as error:
            log.warning("the lock %s is damaged: %s; resolving again", self.plan.lock_key, error)
            lock = self._chosen_by_pip(requirements)
            self.locks.replace(self.plan.lock_key, lock)
        return lock

    def _chosen_by_pip(self, requirements: Path) -> str:
        """Install the newest of everything; what that was, as a lock."""
        self._need(self._pip.install(self.folder, requirements))
        chosen = resolve.from_installed(*resolve.installed(self.folder))
        return resolve.header(self.plan.spec.url, self.plan.interpreter.tag) + chosen

    def _install_apart(self, work: Path) -> None:
        """Lines such as `package --no-deps`: an option of pip's command line is for that line alone."""
        for number, line in enumerate(self.plan.apart):
            self.run.write(f"pip installs {line.origin} by itself ({line.text})")
            options = [name if not value else f"{name}={value}" for name, value in line.command_options]
            if not line.requirement:
                continue
            settings = [other for other in self.plan.lines if not other.requirement]
            requirements = installers.write_requirements(work / f"apart-{number}.txt", [*settings, line])
            self._need(self._pip.install(self.folder, requirements, options=options))

    @property
    def _pip(self) -> Pip:
        return installers.pip_for(self.plan.interpreter, self.layout.tools, replace(self._uv, refresh=()))

    def _finish(self, started: float, lock: str) -> Marker:
        packages, _ = resolve.installed(self.folder)
        marker.write_text(self.folder / marker.LOCK_NAME, lock)
        finished = Marker(
            key=self.folder.name,
            url=self.plan.spec.url,
            python=self.plan.interpreter.executable,
            version=self.plan.interpreter.version,
            lock=resolve.name(self.plan.lock_key, lock),
            installer="pip" if self.plan.why_pip else "uv",
            installed=packages,
            created=started,
            seconds=round(time.time() - started, 3),
            size=size_of(self.folder),
        )
        marker.write(self.folder, finished)
        return finished


def size_of(folder: Path) -> int:
    """Bytes of all files below `folder`; what is linked with the installer's cache counts here as well."""
    total, waiting = 0, [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total
