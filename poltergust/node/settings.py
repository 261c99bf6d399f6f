"""One frozen value with everything a user can set for one agent. Made by the command line, read by everybody else."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from poltergust.base import hints
from poltergust.base.errors import UsageError
from poltergust.base.folders import absolute, check_text, is_folder
from poltergust.base.urls import is_cloud
from poltergust.observe.settings import ObserveSettings
from poltergust.path import layout
from poltergust.runs.settings import RunSettings

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_SCHEME = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:"
)  # s3://bucket, gs:/bucket; a folder of such a name is meant if it is there


@dataclass(frozen=True)
class Settings:
    """All durations in seconds, all sizes in bytes."""

    path: layout.WatchedPath
    node: str
    scheduler_url: str | None = None  # None: an embedded luigid
    subscription: str | None = None  # full name, projects/P/subscriptions/S
    topic: str | None = None  # full name, projects/P/topics/T: the node makes its own subscription
    reconcile_interval: float = 300.0
    parallel: int = 8
    cache: Path = Path("~/.cache/poltergust")
    workdir: Path | None = None  # current directory of all runs; None: see `working_directory`
    env_cache_size: int | None = 20 * 1024**3  # None: no limit
    env_max_age: float | None = 30 * 86400.0  # since last use; None: no limit
    build_parallel: int = 2
    warm_starts: bool = True  # runs are forked from a process that has Luigi imported already
    install_pythons: bool = False  # a Python that this machine lacks is installed by uv
    runs: RunSettings = field(default_factory=RunSettings)
    observe: ObserveSettings = field(default_factory=ObserveSettings)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)  # the node's own environment

    @property
    def digest(self) -> str:
        """Of the path, and of the storage server where an emulator stands in for Google's: tells agents that share a
        machine or a cache folder apart."""
        emulator = self.environ.get("STORAGE_EMULATOR_HOST", "") if is_cloud(self.path.root) else ""
        what = f"{emulator} {self.path.root}" if emulator else self.path.root
        return hashlib.sha256(what.encode()).hexdigest()[:16]

    @property
    def working_directory(self) -> Path:
        """The current directory of all runs, which lasts: `workdir`, or for a folder the directory in which this
        process was started, as if a person had typed `luigi` there; for a bucket, where no such directory means
        anything, one of the path's own that no pruning of the cache touches."""
        if self.workdir is not None:
            return self.workdir
        if not is_cloud(self.path.root):
            return Path.cwd()
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", self.path.root[len("gs://") :])[:60]
        return self.cache / "workdir" / f"{name}-{self.digest[:8]}"

    @property
    def journal(self) -> Path:
        """Where this node keeps what it knows of its runs on this path."""
        return self.cache / "journal" / f"{self.digest}-{self.node}.jsonl"

    @property
    def scratch(self) -> Path:
        """Where this agent, and no other, makes the private folders of its runs. Short: a socket in one has a path of
        at most 107 bytes (unix(7)), and Python's multiprocessing makes some."""
        owner = hashlib.sha256(f"{self.path.root}\0{self.node}".encode()).hexdigest()
        return self.cache / "run" / owner[:8]


def parse_path(text: str, *, must_exist: bool = True) -> layout.WatchedPath:
    """`--path` as a user writes it. Raises `UsageError` for what is neither a bucket's path nor a folder (that exists,
    unless told otherwise)."""
    if is_cloud(text):
        # As of a file's text in a variable. No object's name has any: https://cloud.google.com/storage/docs/objects#naming
        text = text.strip("\r\n")
        check_text("--path", text)
        bucket, _, prefix = text[len("gs://") :].partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise UsageError(f"--path {text}: {bucket!r} is not a bucket's name; write gs://bucket/prefix")
        prefix = prefix.rstrip("/")
        return layout.WatchedPath(f"gs://{bucket}/{prefix}" if prefix else f"gs://{bucket}")
    folder = absolute("--path", text)
    check_text("--path", str(folder))
    if (must_exist or _SCHEME.match(text)) and not is_folder("--path", text, folder):
        raise UsageError(f"--path {text}: {_no_folder(text, folder)}")
    return layout.WatchedPath(str(folder))


def _no_folder(text: str, folder: Path) -> str:
    """Why `text`, which is no folder here, cannot be the path, and what to write or do instead."""
    if _SCHEME.match(text):
        scheme, _, rest = text.partition(":")
        if scheme in ("gs", "gcs"):
            return f"a bucket is written gs://{rest.lstrip('/') or 'bucket/prefix'}"
        return "only buckets of Google Cloud Storage (gs://bucket/prefix) and local folders can be watched"
    if folder.exists() or folder.suffix in (".yaml", ".yml"):
        near = hints.near(folder.parent)
        return f"is a file; name the folder that configs go to, for example {'./' if near == '.' else near}"
    return f"no such folder; make it first: {hints.make_folder(text)}"


def parse_node(text: str | None, option: str = "--node") -> str:
    """What `option` gives, or the host's name made fit. Raises `UsageError`."""
    if text is None:
        text = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname()).strip("-.") or "node"
    if not layout.valid_node(text):
        raise UsageError(f"{option} {text!r}: use letters, digits, dots, dashes and underscores, at most 100 of them")
    return text


def parse_labels(texts: Sequence[str]) -> tuple[str, ...]:
    """`--label` as often as given, each once. Raises `UsageError` for what no task file could ask for."""
    from poltergust.documents.known import LABEL  # its room brings PyYAML, which `--help` should not wait for

    for text in texts:
        if not re.fullmatch(LABEL, text):
            raise UsageError(
                f"--label {text!r}: use letters, digits, dots, dashes, underscores, slashes and equal signs, beginning "
                "with a letter or digit, at most 100 of them"
            )
    return tuple(sorted(set(texts)))


def parse_cache(text: str | None, option: str = "--cache-dir") -> Path:
    """The cache folder that `option` names; when none is named, one below the user's own. Raises `UsageError`."""
    if text:
        return absolute(option, text)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return absolute("--cache-dir", f"{base}/poltergust")
