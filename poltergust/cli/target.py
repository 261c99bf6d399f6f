"""The path that a command works on: the options `--path` and `--scheduler-url`, and the store and reader they make."""

from __future__ import annotations

import functools
import getpass
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from poltergust.base.errors import UsageError
from poltergust.cli.options import option, scheduler_password_option, with_password
from poltergust.node.settings import parse_path
from poltergust.path import layout

if TYPE_CHECKING:
    from poltergust.path.reading.reader import Reader
    from poltergust.path.state import PathState
    from poltergust.stores import Stores

F = TypeVar("F", bound=Callable[..., Any])

path_option = option("--path", "-p", metavar="PATH", help="Where configs land: gs://bucket/prefix or a local folder.")
wait_option = option("--wait", "-w", is_flag=True, help="Show it until it ended.")
follow_option = option("--follow", "-f", is_flag=True, help="Print the logs of all nodes until it ended.")
json_option = option(
    "--json", "as_json", is_flag=True, help="One JSON document on a line, as docs/commands.md describes it."
)
_scheduler_url_option = option(
    "--scheduler-url", metavar="URL", help="The luigid to ask for counts; default: the one that the nodes name."
)


def scheduler_option(function: F) -> F:
    """`--scheduler-url` and its password file; the command gets one `scheduler_url` of both."""

    @functools.wraps(function)
    def command(*arguments: Any, scheduler_url: str | None, scheduler_password_file: str | None, **options: Any) -> Any:
        return function(*arguments, scheduler_url=with_password(scheduler_url, scheduler_password_file), **options)

    return cast("F", _scheduler_url_option(scheduler_password_option(command)))


@dataclass(frozen=True)
class Target:
    """What stands on a path, and the stores for other URLs."""

    state: PathState
    stores: Stores

    @property
    def path(self) -> layout.WatchedPath:
        return self.state.path

    @classmethod
    def of(cls, text: str | None) -> Target:
        """From `--path` as given. Raises `UsageError`."""
        if not text:
            raise UsageError(
                "which path? add --path gs://bucket/prefix or a folder, or set POLTERGUST_PATH once for all"
            )
        from poltergust.cli.warning import warn_on_standard_error
        from poltergust.path.state import PathState
        from poltergust.stores import Stores

        warn_on_standard_error()
        path = parse_path(text)
        stores = Stores(path.state_prefix)
        return cls(PathState(stores.of(path.root), path, _who(), secrets.token_hex(4)), stores)

    def reader(self) -> Reader:
        return self.state.reader()


def _who() -> str:
    """Who gives the command, for records: user and host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
