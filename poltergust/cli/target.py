"""Where a command looks: the options `--path` and `--scheduler-url`, and the store and reader they make."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from poltergust.base.errors import UsageError
from poltergust.cli.options import option
from poltergust.node.settings import parse_path
from poltergust.path import layout

if TYPE_CHECKING:
    from poltergust.path.reading.reader import Reader
    from poltergust.stores import Store

F = TypeVar("F", bound=Callable[..., Any])

path_option = option("--path", metavar="PATH", help="Where configs land: gs://bucket/prefix or a local folder.")
scheduler_option = option(
    "--scheduler-url", metavar="URL", help="The luigid to ask for counts; default: the one that the nodes name."
)


@dataclass(frozen=True)
class Target:
    """A path and its store."""

    path: layout.WatchedPath
    store: Store

    @classmethod
    def of(cls, text: str | None) -> Target:
        """From `--path` as given. Raises `UsageError`."""
        if not text:
            raise UsageError(
                "which path? add --path gs://bucket/prefix or a folder, or set POLTERGUST_PATH once for all"
            )
        from poltergust.cli.warning import warn_on_standard_error
        from poltergust.stores import open_store

        warn_on_standard_error()
        path = parse_path(text)
        return cls(path, open_store(path.root))

    def reader(self) -> Reader:
        from poltergust.path.reading.reader import Reader

        return Reader(self.store, self.path)


def who() -> str:
    """Who gives the command, for records: user and host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
