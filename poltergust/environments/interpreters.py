"""Interpreters: find the Python an environment asks for, as a person would: PATH, pyenv's versions, a path.

Debian's and deadsnakes' `/usr/bin/python3.X` are found even when PATH is short. What a file calls itself is not
believed: each candidate is asked once, and its answer remembered until the file changes. A pyenv shim that does not
answer (its version is not active) is not an interpreter.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from poltergust.base.errors import NodeError, Permanent
from poltergust.base.reasons import Reason
from poltergust.environments import marker
from poltergust.environments.commands import CommandRunner

_QUESTION = (
    "import json,platform,sys,sysconfig;"
    "print('poltergust:'+json.dumps({'executable':sys.executable,'version':'.'.join(map(str,sys.version_info[:3])),"
    "'implementation':platform.python_implementation().lower(),'platform':sysconfig.get_platform()}))"
)
_USUAL_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin", "/opt/homebrew/bin")
_NAME = re.compile(r"(?:(?P<implementation>[a-z]*?)-?)(?P<version>\d+(?:\.\d+){0,2})?", re.IGNORECASE)
_PROGRAM = re.compile(r"(?:python|pypy)(?:\d+(?:\.\d+)?)?")
_IMPLEMENTATIONS = {"": "", "python": "", "py": "", "cpython": "cpython", "cp": "cpython", "pypy": "pypy"}


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

    def at_least(self, *version: int) -> bool:
        return tuple(int(part) for part in self.version.split(".")) >= version


class Interpreters:
    """Finds interpreters; remembers answers in memory and in `memory` (a JSON file that may vanish at any time)."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._lock = threading.Lock()
        self._known: dict[str, Interpreter | None] | None = None
        self._listed: dict[Path, tuple[int, tuple[str, ...]]] = {}

    def find(self, request: str | None, run: CommandRunner, *, folder: str | None = None) -> Interpreter:
        """The interpreter for `request` (None: the one Poltergust runs on). A relative path starts from `folder`.

        Raises `NodeError(INTERPRETER_MISSING)` that lists what this node has, `Permanent(INVALID_VALUE)` if `request`
        is no way to ask for a Python.
        """
        if request is None:
            request = getattr(sys, "_base_executable", sys.executable)
        if "/" in request:
            return self._at_path(request, run, folder)
        if request[:1] in "<>=!~":
            return self._in_range(request, run)
        match = _NAME.fullmatch(request)
        if match is None or match["implementation"].lower() not in _IMPLEMENTATIONS:
            return self._named(request, run)
        return self._versioned(request, match["implementation"].lower(), match["version"] or "", run)

    def all(self, run: CommandRunner) -> list[Interpreter]:
        """Every interpreter of this node, newest first, each real file once."""
        found: dict[str, Interpreter] = {}
        seen = set()
        for path in self._everywhere(run.env):
            real = os.path.realpath(path)
            interpreter = self._ask(path, run) if real not in seen else None
            seen.add(real)
            if interpreter is not None:
                found.setdefault(os.path.realpath(interpreter.executable), interpreter)
        return sorted(found.values(), key=lambda i: Version(i.version), reverse=True)

    def _at_path(self, request: str, run: CommandRunner, folder: str | None) -> Interpreter:
        path = os.path.expanduser(request) if "HOME" not in run.env else re.sub(r"^~(?=/)", run.env["HOME"], request)
        if not os.path.isabs(path):
            if folder is None:
                raise Permanent(
                    Reason.INVALID_VALUE, f"virtualenv: python: {request} is relative, but its file is not in a folder"
                )
            path = os.path.join(folder, path)
        interpreter = self._ask(Path(os.path.normpath(path)), run)
        if interpreter is None:
            raise self._missing(request, run)
        return interpreter

    def _in_range(self, request: str, run: CommandRunner) -> Interpreter:
        try:
            wanted = SpecifierSet(request)
        except InvalidSpecifier:
            raise Permanent(
                Reason.INVALID_VALUE,
                f"virtualenv: python: {request!r} is not a version range; write it like '>=3.10,<3.13'",
            ) from None
        fitting = [i for i in self.all(run) if wanted.contains(i.version) and i.implementation == "cpython"]
        if not fitting:
            raise self._missing(request, run)
        return fitting[0]

    def _named(self, request: str, run: CommandRunner) -> Interpreter:
        """A program name that says nothing about versions, such as `python3.13t`."""
        for folder in _folders(run.env):
            interpreter = self._ask(folder / request, run)
            if interpreter is not None:
                return interpreter
        raise self._missing(request, run)

    def _versioned(self, request: str, implementation: str, version: str, run: CommandRunner) -> Interpreter:
        kind = _IMPLEMENTATIONS[implementation]
        program = "pypy" if kind == "pypy" else "python"
        short = ".".join(version.split(".")[:2])
        names = [request] if implementation == program else []
        names += [f"{program}{short}", f"{program}{version.split('.')[0]}", program]
        fits = re.compile(rf"{re.escape(version)}(\..*)?" if version else r"3\..*")
        for path in _candidates(list(dict.fromkeys(names)), short, run.env):
            interpreter = self._ask(path, run)
            if (
                interpreter is not None
                and fits.fullmatch(interpreter.version)
                and (kind or "cpython") == interpreter.implementation
            ):
                return interpreter
        raise self._missing(request, run)

    def _everywhere(self, env: Mapping[str, str]) -> Iterator[Path]:
        for folder in [*_folders(env), *_pyenv(env)]:
            if folder.name == "shims":  # they stand for pyenv's versions, which are looked at themselves
                continue
            for name in self._programs(folder):
                yield folder / name

    def _programs(self, folder: Path) -> tuple[str, ...]:
        """Names of interpreters in a folder; a folder is listed again when its time changes."""
        try:
            changed = folder.stat().st_mtime_ns
            if self._listed.get(folder, (0, ()))[0] != changed:
                names = sorted((name for name in os.listdir(folder) if _PROGRAM.fullmatch(name)), reverse=True)
                self._listed[folder] = (changed, tuple(names))
        except OSError:
            return ()
        return self._listed[folder][1]

    def _missing(self, request: str, run: CommandRunner) -> NodeError:
        # Versions only: a message has room for few paths, and none of them for the advice.
        there = ", ".join(dict.fromkeys(i.version for i in self.all(run))) or "none"
        return NodeError(
            Reason.INTERPRETER_MISSING,
            f"virtualenv: python: {request} is not on this node; here are: {there}; "
            "install it (apt-get install python3.X, pyenv install 3.X) or ask for one of these",
        )

    def _ask(self, path: Path, run: CommandRunner) -> Interpreter | None:
        signature = _signature(path, run.env)
        if signature is None:
            return None
        with self._lock:
            if self._known is None:
                self._known = self._load()
            if signature in self._known:
                return self._known[signature]
        try:
            # -I: nothing of the user's, no PYTHON* variable; Python 2 knows no -I and is none of ours anyway
            ended = run([str(path), "-I", "-c", _QUESTION], quiet=True)
        except NodeError:  # a script whose interpreter is gone, a binary of another machine
            answer = None
        else:
            answer = _parse(str(path), ended.lines) if ended.ok else None
        with self._lock:
            self._known[signature] = answer
            self._save(self._known)
        return answer

    def _load(self) -> dict[str, Interpreter | None]:
        try:
            values = json.loads(self._memory.read_bytes())
            return {key: None if value is None else Interpreter(**value) for key, value in values.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _save(self, known: Mapping[str, Interpreter | None]) -> None:
        values = {key: None if value is None else asdict(value) for key, value in known.items()}
        marker.write_text(self._memory, json.dumps(values))


def _parse(path: str, lines: Sequence[str]) -> Interpreter | None:
    for line in lines:
        if line.startswith("poltergust:"):
            answer = json.loads(line[len("poltergust:") :])
            return Interpreter(path=path, **answer)
    return None


def _signature(path: Path, env: Mapping[str, str]) -> str | None:
    """What must be unchanged for a remembered answer to hold; None if it is not an executable file."""
    try:
        status = path.stat()
    except OSError:
        return None
    if not os.access(path, os.X_OK) or not os.path.isfile(path):
        return None
    parts = [str(path), str(status.st_mtime_ns), str(status.st_size), str(status.st_ino)]
    if path.parent.name == "shims":  # answers for whatever version is active now
        parts.append(env.get("PYENV_VERSION", ""))
        for root in _pyenv_roots(env):
            try:
                parts.append((root / "version").read_text(encoding="utf-8", errors="replace"))
            except OSError:
                continue
    return "|".join(parts)


def _folders(env: Mapping[str, str]) -> list[Path]:
    """PATH first, then where distributions put interpreters; no duplicates, no relative entries."""
    entries = [entry for entry in env.get("PATH", "").split(os.pathsep) if os.path.isabs(entry)]
    return [Path(entry) for entry in dict.fromkeys([*entries, *_USUAL_FOLDERS])]


def _pyenv_roots(env: Mapping[str, str]) -> list[Path]:
    roots = [Path(env["PYENV_ROOT"])] if env.get("PYENV_ROOT") else []
    home = env.get("HOME")
    roots.append((Path(home) if home else Path(os.path.expanduser("~"))) / ".pyenv")
    roots += [folder.parent for folder in _folders(env) if folder.name == "shims"]
    return list(dict.fromkeys(roots))


def _pyenv(env: Mapping[str, str]) -> list[Path]:
    """The `bin` folders of pyenv's versions, newest first."""
    folders = [folder for root in _pyenv_roots(env) for folder in root.glob("versions/*/bin")]
    return sorted(dict.fromkeys(folders), key=lambda folder: _numbers(folder.parent.name), reverse=True)


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", name))


def _candidates(names: Sequence[str], short: str, env: Mapping[str, str]) -> Iterator[Path]:
    """In the order a person would look: PATH by the exact name, pyenv by version, then less exact names."""
    folders = _folders(env)
    pyenv = [folder for folder in _pyenv(env) if short and f"{short}." in f"{folder.parent.name}."]
    for name in names:
        yield from (folder / name for folder in folders)
        yield from (folder / name for folder in pyenv)
