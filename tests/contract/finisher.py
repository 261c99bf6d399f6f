"""A node that finishes runs, in a process of its own: reads one JSON line for each move, answers with what it got.

    {"source": URL, "generation": G, "target": URL, "die": N}

With `die` it ends by SIGKILL just before its Nth change or look on the file system during that move (Python's audit
events stand before each of them). Its User-Agent towards a storage server is the first argument.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from poltergust.path.layout import WatchedPath
from poltergust.stores import Conflict, NotFound, Store, StoreError, Stores

_STEPS = ("open", "os.mkdir", "os.link", "os.listdir", "os.remove", "os.rename", "os.rmdir", "fcntl.flock")


class Clock:
    """Counts the steps down; at zero the process is gone."""

    left = 0

    def __call__(self, event: str, _arguments: tuple[object, ...]) -> None:
        if self.left and event in _STEPS:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)


def open_named(root: str, name: str) -> Store:
    if not root.startswith("gs://"):
        return Stores(WatchedPath(root).state_prefix, recovers=True).of(root)
    from google.cloud import storage

    from poltergust.stores.gs import GsStore

    client = storage.Client(project="p")
    client.update_user_agent(name)
    return GsStore(client)


def finish(store: Store, order: dict[str, str]) -> str:
    try:
        return "won" if store.move(order["source"], order["generation"], order["target"]) else "done"
    except NotFound:
        return "gone"
    except Conflict:
        return "conflict"
    except StoreError as error:
        return f"{type(error).__name__}: {error}"


def main(name: str, root: str) -> None:
    store = open_named(root, name)
    clock = Clock()
    sys.addaudithook(clock)
    for line in sys.stdin:
        order = json.loads(line)
        clock.left = order.get("die") or 0
        answer = finish(store, order)
        clock.left = 0
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
