"""Interpreters: find the Python an environment asks for, as a person would: PATH, pyenv's versions, a path.

`python-discovery` (virtualenv's own) reads the request, asks each candidate what it is, and compares. This module
decides where to look, in which order. `python_discovery.get_interpreter` is not used: it prefers the Python that the
agent runs on, does not know pyenv's inactive versions, and does not notice that a file changed while the agent runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version
from python_discovery import KNOWN_IMPLEMENTATIONS, ContentStore, PythonInfo, PythonSpec

from poltergust.base.errors import NodeError, Permanent
from poltergust.base.reasons import Reason
from poltergust.environments import marker
from poltergust.processes import Spawn

# It warns of every Python 2 and every script named python that it meets while it looks around.
logging.getLogger("python_discovery").setLevel(logging.ERROR)

log = logging.getLogger(__name__)

OLDEST = "3.7"
"""What virtualenv and Luigi put into an environment of an older Python fails as soon as it starts."""

_USUAL_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin", "/opt/homebrew/bin")  # Debian, deadsnakes, Homebrew

_SELECTABLE = 1000
"""python-discovery waits with select(2), which takes descriptors below 1,024: with a hundred runs an agent has more."""

_ASK = """
import os, pathlib, sys
from poltergust.environments.interpreters import Interpreters
from poltergust.processes.child import spawn
memory, installed, path = map(pathlib.Path, sys.argv[1:])
Interpreters(memory, installed, spawn)._ask(path, os.environ)
"""
_APART_SECONDS = 60.0


@dataclass(frozen=True)
class Interpreter:
    """A Python that answered. `path` is where it was found, `executable` what it calls itself."""

    path: str
    executable: str
    version: str
    implementation: str
    platform: str

    @property
    def tag(self) -> str:
        """What decides which releases fit: `cpython-3.11-linux-x86_64`."""
        return f"{self.implementation}-{self.minor}-{self.platform}"

    @property
    def minor(self) -> str:
        return ".".join(self.version.split(".")[:2])


class TooOld(Permanent):
    """Of a list of requests the next one may do."""

    def __init__(self, request: str, what: str) -> None:
        why = "neither virtualenv nor luigi has a release that works there"
        super().__init__(
            Reason.INVALID_VALUE, f"virtualenv: python: {request} {what}, and {why}; ask for {OLDEST} or newer"
        )


def is_too_old(request: str) -> bool:
    """Whether its words alone say so: `python2.7`, `3.6`, `/usr/bin/python2`. A range says nothing."""
    spec = _spec(request.rpartition("/")[2])
    if spec.version_specifier is not None or spec.major is None:
        return False
    oldest = Version(OLDEST).release
    return (spec.major, oldest[1] if spec.minor is None else spec.minor) < oldest


class Interpreters:
    """Finds interpreters. What a file calls itself is not believed: each is asked once, and its answer is kept in
    `memory` (a folder that may vanish at any time) until the file changes. `installed` is where Poltergust itself
    installs some (see `python_installs`): looked at last."""

    def __init__(self, memory: Path, installed: Path, spawn: Spawn) -> None:
        self._memory = memory
        self._spawn = spawn
        self._answers = _Answers(memory)
        self._installed = installed

    def find(self, request: str | None, env: Mapping[str, str], *, folder: str | None = None) -> Interpreter:
        """The interpreter for `request` (None: the one Poltergust runs on). A relative path starts from `folder`.

        Raises `NodeError(INTERPRETER_MISSING)` that lists what this node has, `Permanent(INVALID_VALUE)` if `request`
        is no way to ask for a Python, `TooOld` if it asks for one that nothing can be installed for.
        """
        if request is None:
            request = str(getattr(sys, "_base_executable", sys.executable))
        if "/" in request:
            found = self._ask(_absolute(request, env, folder), env)
        else:
            found = self._matching(request, _spec(request), env)
        if found is None and is_too_old(request):  # Python 2 does not answer
            raise TooOld(request, "is too old")
        if found is None:
            raise self._missing(request, env)
        interpreter = _interpreter(found)
        if Version(interpreter.version) < Version(OLDEST):
            raise TooOld(request, f"is Python {interpreter.version}")
        return interpreter

    def all(self, env: Mapping[str, str]) -> list[Interpreter]:
        """Every interpreter of this node, newest first, each real file once."""
        anything = PythonSpec.from_string_spec("")
        paths: dict[str, Path] = {}
        for path in _listed(anything, self._folders(env), every_kind=True):
            paths.setdefault(os.path.realpath(path), path)
        infos = (self._ask(path, env) for path in paths.values())
        found: dict[str, Interpreter] = {}
        for interpreter in (_interpreter(info) for info in infos if info is not None):
            found.setdefault(os.path.realpath(interpreter.executable), interpreter)
        return sorted(found.values(), key=lambda interpreter: Version(interpreter.version), reverse=True)

    def _matching(self, request: str, spec: PythonSpec, env: Mapping[str, str]) -> PythonInfo | None:
        """The first that fits; of a range of versions the newest."""
        paths: Iterable[Path]
        if spec.path is not None:  # a program's name that says nothing about versions
            paths = (folder / request for folder in self._folders(env))
        elif spec.version_specifier is None:
            paths = _named(spec, lambda: self._folders(env))
        else:
            paths = _listed(spec, self._folders(env))
        answers = (self._ask(path, env) for path in paths)
        fitting = (info for info in answers if info is not None and info.satisfies(spec, impl_must_match=True))
        if spec.version_specifier is None:
            found = next(fitting, None)
            if found is None and spec.major is None:
                # Read as the name of an implementation that no interpreter here is; a program may be called so.
                programs = (self._ask(folder / request, env) for folder in self._folders(env))
                found = next((info for info in programs if info is not None), None)
            return found
        return max(fitting, key=lambda info: info.version_info[:3], default=None)

    def _folders(self, env: Mapping[str, str]) -> Iterator[Path]:
        yield from _folders(env)
        yield from sorted(self._installed.glob("*/bin"), key=lambda folder: _numbers(folder.parent.name), reverse=True)

    def _ask(self, path: Path, env: Mapping[str, str]) -> PythonInfo | None:
        """None: not a Python, or one that does not answer (a pyenv shim whose version is not active)."""
        if not (path.is_file() and os.access(path, os.X_OK)):
            return None
        if _lowest_free_descriptor() >= _SELECTABLE and not self._answers.has_since_change(path):
            self._ask_apart(path, env)
        # `ignore_cache` leaves out the library's memory of this process, which does not look whether the file changed
        return PythonInfo.from_exe(
            str(path), self._answers, raise_on_error=False, ignore_cache=True, resolve_to_host=False, env=env
        )

    def _ask_apart(self, path: Path, env: Mapping[str, str]) -> None:
        """In a process without this one's descriptors; the answer is in the memory afterwards."""
        command = [sys.executable, "-c", _ASK, str(self._memory), str(self._installed), str(path)]
        child = self._spawn(command, env=env, cwd=Path("/"), on_line=log.debug)
        if child.wait(_APART_SECONDS) is None:
            child.kill()

    def _missing(self, request: str, env: Mapping[str, str]) -> NodeError:
        # Versions only: a message has room for few paths, and none of them for the advice.
        there = ", ".join(dict.fromkeys(interpreter.version for interpreter in self.all(env))) or "none"
        return NodeError(
            Reason.INTERPRETER_MISSING,
            f"virtualenv: python: {request} is not on this node; here are: {there}; "
            "install it (apt-get install python3.X, pyenv install 3.X), start the node with --install-pythons, or ask "
            "for one of these",
        )


def _lowest_free_descriptor() -> int:
    descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.close(descriptor)
    return descriptor


class _Answers:
    """What interpreters answered, one file each. The library's own `DiskCache` keeps nothing where any folder on the
    way is writable for a group, which caches often are, and warns of it at each question."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def py_info(self, path: Path) -> ContentStore:
        return _Answer(self._file(path))

    def has_since_change(self, path: Path) -> bool:
        """Whether something is kept that the file at `path` answered as it is now. The library looks closer."""
        try:
            return self._file(path).stat().st_mtime_ns > path.stat().st_ctime_ns
        except OSError:
            return False

    def _file(self, path: Path) -> Path:
        return self._folder / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:24]}.json"

    def py_info_clear(self) -> None:
        for file in self._folder.glob("*.json"):
            file.unlink(missing_ok=True)


class _Answer(ContentStore):
    def __init__(self, file: Path) -> None:
        self._file = file

    def exists(self) -> bool:
        return self._file.is_file()

    def read(self) -> dict[str, Any] | None:
        try:
            content = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def write(self, content: dict[str, Any]) -> None:
        marker.write_text(self._file, json.dumps(content))

    def remove(self) -> None:
        self._file.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        yield  # two that ask at once write the same answer, each in one step


def _interpreter(info: PythonInfo) -> Interpreter:
    return Interpreter(
        path=info.executable,
        executable=info.original_executable,
        version=info.version_str,
        implementation=info.implementation.lower(),
        platform=info.sysconfig_platform or info.platform,
    )


def _spec(request: str) -> PythonSpec:
    try:
        spec = PythonSpec.from_string_spec(request)
    except ValueError:
        raise Permanent(
            Reason.INVALID_VALUE,
            f"virtualenv: python: {request!r} is not a version range; write it like '>=3.10,<3.13'",
        ) from None
    if spec.path is None and spec.implementation is None:
        spec.implementation = "cpython"
    return spec


def _absolute(request: str, env: Mapping[str, str], folder: str | None) -> Path:
    if request.startswith("~/"):
        return Path(_home(env), request[2:])
    if not os.path.isabs(request):
        if folder is None:
            raise Permanent(
                Reason.INVALID_VALUE, f"virtualenv: python: {request} is relative, but its file is not in a folder"
            )
        request = os.path.join(folder, request)
    return Path(os.path.normpath(request))


def _home(env: Mapping[str, str]) -> Path:
    return Path(env.get("HOME") or os.path.expanduser("~"))


def _named(spec: PythonSpec, folders: Callable[[], Iterable[Path]]) -> Iterator[Path]:
    """Files that could be the version asked for, the exact name in every folder before shorter ones."""
    program = "python" if spec.implementation in (None, "cpython") else spec.implementation
    numbers = [str(number) for number in (spec.major, spec.minor, spec.micro) if number is not None]
    for length in range(len(numbers), -1, -1):
        name = f"{program}{'.'.join(numbers[:length])}{'t' if spec.free_threaded and length else ''}"
        yield from (folder / name for folder in folders())


def _listed(spec: PythonSpec, folders: Iterable[Path], *, every_kind: bool = False) -> list[Path]:
    """All files whose name could fit, the longest names first."""
    names = spec.generate_re(windows=False, all_implementations=every_kind)
    found = []
    for folder in folders:
        with contextlib.suppress(OSError):
            programs = [name for name in os.listdir(folder) if name.startswith(KNOWN_IMPLEMENTATIONS)]
            found += [folder / name for name in sorted(programs) if names.fullmatch(name)]
    return sorted(found, key=lambda path: len(path.name), reverse=True)


def _folders(env: Mapping[str, str]) -> Iterator[Path]:
    """PATH, where distributions put interpreters, pyenv's versions; no relative entries. What pyenv has is looked at
    only if it comes to that: this is asked for at the start of every run."""
    entries = [Path(entry) for entry in dict.fromkeys(env.get("PATH", "").split(os.pathsep)) if os.path.isabs(entry)]
    for folder in entries:
        shims = folder.name == "shims" and (folder.parent / "versions").is_dir()
        yield from _active(folder.parent, env) if shims else [folder]
    yield from (Path(folder) for folder in _USUAL_FOLDERS if Path(folder) not in entries)
    roots = [Path(env["PYENV_ROOT"])] if env.get("PYENV_ROOT") else []
    roots += [_home(env) / ".pyenv", *(entry.parent for entry in entries if entry.name == "shims")]
    yield from _pyenv(list(dict.fromkeys(roots)))


def _pyenv(roots: list[Path]) -> list[Path]:
    """The `bin` folders of pyenv's versions, newest first."""
    folders = [folder for root in roots for folder in root.glob("versions/*/bin")]
    return sorted(folders, key=lambda folder: _numbers(folder.parent.name), reverse=True)


def _active(root: Path, env: Mapping[str, str]) -> list[Path]:
    """What pyenv's shims stand for: the versions that PYENV_VERSION or `pyenv global` name."""
    try:
        names = env.get("PYENV_VERSION") or (root / "version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [root / "versions" / name / "bin" for name in names.replace(":", " ").split()]


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split(".") if part.isdecimal())
