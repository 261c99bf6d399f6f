"""The path: does it exist, has this node its rights, do notifications of uploads arrive, which nodes are alive?

One class for each kind of path with the same probes. What both can do through `stores.Store` stands in the base.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from poltergust.base import hints
from poltergust.base.checks import Check, Severity, fail, ok, skip, warn
from poltergust.base.errors import PoltergustError
from poltergust.documents import MAX_BYTES, parse_task_file
from poltergust.node.settings import Settings
from poltergust.path.layout import CONFIG_SUFFIX, WatchedPath
from poltergust.path.liveness import LIVE_SECONDS
from poltergust.path.records import NodeRecord
from poltergust.path.state import PathState
from poltergust.stores import StoreError

if TYPE_CHECKING:
    from poltergust.stores.gs.examine import Bucket

MAX_SKEW_SECONDS = 60.0
"""Seconds that this machine's clock may be off before a warning: Google refuses tokens at about 5 minutes."""

MAX_CONFIGS = 200
"""Task files that are read for the labels they ask for."""

_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse", "afs", "lustre", "virtiofs")


class _PathProbes:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path: WatchedPath = settings.path
        self._usable = True  # False once it is known that nothing more can be found out

    @functools.cached_property
    def _state(self) -> PathState:
        """Raises `UsageError`."""
        return PathState.open(self._path, self._settings.node)

    def round_trip(self) -> Iterator[Check]:
        """Write, rename, read and delete a small file beside the path, as the agent does; and the server's clock."""
        if not self._usable:
            return
        store = self._state.store
        url = f"{self._path.state_prefix}doctor/{self._settings.node}-{secrets.token_hex(4)}.txt"
        moved = url.removesuffix(".txt") + "-moved.txt"
        try:
            before = time.time()
            entry = store.write(url, b"poltergust doctor\n")
            after = time.time()
            store.move(url, store.read(url).generation, moved)
            store.delete(moved)
        except StoreError as error:
            yield fail(
                "write", str(error), f"let this node write below {self._path.state_prefix} and {self._path.prefix}"
            )
            return
        finally:
            with contextlib.suppress(StoreError):
                store.delete(url)
        yield ok("write", f"wrote, renamed, read and deleted a file in {self._path.state_prefix}doctor/")
        # A file's time is of the kernel's last tick, a server's may be cut to a second.
        skew = max(before - 1.0 - entry.updated, entry.updated - after, 0.0)
        if skew > MAX_SKEW_SECONDS:
            remedy = "set the clock by the network: timedatectl set-ntp true"
            yield warn("clock", f"this machine's clock and the storage's are {skew:.0f} s apart", remedy)
        else:
            yield ok("clock", "agrees with the storage's" if skew < 1 else f"{skew:.0f} s from the storage's")

    def nodes(self) -> Iterator[Check]:
        """Who else listens to the path."""
        if not self._usable:
            return
        state, node = self._state, self._settings.node
        found = list(state.records.nodes())
        server_time = state.records.server_time()
        now = time.time() if server_time is None else server_time
        agents: dict[str, list[NodeRecord]] = {}
        for seen in found:
            if now - seen.updated < LIVE_SECONDS:
                agents.setdefault(seen.record.node, []).append(seen.record)
        others = sorted(set(agents) - {node})
        yield from (_duplicate(same) for same in agents.values() if len(same) > 1)
        yield from (self._same_name(same[0]) for name, same in agents.items() if name == node and len(same) == 1)
        if others and self._settings.scheduler_url is None:
            are = "is" if len(others) == 1 else "are"
            yield fail(
                "one-scheduler",
                f"{', '.join(others)} {are} alive on this path, and this node would run a scheduler of its own",
                "start all nodes with the same --scheduler-url",
            )
            return
        embedded = sorted(name for name in others if any(record.embedded for record in agents[name]))
        if embedded:
            remedy = (
                f"start {'it' if len(embedded) == 1 else 'them'} again with the same --scheduler-url as all other nodes"
            )
            run = "runs a scheduler of its own" if len(embedded) == 1 else "run schedulers of their own"
            yield fail("one-scheduler", f"{', '.join(embedded)} {run} on this path", remedy)
            return
        yield ok("nodes", f"also alive on this path: {', '.join(others) or 'none'}")
        taking = [record for records in agents.values() for record in records if record.taking]
        yield from self._labels([frozenset(record.labels) for record in taking if record.node != node])

    def _labels(self, others: list[frozenset[str]]) -> Iterator[Check]:
        """Configs that wait for a node of other labels than this one and the `others` have."""
        labels = [frozenset(self._settings.runs.labels), *others]
        for entry in itertools.islice(self._state.store.list(self._path.prefix, suffix=CONFIG_SUFFIX), MAX_CONFIGS):
            try:
                blob = self._state.store.read(entry.url, limit=MAX_BYTES)
                wanted = parse_task_file(blob.data, entry.url).nodes
            except (StoreError, PoltergustError):
                continue  # gone meanwhile, or wrong: its outcome says so
            if not any(each.issuperset(wanted) for each in labels):
                yield warn(
                    "labels",
                    f"{entry.url} waits: no live node has {', '.join(wanted)}",
                    "start a node with these as --label, or correct the file's nodes",
                )

    def _same_name(self, record: NodeRecord) -> Check:
        if record.host == socket.gethostname():
            return ok("node", f"{record.node} is this machine's own agent, process {record.pid}")
        return fail(
            "node",
            f"another machine, {record.host}, is alive on this path as {record.node}",
            "give each node a name of its own with --node",
        )


def _duplicate(agents: list[NodeRecord]) -> Check:
    """Of agents with one name; all but one write that they wait for it."""
    where = " and ".join(f"process {record.pid} on {record.host}" for record in agents)
    return fail(
        "node",
        f"{len(agents)} agents on this path are called {agents[0].node}: {where}",
        "stop all but one, or give each a name of its own with --node",
    )


class BucketProbes(_PathProbes):
    """A path in a bucket."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._bucket: Bucket | None = None

    def access(self) -> Iterator[Check]:
        """Credentials, the bucket, permissions, settings that are in the way."""
        from poltergust.stores.gs.examine import open_bucket

        self._bucket, check = open_bucket(self._path.prefix, self._path.state_prefix)
        yield check
        if self._bucket is not None:
            yield from self._bucket.permissions()
        self._usable = self._bucket is not None and self._bucket.reachable
        if self._bucket is not None and self._usable:
            yield from self._bucket.settings()

    def events(self) -> Iterator[Check]:
        """The way of a notification: bucket, topic, subscription."""
        if self._bucket is None:
            return
        with contextlib.closing(self._bucket) as bucket:  # what comes after uses the store
            if self._usable:
                yield from self._events(bucket)

    def _events(self, bucket: Bucket) -> Iterator[Check]:
        subscription, topic = self._settings.subscription, self._settings.topic
        if subscription is None and topic is None:
            yield warn(
                "subscription",
                f"none: an upload is found by the scan, up to {self._settings.reconcile_interval:g} s later",
                "name one with --subscription, or a topic with --topic",
            )
            return
        from poltergust.sources.pubsub import examine

        if subscription is not None:
            found = examine.named(subscription, self._path.prefix, CONFIG_SUFFIX)
        else:
            assert topic is not None
            found = examine.own(topic, self._settings.node, self._path.prefix)
        yield from found.checks
        if found.topic is not None or not any(check.verdict is Severity.FAIL for check in found.checks):
            yield from bucket.notifications(found.topic)


class FolderProbes(_PathProbes):
    """A path on a file system."""

    def access(self) -> Iterator[Check]:
        """Whether the folder is there, and files can be made in it and beside it."""
        folder, side = Path(self._path.root), Path(self._path.state_prefix)
        try:
            there = folder.is_dir()
        except PermissionError as error:
            self._usable = False
            yield fail("folder", f"{folder}: {error.strerror}", "let the node's user enter the folders above it")
            return
        if not there:
            self._usable = False
            yield fail("folder", f"{folder} is no folder", f"make it: {hints.make_folder(str(folder))}")
            return
        refused = []
        for place in (folder, side if side.is_dir() else side.parent):
            try:
                # Hidden, so that no agent takes it for anything; gone with the descriptor.
                with tempfile.TemporaryFile(dir=place, prefix=".poltergust-"):
                    pass
            except OSError as error:
                refused.append(f"{place}: {error.strerror}")
        if refused:
            self._usable = False
            remedy = "let the node's user write there (logs and records go beside the path), or choose another --path"
            yield fail("folder", f"cannot write to {'; '.join(refused)}", remedy)
            return
        yield ok("folder", f"{folder} can be read and written, and so can {side}")

    def events(self) -> Iterator[Check]:
        """Whether the file system reports changes that other machines make."""
        if not self._usable:
            return
        kind = _file_system(Path(self._path.root))
        if kind is not None and kind.split(".")[0] in _REMOTE:
            yield warn(
                "events",
                f"{self._path.root} is on {kind}, which does not report changes made by other machines",
                f"the scan finds them, every {self._settings.reconcile_interval:g} s: lower --reconcile-interval",
            )
        elif kind is None:
            yield skip("events", "the kind of file system is not known here")
        else:
            yield ok("events", f"the file system ({kind}) reports changes")


def _file_system(folder: Path) -> str | None:
    """Its kind, by the longest mount point above `folder` (proc(5)); None where there is no /proc."""
    try:
        lines = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return None
    real = os.path.realpath(folder)
    mounts = [(line.split()[1].replace("\\040", " "), line.split()[2]) for line in lines]
    above = [mount for mount in mounts if real == mount[0] or real.startswith(mount[0].rstrip("/") + "/")]
    return max(above, key=lambda mount: len(mount[0]))[1] if above else None
