"""Where configs land, as a person sees it who is not Poltergust: a folder, or a bucket of the strict server.

Keys are relative to what holds the path: ``pipeline/a.config.yaml``, ``environment/plain.yaml``,
``pipeline.poltergust/runs/…``.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.e2e.nodes import Node, node
from tests.emulators.gcs import StrictGcs
from tests.emulators.servers import wait_until

BUCKET = f"places-{secrets.token_hex(4)}"
"""Another one in each process of tests: two agents of one name on one path find each other on a machine."""

SIDE = "pipeline.poltergust"


class Place(ABC):
    """`path` is for `--path`, `env` for the agents, `scratch` a local folder for what tasks leave."""

    path: str
    env: Mapping[str, str]
    scratch: Path

    @abstractmethod
    def url(self, key: str) -> str: ...

    @abstractmethod
    def read(self, key: str) -> bytes | None:
        """None if there is no such object."""

    @abstractmethod
    def write(self, key: str, data: bytes) -> None:
        """Whole at once, as an upload or a rename into place does."""

    @abstractmethod
    def delete(self, key: str) -> None: ...

    @abstractmethod
    def rename(self, key: str, target: str) -> None: ...

    @abstractmethod
    def keys(self, prefix: str) -> list[str]: ...

    def environment(self, name: str, text: str = "dependencies: []\n") -> str:
        """Write an environment file; how a task file names it."""
        self.write(f"environment/{name}.yaml", text.encode())
        return f"../environment/{name}.yaml"

    def put(self, name: str, task: str, *, environment: str = "../environment/plain.yaml", more: str = "") -> bytes:
        """Drop a config; its bytes. `task` are the lines below `task:`, `more` top-level ones."""
        data = f"environment: {environment}\n{more}task:\n{task}".encode()
        self.write(f"pipeline/{name}.config.yaml", data)
        return data

    def standing(self, name: str) -> list[str]:
        """The kinds that stand at a name: config, done, error, cancelled."""
        head = f"pipeline/{name}."
        return sorted(key.removeprefix(head).removesuffix(".yaml") for key in self.keys(head))

    def until(self, name: str, kind: str, timeout: float = 90.0) -> None:
        """Until only that kind stands at the name."""

        def there() -> bool:
            found = self.standing(name)
            if "config" not in found and found and found != [kind]:
                wait_until(lambda: self.standing(name) == [kind], f"{name} to be {kind} and not {found}", 10)
            return found == [kind]

        try:
            wait_until(there, f"{name} to be {kind}", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\nstanding: {self.standing(name)}\n{self.told(name)}") from None

    def records(self, name: str) -> dict[str, dict[str, Any]]:
        """The record of each node, of the run that was written last there."""
        found: dict[str, dict[str, Any]] = {}
        for key in self.keys(f"{SIDE}/runs/{name}/"):
            data = self.read(key) if key.endswith(".json") else None
            if data:
                found[key.rsplit("/", 1)[1].removesuffix(".json")] = json.loads(data)
        return found

    def until_records(self, name: str, what: str, timeout: float = 60.0, **wanted: object) -> dict[str, Any]:
        """Until some node's record of the run has these values; that record."""

        found: list[dict[str, Any]] = []

        def fits() -> bool:
            for each in self.records(name).values():
                if all(each.get(key) == value for key, value in wanted.items()):
                    found.append(each)
            return bool(found)

        try:
            wait_until(fits, what, timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told(name)}") from None
        return found[0]

    def log(self, name: str) -> str:
        """The logs of all nodes."""
        keys = self.keys(f"{SIDE}/logs/{name}/")
        return "\n".join((self.read(key) or b"").decode() for key in keys if key.endswith(".log"))

    def heartbeat(self, node: str) -> dict[str, Any]:
        return dict(json.loads(self.read(f"{SIDE}/nodes/{node}.json") or b"{}"))

    def told(self, name: str) -> str:
        """Everything the nodes wrote about a run, for a failed test."""
        return json.dumps(self.records(name), indent=1) + "\n" + self.log(name)

    @contextlib.contextmanager
    def agent(self, name: str, cache: Path, *more: str, **env: str) -> Iterator[Node]:
        """A node of this path that listens; `more` options, `env` variables."""
        with self.starting(name, cache, *more, env=env) as running:
            running.until("is listening to")
            yield running

    @contextlib.contextmanager
    def starting(
        self, name: str, cache: Path, *more: str, command: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> Iterator[Node]:
        """One that may not come to listen; `command` as for `nodes.node`. What agents of one name write to their
        terminals is in one log."""
        arguments = ["listen", "--path", self.path, "--node", name, "--cache-dir", str(cache), "--drain-timeout", "5s"]
        if "--reconcile-interval" not in more:
            arguments += ["--reconcile-interval", "1s"]
        full = {**self.env, "NODE": name, **(env or {})}
        log = self.scratch / f"{name}.log"
        with node([*arguments, *more], log=log, cwd=self.scratch, env=full, ready=False, command=command) as running:
            yield running


class Folder(Place):
    """`<root>/pipeline` and `<root>/environment`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.scratch = root / "scratch"
        for name in ("pipeline", "environment", "scratch"):
            (root / name).mkdir(parents=True)
        self.path = str(root / "pipeline")
        self.env = {}

    def url(self, key: str) -> str:
        return str(self._root / key)

    def read(self, key: str) -> bytes | None:
        try:
            return (self._root / key).read_bytes()
        except OSError:  # gone, or its folder
            return None

    def write(self, key: str, data: bytes) -> None:
        target = self._root / key
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = self.scratch / target.name
        aside.write_bytes(data)
        aside.rename(target)

    def delete(self, key: str) -> None:
        (self._root / key).unlink()

    def rename(self, key: str, target: str) -> None:
        (self._root / key).rename(self._root / target)

    def keys(self, prefix: str) -> list[str]:
        # Claims come and go beside the files, in folders of their own; os.walk takes no offence.
        top = self._root / prefix.split("/", 1)[0]
        found = (os.path.relpath(os.path.join(at, file), self._root) for at, _, files in os.walk(top) for file in files)
        return sorted(key for key in found if key.startswith(prefix))


class Bucket(Place):
    """``gs://places/pipeline`` and ``gs://places/environment`` on the strict server."""

    def __init__(self, server: StrictGcs, scratch: Path) -> None:
        self.server = server
        self.scratch = scratch
        scratch.mkdir(parents=True, exist_ok=True)
        server.create_bucket(BUCKET)
        self.path = f"gs://{BUCKET}/pipeline"
        self.env = {"STORAGE_EMULATOR_HOST": server.url}
        self._bucket = server.client().bucket(BUCKET)

    def url(self, key: str) -> str:
        return f"gs://{BUCKET}/{key}"

    def read(self, key: str) -> bytes | None:
        found = self.server.objects(BUCKET).get(key)
        return None if found is None else found.data

    def write(self, key: str, data: bytes) -> None:
        self.server.put(BUCKET, key, data)

    def delete(self, key: str) -> None:
        self._bucket.blob(key).delete()

    def rename(self, key: str, target: str) -> None:
        """Copy and delete, as `gsutil mv` does."""
        self._bucket.rename_blob(self._bucket.blob(key), target)

    def keys(self, prefix: str) -> list[str]:
        return [key for key in self.server.objects(BUCKET) if key.startswith(prefix)]

    def hold(self, key: str, held: bool) -> None:
        """A temporary hold: the object can be neither deleted nor renamed."""
        blob = self._bucket.blob(key)
        blob.temporary_hold = held
        blob.patch()
