"""Resolve: exact versions, once for all nodes. A lock is a requirements file of `name==version` lines with hashes.

Only what a resolver chose is in a lock: releases from indexes, and the commit a `git+…` line stood for. Folders, files
and URLs are their own pin (their content or generation is part of the key) and are installed from the lines themselves.
Where pip installs (see `lines.Line.for_pip`), the lock is what pip chose, without hashes, and constrains later builds;
`git+…` lines stay as written then: name a commit to pin them. A lock made by one installer serves the other.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from poltergust.base.errors import PoltergustError
from poltergust.base.secret_forms import URL_CREDENTIALS
from poltergust.base.text import cut
from poltergust.environments import marker
from poltergust.environments.lines import Line, read_text, requirement_name

_EXTRAS = re.compile(r"\[[^]]*\]")  # no constraint may have any (pip)
_NAME_AND_AT = re.compile(r"^\s*[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^]]*\])?\s*@\s*")
_PACKAGE = r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9._, -]*\])?"
_MARKERS = r"(?: *;(?:(?!--)[^@#])*)?"
_RELEASE = re.compile(_PACKAGE + r"==[A-Za-z0-9.!+_-]+" + _MARKERS + r"(?: --hash=[a-z0-9]+:[0-9a-f]+)*")
_GIT_COMMIT = re.compile(_PACKAGE + r" @ git\+\S+@[0-9a-f]{40}(?:#\S*)?" + _MARKERS)
_COMMIT = re.compile(r"@([0-9a-f]{40})(?=[#\s;]|$)")
_SUBDIRECTORY = re.compile(r"[#&]subdirectory=([^&\s;]+)")
_HASH = re.compile(r"--hash=(\S+)")


class LocalLocks:
    """Locks of one machine, below the cache: what is used where the caller has no store for them."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def get(self, key: str) -> str | None:
        try:
            return (self._root / f"{key}.txt").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def publish(self, key: str, text: str) -> str:
        standing = self.get(key)
        if standing is None:
            self.replace(key, text)  # builds of one key are serialised by its lease
            return text
        return standing

    def replace(self, key: str, text: str) -> None:
        marker.write_text(self._root / f"{key}.txt", text)


def name(key: str, text: str) -> str:
    """How a run record names the lock it used."""
    return f"{key}@{digest(text)}"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def header(url: str, python: str) -> str:
    return f"# exact versions for {url} on {python}, by Poltergust: `env lock --refresh` renews them\n"


def choices(resolution: str, lines: Iterable[Line]) -> list[str]:
    """The entries of uv's resolution; the folders, files and URLs of `lines` are left to the lines."""
    urls = {_location(line.requirement) for line in lines if line.is_direct_url and not line.is_vcs}
    kept = []
    for entry in _entries(resolution):
        target = entry.partition(" @ ")[2]
        if target.startswith("file:") or (target and _location(entry) in urls) or entry.startswith(("-e ", "/", ".")):
            continue
        kept.append(" ".join(entry.split()))
    return kept


def pins(chosen: Iterable[str], lines: Sequence[Line]) -> str:
    """The text of a lock: what in `chosen` may be in one. A URL that only a package names has its own pin in that
    package, and is resolved on each node."""
    sources = _sources(lines)
    # a lock is published: nothing with a password is in it
    return "".join(f"{entry}\n" for entry in chosen if _is_pin(entry, sources) and not URL_CREDENTIALS.search(entry))


def from_installed(installed: Mapping[str, str], direct: Iterable[str]) -> str:
    """What pip chose. `direct` are names installed from folders, files or URLs."""
    left_out = set(direct)
    return "".join(
        f"{package}=={version}\n" for package, version in sorted(installed.items()) if package not in left_out
    )


def constraints(lock: str) -> str:
    """The lock for pip's `--constraint`: versions only (hashes would oblige every other line to have some)."""
    entries = (entry.split(" ")[0] for entry in _entries(lock) if " @ " not in entry)
    return "".join(_EXTRAS.sub("", entry) + "\n" for entry in entries)


def at_commits(lock: str, lines: Sequence[Line]) -> list[Line]:
    """`lines`, with the lock's entry in place of each git line that it has one for."""
    commits = {_source(entry): read_text(entry, "lock")[0] for entry in _entries(lock) if " @ git+" in entry}
    return list(dict.fromkeys(commits.get(_source(line.requirement), line) if line.is_vcs else line for line in lines))


class NotOfTheFile(Exception):
    """A lock pins what the file's own lines do not lead to."""


def agreed(lock: str, chosen: Sequence[str]) -> list[str]:
    """`chosen`, what the file's lines lead to where the lock's versions are preferred, with the hashes of `lock`.

    A lock may say less: no hashes (pip's), or nothing of a package that this node's Python needs besides. It may not
    say more or otherwise: raises `NotOfTheFile`. Of its hashes those count that this node's indexes give, too.
    """
    standing = {_name(entry): entry for entry in _entries(lock)}
    result = []
    for entry in chosen:
        pinned = standing.pop(_name(entry), None)
        if pinned is None or not (theirs := _HASH.findall(pinned)):
            hashes = _HASH.findall(entry)
        else:
            hashes = [digest for digest in theirs if digest in _HASH.findall(entry)]
            if not hashes:
                raise NotOfTheFile(f"no index of this node has a file of {_shown(pinned)} with its hashes")
        if pinned is not None and _pin(pinned) != _pin(entry):
            raise NotOfTheFile(f"{_shown(pinned)} is not what the file's lines lead to")
        result.append(" ".join([_HASH.sub("", entry).strip(), *(f"--hash={digest}" for digest in hashes)]))
    if standing:
        raise NotOfTheFile(f"nothing in the file needs {_shown(next(iter(standing.values())))}")
    return result


def installation(chosen: Sequence[str], lines: Sequence[Line]) -> tuple[list[str], list[Line]]:
    """What to install without looking at dependencies: what was chosen, and the lines that are their own pin."""
    hashed = {
        canonicalize_name(requirement_name(line) or ""): line.install_text for line in lines if line.values("--hash")
    }
    entries = [hashed.get(_name(entry), entry) for entry in chosen]  # the file's own hashes are the stricter ones
    pinned = {_source(entry) for entry in entries if " @ git+" in entry}
    rest = [
        line
        for line in lines
        if not line.requirement or (line.is_direct and not (line.is_vcs and _source(line.requirement) in pinned))
    ]
    return entries, rest


def all_hashed(entries: Sequence[str], rest: Sequence[Line]) -> bool:
    """Whether an installation can demand a hash of everything (a constraint could have none)."""
    free = any(line.requirement or line.values("--constraint") for line in rest)
    return not free and all("--hash" in entry for entry in entries)


def only_pins(lock: str, lines: Sequence[Line]) -> bool:
    """Whether each entry is a release, or a commit of a git line among `lines`; one for each name."""
    sources = _sources(lines)
    try:
        entries = _entries(lock)
    except PoltergustError:
        return False
    one_each = len({_name(entry) for entry in entries}) == len(entries)
    return one_each and all(_is_pin(entry, sources) for entry in entries)


def versions(lock: str) -> dict[str, str]:
    """Name to version, for people."""
    found = {}
    for entry in _entries(lock):
        package, _, rest = entry.partition("==")
        found[package.split(" ")[0]] = (
            rest.split(" ")[0].rstrip(";") if rest else entry.partition(" @ ")[2].split(" ")[0]
        )
    return found


def installed(folder: Path) -> tuple[dict[str, str], set[str]]:
    """Name to version of everything in an environment, and the names that came from folders, files or URLs."""
    paths = [str(path) for path in folder.glob("lib/*/site-packages")]
    found, direct = {}, set()
    for distribution in metadata.distributions(path=paths):
        package = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if package:
            found[package] = distribution.version
            if distribution.read_text("direct_url.json") is not None:
                direct.add(package)
    return found, direct


@functools.lru_cache(maxsize=32)
def _entries(text: str) -> tuple[str, ...]:
    """One entry per requirement, hashes on the same line. Each run asks for those of the lock that it had before."""
    return tuple(line.text for line in read_text(text, "lock")) if text.strip() else ()


def _name(entry: str) -> NormalizedName:
    return canonicalize_name(re.split(r"[\[=\s]", entry, maxsplit=1)[0])


def _shown(entry: str) -> str:
    return cut(entry.partition(" --hash")[0], 200)


def _pin(entry: str) -> Version | str:
    """What an entry fixes: a release's version, or repository and commit."""
    if " @ " in entry:
        commit = _COMMIT.search(entry)
        return f"{_source(entry)} {commit[1] if commit else ''}"
    return Version(re.split(r"[\s;]", entry.partition("==")[2], maxsplit=1)[0])


def _is_pin(entry: str, sources: Mapping[str, str | None]) -> bool:
    if _RELEASE.fullmatch(entry):
        try:
            _pin(entry)
        except InvalidVersion:
            return False
        return True
    if not _GIT_COMMIT.fullmatch(entry) or _source(entry) not in sources:
        return False
    named = sources[_source(entry)]
    commit = _COMMIT.search(entry)
    return named is None or (commit is not None and commit[1] == named)


def _sources(lines: Iterable[Line]) -> dict[str, str | None]:
    """What the git lines name, each with the commit that the line itself fixes (None: a branch, a tag)."""
    found = {}
    for line in lines:
        if line.is_vcs:
            commit = _COMMIT.search(line.requirement)
            found[_source(line.requirement)] = commit[1] if commit else None
    return found


def _source(requirement: str) -> str:
    """What a git line takes: the repository, and the folder in it."""
    folder = _SUBDIRECTORY.search(requirement)
    return f"{_location(requirement)} {folder[1] if folder else ''}".rstrip()


def _location(requirement: str) -> str:
    """A URL without name, credentials, commit, fragment, markers: which distinguishes direct requirements."""
    url = _NAME_AND_AT.sub("", requirement)
    url = re.split(r"[\s;#]", url.strip())[0]
    scheme, found, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{found}{host.rpartition('@')[2]}{slash}{_COMMIT.sub('', path).partition('@')[0]}" if found else url
