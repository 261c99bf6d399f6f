"""Names: how configs, outcomes and a node's own records are called. Pure text, no I/O.

A *path* is what `--path` names: ``gs://bucket/prefix``, ``gs://bucket`` or an absolute folder. The *name* of a config
is its object name below the path without ``.config.yaml``: ``sub/report`` for
``gs://b/pipeline/sub/report.config.yaml``.
Everything a node writes for itself lives under one *sibling* prefix that cannot trigger anything.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from dataclasses import dataclass
from enum import Enum

from poltergust.base.errors import Permanent
from poltergust.base.reasons import Reason
from poltergust.base.urls import MAX_OBJECT_NAME_BYTES, is_cloud, split_cloud
from poltergust.stores.folder.files import HIDDEN_PREFIX

CONFIG_SUFFIX = ".config.yaml"
TASKS_SUFFIX = ".tasks.jsonl"
MAX_FILE_NAME_BYTES = 255
"""Of one component of a path: NAME_MAX of the common Linux file systems."""

_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Kind(Enum):
    """What stands at a name: the config, or an outcome that took its place."""

    CONFIG = "config"
    DONE = "done"
    ERROR = "error"
    CANCELLED = "cancelled"

    @property
    def suffix(self) -> str:
        return f".{self.value}.yaml"


OUTCOMES = (Kind.DONE, Kind.ERROR, Kind.CANCELLED)


def valid_node(node: str) -> bool:
    """Whether `node` is usable as a node's name: one path component of letters, digits, dots, dashes, underscores."""
    return _NODE.fullmatch(node) is not None and ".." not in node


def resolve(reference: str, base: str) -> str:
    """The URL that `reference`, as written in the file at `base`, names: absolute, or relative to that file.

    Nothing relative leaves the bucket. Raises `Permanent` for a file of the node's own disk named from a bucket.
    """
    if is_cloud(reference):
        return reference
    if not is_cloud(base):
        return posixpath.normpath(posixpath.join(posixpath.dirname(base), reference))
    if reference.startswith("/"):
        raise Permanent(
            Reason.INVALID_VALUE,
            f"{base}: {reference!r} is a file of one machine; name a gs:// object or one relative to this file",
        )
    bucket, key = split_cloud(base)
    target = posixpath.normpath(posixpath.join("/", posixpath.dirname(key), reference))
    return f"gs://{bucket}{target}"


@dataclass(frozen=True)
class WatchedPath:
    """`root` is the path without a trailing slash; all methods return URLs in the store's form."""

    root: str

    @property
    def prefix(self) -> str:
        """What every config's URL starts with. Always ends with a slash: `pipeline` never matches `pipeline2/`."""
        return self.root + "/"

    @property
    def state_prefix(self) -> str:
        """The sibling prefix for logs, records and heartbeats, ending with a slash."""
        if is_cloud(self.root) and not split_cloud(self.root)[1]:
            return f"{self.root}/.poltergust/"
        return f"{self.root}.poltergust/"

    def of(self, name: str, kind: Kind) -> str:
        return f"{self.prefix}{name}{kind.suffix}"

    def name_of(self, url: str, kind: Kind = Kind.CONFIG) -> str | None:
        """The name if `url` is such an object below this path, else None (case matters, the stem is not empty)."""
        if not url.startswith(self.prefix) or url.startswith(self.state_prefix) or not url.endswith(kind.suffix):
            return None
        name = url[len(self.prefix) : -len(kind.suffix)]
        if not is_cloud(self.root) and any(part.startswith(HIDDEN_PREFIX) for part in name.split("/")):
            return None
        return name if name and not name.endswith("/") else None

    def check(self, name: str, generation: str, node: str) -> None:
        """Raise `Permanent` for a name that records and logs could not be written under, or that hides what it is.

        Cloud Storage takes nearly any text as an object name; control characters, ``..`` as a component and the like
        have no honest use in one, and would end up in paths, logs and terminals.
        """
        where = f"{self.prefix}{name!r}{CONFIG_SUFFIX}"
        for character in name:
            if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
                text = f"{where}: the name holds the character U+{ord(character):04X}; rename it without"
                raise Permanent(Reason.NAME_INVALID, text)
        if any(part in (".", "..") for part in name.split("/")):
            raise Permanent(Reason.NAME_INVALID, f"{where}: the name has '.' or '..' as a component; rename it without")
        for url in (self.of(name, Kind.CANCELLED), self.log(name, generation, node), self.run(name, generation, node)):
            if is_cloud(url):
                longest = len(split_cloud(url)[1].encode())
                limit = MAX_OBJECT_NAME_BYTES
            else:
                longest = max(len(part.encode()) for part in url.split("/"))
                limit = MAX_FILE_NAME_BYTES
            if longest > limit:
                text = f"{self.prefix}{name[:40]}…: the name is {longest - limit} bytes too long for its outcomes and"
                raise Permanent(Reason.NAME_TOO_LONG, f"{text} records; shorten it")

    def log(self, name: str, generation: str, node: str) -> str:
        return f"{self.state_prefix}logs/{name}/{generation}/{node}.log"

    def runs_of(self, name: str) -> str:
        """Prefix of all records of all runs of that name, and of names below it."""
        return f"{self.state_prefix}runs/{name}/"

    def runs(self, name: str, generation: str) -> str:
        """Prefix of all nodes' records of one run."""
        return f"{self.runs_of(name)}{generation}/"

    def run(self, name: str, generation: str, node: str) -> str:
        return f"{self.runs(name, generation)}{node}.json"

    def tasks(self, name: str, generation: str, node: str) -> str:
        """What the tasks of that run did on that node. No older version lists this suffix."""
        return f"{self.runs(name, generation)}{node}{TASKS_SUFFIX}"

    def logs(self, name: str) -> str:
        """Prefix of all logs of all runs of that name, and of names below it."""
        return f"{self.state_prefix}logs/{name}/"

    def submitted(self, name: str) -> str:
        """Who submitted the config of that name."""
        return f"{self.state_prefix}submitted/{name}.json"

    def cancelled(self, name: str) -> str:
        """Who cancelled the run whose outcome is the one of that name."""
        return f"{self.state_prefix}cancelled/{name}.json"

    def lock(self, key: str) -> str:
        """The exact versions that all nodes install for one environment."""
        return f"{self.state_prefix}locks/{key}.txt"

    def code(self, digest: str) -> str:
        """The bundle of source with that digest."""
        return f"{self.codes}{digest}.zip"

    @property
    def codes(self) -> str:
        return f"{self.state_prefix}code/"

    def content(self, digest: str) -> str:
        """A text that some run was made of."""
        return f"{self.contents}{digest}"

    @property
    def contents(self) -> str:
        return f"{self.state_prefix}content/"

    def code_mark(self, name: str, generation: str) -> str:
        """Which bundle that run executes."""
        return f"{self.runs(name, generation)}.code"

    @property
    def nodes(self) -> str:
        return f"{self.state_prefix}nodes/"

    def node(self, node: str) -> str:
        return f"{self.nodes}{node}.json"

    def waiting_node(self, node: str, instance: str) -> str:
        """Where an agent says that another one holds its name. No node is called so: a name has no ``~``."""
        return f"{self.nodes}{node}~{instance}.json"
