"""Resolve: exact versions, once for all nodes. A lock is a requirements file of `name==version` lines with hashes.

Only what a resolver chose is in a lock: releases from indexes, and the commit a `git+…` line stood for. Folders, files
and URLs are their own pin (their content or generation is part of the key) and are installed from the lines themselves.
Where pip installs (see `lines.Line.for_pip`), the lock is what pip chose, without hashes, and constrains later builds;
`git+…` lines stay as written then: name a commit to pin them. A lock made by one installer serves the other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

from poltergust.base.errors import PoltergustError
from poltergust.base.secret_forms import URL_CREDENTIALS
from poltergust.environments import marker
from poltergust.environments.lines import Line, read_text, requirement_name

_EXTRAS = re.compile(r"\[[^]]*\]")  # no constraint may have any (pip)
_NAME_AND_AT = re.compile(r"^\s*[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^]]*\])?\s*@\s*")
_PACKAGE = r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9._, -]*\])?"
_MARKERS = r"(?: *;(?:(?!--)[^@#])*)?"
_RELEASE = re.compile(_PACKAGE + r"==[A-Za-z0-9.!+_-]+" + _MARKERS + r"(?: --hash=[a-z0-9]+:[0-9a-f]+)*")
_GIT_COMMIT = re.compile(_PACKAGE + r" @ git\+\S+@[0-9a-f]{40}(?:#\S*)?" + _MARKERS)
_COMMIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._, -]*\])? @ git\+\S+@[0-9a-f]{40}(#\S*)?( *;[^@#]*)?")
_COMMIT = re.compile(r"@[0-9a-f]{40}(?=[#\s]|$)")


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


def from_resolution(text: str, lines: Iterable[Line]) -> str:
    """uv's resolution as a lock: entries for the folders, files and URLs of `lines` taken out."""
    urls = {_location(line.requirement) for line in lines if line.is_direct_url and not line.is_vcs}
    kept = []
    for entry in _entries(text):
        target = entry.partition(" @ ")[2]
        if URL_CREDENTIALS.search(entry):  # a lock is published: what has a password is installed from its own line
            continue
        if target.startswith("file:") or (target and _location(entry) in urls) or entry.startswith(("-e ", "/", ".")):
            continue
        kept.append(" ".join(entry.split()))
    return "".join(f"{entry}\n" for entry in kept)


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


def installation(lock: str, lines: Sequence[Line]) -> tuple[list[str], list[Line]]:
    """What to install without looking at dependencies: the lock's entries, and the lines a lock does not hold."""
    entries = _entries(lock)
    hashed = {
        canonicalize_name(requirement_name(line) or ""): line.install_text for line in lines if line.values("--hash")
    }
    entries = [hashed.get(_name(entry), entry) for entry in entries]  # the file's own hashes are the stricter ones
    pinned = {_location(entry) for entry in entries if " @ git+" in entry}
    rest = [
        line
        for line in lines
        if not line.requirement or (line.is_direct and not (line.is_vcs and _location(line.requirement) in pinned))
    ]
    return entries, rest


def only_pins(lock: str, lines: Sequence[Line]) -> bool:
    """Whether each entry is a release, or a commit of a git line among `lines`."""
    repositories = {_location(line.requirement) for line in lines if line.is_vcs}
    try:
        entries = _entries(lock)
    except PoltergustError:
        return False
    return all(
        _RELEASE.fullmatch(entry) or (_GIT_COMMIT.fullmatch(entry) and _location(entry) in repositories)
        for entry in entries
    )


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


def _entries(text: str) -> list[str]:
    """One entry per requirement, hashes on the same line."""
    return [line.text for line in read_text(text, "lock")] if text.strip() else []


def _name(entry: str) -> NormalizedName:
    return canonicalize_name(re.split(r"[\[=\s]", entry, maxsplit=1)[0])


def _location(requirement: str) -> str:
    """A URL without name, credentials, commit, fragment, markers: which distinguishes direct requirements."""
    url = _NAME_AND_AT.sub("", requirement)
    url = re.split(r"[\s;#]", url.strip())[0]
    scheme, found, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{found}{host.rpartition('@')[2]}{slash}{_COMMIT.sub('', path).partition('@')[0]}" if found else url
