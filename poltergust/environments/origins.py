"""Origins: what dependency lines name beside the environment file: folders, wheels, `-r` files, objects of a bucket.

Relative paths start from the folder of the environment file, in a folder and in a bucket alike. What a line names is
part of an environment's identity: the digest of a local file or folder, the generation of an object. The identity never
holds an expanded variable; it is the same on every node that sees the same files.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from poltergust.base.errors import Missing, Permanent
from poltergust.base.reasons import Reason
from poltergust.base.urls import is_cloud
from poltergust.environments import Dependency, lines
from poltergust.environments.downloads import Downloads
from poltergust.environments.lines import Line

_GS = re.compile(r"gs://[^\s;\[\]]+")
_EXTRAS = re.compile(r"(?P<path>.*?)(?P<rest>(?:\[[^]]*\])?(?:\s*;.*)?)$", re.DOTALL)
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")
_MAX_DEPTH = 8  # of files that include files
# what building leaves behind, and what no build reads
_NOT_SOURCE = frozenset({".git", "__pycache__", ".venv", ".tox", ".nox", ".mypy_cache", ".ruff_cache", ".pytest_cache"})
_NOT_AT_THE_TOP = frozenset({"build", "dist", "venv"})  # further down a package may be called so
_BUILD_FILES = ("pyproject.toml", "setup.py", "setup.cfg")


@dataclass(frozen=True)
class Placed:
    """A line with every path absolute and every object fetched. `identity` is equal on all nodes that see the same;
    `place` is what else distinguishes it on this machine (an editable folder's path). `folder` is set where the line
    installs a local source folder."""

    line: Line
    identity: str
    place: str = ""
    folder: Path | None = None


class Origins:
    """Reads what lines name. Digests of files are remembered in memory by time, size and inode."""

    def __init__(self, downloads: Downloads | None) -> None:
        self._downloads = downloads
        self._digests: dict[tuple[str, int, int, int], str] = {}

    def place(self, dependencies: Iterable[Dependency], url: str, env: Mapping[str, str]) -> tuple[Placed, ...]:
        """All lines, `-r` files included in place, in order.

        Raises `Permanent(DEPENDENCY_INVALID, PACKAGE_NOT_FOUND)`, `NodeError(VARIABLE_MISSING)` naming the line.
        """
        read = lines.read(dependencies)
        lines.check(read, env)
        return tuple(self._all(read, _folder_of(url), env, 0))

    def _all(self, read: Iterable[Line], base: str, env: Mapping[str, str], depth: int) -> Iterator[Placed]:
        for line in read:
            included = line.values("--requirement")
            if included and depth >= _MAX_DEPTH:
                raise _error(line, f"-r files include each other more than {_MAX_DEPTH} deep")
            for name in included:
                where = self._where(name, base, line, env)
                if where is None:  # https://…: left to the installer
                    yield Placed(line, line.text)
                    continue
                nested = lines.read_text(self._text(where, line), f"{line.origin}, {name}")
                lines.check(nested, env)
                yield from self._all(nested, _folder_of(where), env, depth + 1)
            if not included:
                yield self._one(line, base, env)

    def _one(self, line: Line, base: str, env: Mapping[str, str]) -> Placed:
        if line.requirement:
            return self._requirement(line, base, env)
        options, identities = [], []
        for name, value in line.options:
            where = self._where(value, base, line, env) if name in ("--constraint", "--find-links") else None
            if where is None:
                options.append((name, value))
                continue
            paths, identity = self._file(where, line) if name == "--constraint" else self._links(where, line)
            options += [(name, str(path)) for path in paths]
            identities.append(identity)
        return Placed(replace(line, options=tuple(options)), " ".join([line.text, *identities]))

    def _requirement(self, line: Line, base: str, env: Mapping[str, str]) -> Placed:
        match = _GS.search(line.requirement)
        if match is not None:
            paths, identity = self._file(lines.expand(match[0], env), line)
            installed = line.requirement.replace(
                match[0], paths[0].as_uri() if "@" in line.requirement else str(paths[0])
            )
            return Placed(replace(line, requirement=installed), f"{line.text} {identity}")
        local = line.requirement.startswith("file:") or line.is_path or (line.editable and not line.is_direct_url)
        if not local:
            return Placed(line, line.text)
        parts = _EXTRAS.fullmatch(line.requirement)
        assert parts is not None  # the pattern matches any text
        where = self._where(parts["path"], base, line, env)
        assert where is not None
        if is_cloud(where):
            if line.editable or not where.endswith(_ARCHIVES):
                raise _error(line, f"{where}: only a wheel or an sdist can be installed from a bucket")
            paths, identity = self._file(where, line)
            return Placed(replace(line, requirement=f"{paths[0]}{parts['rest']}"), f"{line.text} {identity}")
        path = Path(where)
        requirement = f"{path if ' ' not in where else path.as_uri()}{parts['rest']}"
        placed = replace(line, requirement=requirement)
        if path.is_dir():
            if not any((path / name).is_file() for name in ("pyproject.toml", "setup.py")):
                raise _error(line, f"{where}: this folder has no pyproject.toml or setup.py")
            names = _BUILD_FILES if line.editable else None
            identity = self._tree_digest(path, names)
            return Placed(placed, f"{line.text} {identity}", place=where if line.editable else "", folder=path)
        return Placed(placed, f"{line.text} {self._digest(path, line)}")

    def _where(self, value: str, base: str, line: Line, env: Mapping[str, str]) -> str | None:
        """The absolute path or gs:// URL that `value` names; None for other URLs."""
        value = lines.expand(value, env)
        if is_cloud(value):
            return value
        if value.startswith("file:"):
            return _file_url_path(value)
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", value):
            return None
        if value.startswith("~/"):
            return os.path.join(env.get("HOME") or os.path.expanduser("~"), value[2:])
        if value.startswith("/"):
            return os.path.normpath(value)
        if is_cloud(base):
            bucket, _, prefix = base[len("gs://") :].partition("/")
            return f"gs://{bucket}{posixpath.normpath(posixpath.join('/', prefix, value))}"
        return os.path.normpath(os.path.join(base, value))

    def _text(self, where: str, line: Line) -> str:
        paths, _ = self._file(where, line)
        return paths[0].read_text(encoding="utf-8", errors="replace")

    def _file(self, where: str, line: Line) -> tuple[list[Path], str]:
        """One file: where it lies on this machine, and its identity."""
        if is_cloud(where):
            fetched = self._need_downloads(line).file(where, line.origin)
            return [fetched.path], f"{where}#{fetched.generation}"
        return [Path(where)], self._digest(Path(where), line)

    def _links(self, where: str, line: Line) -> tuple[list[Path], str]:
        """A place for `--find-links`: a folder of distributions or one file."""
        if is_cloud(where) and not where.endswith((*_ARCHIVES, ".html")):
            fetched = self._need_downloads(line).folder(where, _ARCHIVES, line.origin)
            identity = " ".join(f"{file.path.name}#{file.generation}" for file in fetched)
            return list(dict.fromkeys(file.path.parent for file in fetched)), f"{where} {identity}"
        path = Path(where)
        if is_cloud(where) or path.is_file():
            return self._file(where, line)
        if not path.is_dir():
            raise _missing(line, where)
        files = sorted(file for file in path.iterdir() if file.name.endswith(_ARCHIVES))
        return [path], _sum(f"{file.name} {self._digest(file, line)}" for file in files)

    def _need_downloads(self, line: Line) -> Downloads:
        if self._downloads is None:
            raise _error(line, "this agent was started without access to Cloud Storage, so gs:// cannot be installed")
        return self._downloads

    def _tree_digest(self, folder: Path, names: tuple[str, ...] | None) -> str:
        """Of all source files below `folder`, or of those `names` in it (an editable folder's code is live)."""
        return _sum(
            f"{path.relative_to(folder)} {self._digest(path, None)}"
            for path in (_source_files(folder) if names is None else [folder / name for name in names])
            if path.is_file()
        )

    def _digest(self, path: Path, line: Line | None) -> str:
        try:
            status = path.stat()
            signature = (str(path), status.st_mtime_ns, status.st_size, status.st_ino)
            known = self._digests.get(signature)
            if known is None:
                with path.open("rb") as file:
                    digest = hashlib.sha256()
                    while chunk := file.read(1 << 20):
                        digest.update(chunk)
                known = self._digests[signature] = digest.hexdigest()
            return known
        except OSError as error:
            if line is None:  # vanished between listing and reading: the next look sees the rest
                return "gone"
            raise _missing(line, str(path), error) from None


def _source_files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        left_out = _NOT_SOURCE | _NOT_AT_THE_TOP if parent == str(folder) else _NOT_SOURCE
        folders[:] = sorted(n for n in folders if n not in left_out and not n.endswith(".egg-info"))
        yield from (Path(parent, name) for name in sorted(files) if not name.endswith((".pyc", ".pyo")))


def project_name(folder: Path) -> str | None:
    """The static name of the project in `folder`, from pyproject.toml or setup.cfg; None if it is computed."""
    for name, section in (("pyproject.toml", "project"), ("setup.cfg", "metadata")):
        try:
            text = (folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        body = re.search(rf"^\[{section}\]\s*$(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
        found = body and re.search(r"^\s*name\s*=\s*[\"']?([A-Za-z0-9._-]+)", body[1], re.MULTILINE)
        if found:
            return found[1]
    return None


def _folder_of(url: str) -> str:
    return url.rsplit("/", 1)[0]


def _file_url_path(url: str) -> str:
    return os.path.normpath(unquote(urlsplit(url).path))


def _sum(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _missing(line: Line, where: str, error: OSError | None = None) -> Permanent:
    if error is None or isinstance(error, FileNotFoundError):
        text = f"dependencies, {line.origin}: {where}: there is no such file or folder"
        return Missing(Reason.PACKAGE_NOT_FOUND, text, where)
    return Permanent(Reason.PACKAGE_NOT_FOUND, f"dependencies, {line.origin}: {where}: {error.strerror}")


def _error(line: Line, why: str) -> Permanent:
    return Permanent(Reason.DEPENDENCY_INVALID, f"dependencies, {line.origin}: {why}")
