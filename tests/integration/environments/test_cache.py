"""The cache under several processes: built once, rebuilt after a kill, never evicted while in use."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from poltergust.base.errors import NodeError, Permanent, UsageError
from poltergust.base.reasons import Reason
from poltergust.environments import Cancelled, Environments, Locks, marker
from poltergust.environments.cache import EnvironmentCache
from poltergust.environments.eviction import Limits
from poltergust.environments.resolve import LocalLocks
from poltergust.processes import Child, LastWord
from poltergust.processes.child import spawn
from tests.emulators.memory import Bucket, MemoryStore
from tests.emulators.servers import wait_until
from tests.integration.environments import packages
from tests.integration.environments.conftest import Node, ask
from tests.integration.environments.index_server import Index

PROJECT = Path(__file__).parents[3]


@contextlib.contextmanager
def racer(node: Node, *lines: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.environments.racer", str(node.root), *lines],
        cwd=PROJECT,
        env=node.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def answer(process: subprocess.Popen[str]) -> dict[str, object]:
    assert process.stdout is not None
    said: dict[str, object] = json.loads(process.stdout.readline())
    return said


def test_it_is_what_the_runner_asks_for(node: Node) -> None:
    environments: Environments = node.cache
    locks: Locks = LocalLocks(node.root / "locks")
    assert environments is not None
    assert locks.get("nothing") is None


def test_eight_processes_that_want_one_environment_build_it_once(node: Node, index: Index) -> None:
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(racer(node, "alpha")) for _ in range(8)]
        said = [answer(process) for process in processes]
        assert len({one["key"] for one in said}) == 1
        assert sorted(str(one["built"]) for one in said) == ["False"] * 7 + ["True"]
        [cached] = node.cache.contents()
        assert cached.users == tuple(sorted(process.pid for process in processes))
    assert len(index.downloads("alpha")) == 1


def test_ten_configs_that_ask_for_five_environments_build_five(node: Node, index: Index) -> None:
    for number in range(5):
        packages.wheel(index.folder, f"own{number}", "1.0", requires=["alpha"])
    with ThreadPoolExecutor(10) as pool:
        environments = list(pool.map(lambda n: node.ready(node.spec(f"own{n % 5}")), range(10)))
    assert sum(environment.built for environment in environments) == 5
    assert len({environment.key for environment in environments}) == 5
    assert [len(index.downloads(name)) for name in ("alpha", "luigi", "own0")] == [1, 1, 1]


def test_a_cached_environment_starts_no_process(node: Node) -> None:
    node.ready(node.spec("alpha"))

    def nothing(*args: object, **kwargs: object) -> Child:
        raise AssertionError("a process was started")

    later = EnvironmentCache(node.root, nothing)
    with later.ready(
        node.spec("alpha"), node_env=node.env, on_line=node.said.append, cancelled=lambda: False
    ) as environment:
        assert not environment.built


def test_a_build_that_was_killed_is_built_again_in_place(node: Node, index: Index) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def stall(path: str) -> None:
        if path.startswith("/files/alpha"):
            asked.set()
            go_on.wait(60)

    index.before = stall
    with racer(node, "alpha") as process:
        assert asked.wait(60), "the build came to download"
        wait_until(node.cache.contents, "virtualenv to have begun beside the resolution")
        [half] = node.cache.contents()
        assert half.marker is None
        assert process.pid in half.users
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
    go_on.set()
    wait_until(lambda: node.cache.contents()[0].users == (), "the kernel to drop the lease")
    environment = node.ready(node.spec("alpha"))
    assert (environment.built, environment.key) == (True, half.key)
    assert ask(environment, "import alpha; print(alpha.version)") == "1.1"
    assert len(node.cache.contents()) == 1


@pytest.mark.parametrize("damage", ["marker", "python"])
def test_a_damaged_environment_is_built_again(node: Node, damage: str) -> None:
    first = node.ready(node.spec("alpha"))
    if damage == "marker":
        (first.folder / marker.NAME).write_text("{", encoding="utf-8")
    else:
        first.python.unlink()
    second = node.ready(node.spec("alpha"))
    assert second.built
    assert ask(second, "import alpha; print(alpha.version)") == "1.1"


def test_what_another_process_uses_is_not_evicted(node: Node) -> None:
    with racer(node, "alpha") as process:
        held = answer(process)
        other = node.ready(node.spec("alpha==1.0"))
        assert node.cache.prune(everything=True).keys == (other.key,)
        assert [cached.key for cached in node.cache.contents()] == [held["key"]]
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)
    assert node.cache.prune(everything=True).keys == (held["key"],)
    assert node.cache.contents() == []
    assert list((node.root / "leases").glob("py*-*-*")) == []


def test_a_build_that_fails_leaves_nothing(node: Node) -> None:
    """It is tried again and again, each time in a new folder."""
    for _ in range(2):
        with pytest.raises(Permanent):
            node.ready(node.spec("alpha==99"))
    assert [*(node.root / "environments").glob("*"), *(node.root / "work").iterdir()] == []
    assert [path.suffix for path in (node.root / "leases").iterdir()] == [".build"]


def test_the_least_recently_used_goes_first(make_node: Callable[..., Node], index: Index) -> None:
    node = make_node("small", index, limits=Limits(max_count=2))
    first, second = node.ready(node.spec("alpha==1.0")), node.ready(node.spec("alpha==1.1"))
    os.utime(second.folder / marker.NAME, (1, 1))
    third = node.ready(node.spec("alpha"))
    assert {cached.key for cached in node.cache.contents()} == {first.key, third.key}


def test_what_another_user_built_is_in_nobodys_way(
    make_node: Callable[..., Node], index: Index, caplog: pytest.LogCaptureFixture
) -> None:
    node = make_node("small", index, limits=Limits(max_count=1))
    others = node.ready(node.spec("alpha==1.0"))
    lease = node.root / "leases" / others.key
    lease.unlink()
    lease.symlink_to("refused")  # for root, too, as the lock file of another user is
    mine = node.ready(node.spec("alpha"))
    assert mine.built
    assert f"the environment {others.key} cannot be removed" in caplog.text
    assert node.cache.prune(everything=True).keys == (mine.key,)
    assert others.folder.exists()


def test_eviction_under_load_never_takes_what_is_held(make_node: Callable[..., Node], index: Index) -> None:
    node = make_node("small", index, limits=Limits(max_count=0))
    lines = ["alpha==1.0", "alpha==1.1", "alpha"]

    def use(number: int) -> str:
        spec = node.spec(lines[number % 3])
        with node.cache.ready(
            spec, node_env=node.env, on_line=node.said.append, cancelled=lambda: False
        ) as environment:
            node.cache.prune()
            return ask(environment, "import alpha, luigi; print(alpha.version)")

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(use, range(6))) == ["1.0", "1.1", "1.1"] * 2


def test_show_prints_what_is_in_it(node: Node) -> None:
    environment = node.ready(node.spec("alpha"))
    cached, lock = node.cache.show(environment.key[:12])
    assert cached.marker is not None
    assert cached.marker.installed == {"alpha": "1.1", "luigi": "3.0"}
    assert cached.marker.lock == environment.lock
    assert "alpha==1.1 --hash=sha256:" in lock
    assert cached.size > 0
    with pytest.raises(UsageError, match="no environment in the cache with a key that starts with 'zz'"):
        node.cache.show("zz")


def test_no_longer_wanted(node: Node, index: Index) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def stall(path: str) -> None:
        asked.set()
        go_on.wait(60)

    index.before = stall
    try:
        with (
            pytest.raises(Cancelled),
            node.cache.ready(node.spec("alpha"), node_env=node.env, on_line=node.said.append, cancelled=asked.is_set),
        ):
            raise AssertionError("unreachable")
    finally:
        go_on.set()
    assert node.cache.contents() == []


class FullDisk:
    """`spawn` on a disk that is full until something of the cache was removed."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        on_line: Callable[[str], None],
        on_message: Callable[[Mapping[str, object]], None] | None = None,
        on_exit: Callable[[], None] | None = None,
        last_word: LastWord | None = None,
    ) -> Child:
        if "install" in argv and self.victim.exists():
            text = f"error: failed to write: {os.strerror(errno.ENOSPC)} (os error 28)"
            argv = [sys.executable, "-c", f"import sys; sys.exit({text!r})"]
        return spawn(argv, env=env, cwd=cwd, on_line=on_line, on_message=on_message, on_exit=on_exit)


def test_a_full_disk_frees_the_cache_before_it_fails(node: Node) -> None:
    old = node.ready(node.spec("alpha==1.0"))
    cache = EnvironmentCache(node.root, FullDisk(old.folder))
    with cache.ready(
        node.spec("alpha"), node_env=node.env, on_line=node.said.append, cancelled=lambda: False
    ) as environment:
        assert environment.built
        assert not old.folder.exists()
    assert "freeing the cache, then once more" in node.log


def test_a_disk_too_full_for_a_download_frees_the_cache(
    make_node: Callable[..., Node], index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, made = Bucket(time.time), tempfile.mkstemp
    bucket.put("gs://b/zeta-1.0-py3-none-any.whl", packages.wheel(tmp_path, "zeta", "1.0").read_bytes())
    node = make_node("node", index, objects=MemoryStore(bucket))
    old = node.ready(node.spec("alpha"))

    def full(**where: Any) -> tuple[int, str]:
        descriptor, name = made(**where)
        if (node.root / "downloads") in Path(name).parents and old.folder.exists():
            os.close(descriptor)
            descriptor = os.open("/dev/full", os.O_WRONLY)
        return descriptor, name

    monkeypatch.setattr(tempfile, "mkstemp", full)
    assert node.ready(node.spec("gs://b/zeta-1.0-py3-none-any.whl")).built
    assert not old.folder.exists()
    assert "freeing the cache, then once more" in node.log


def test_a_disk_that_stays_full_is_the_nodes_failure(node: Node, tmp_path: Path) -> None:
    cache = EnvironmentCache(node.root, FullDisk(tmp_path))
    with (
        pytest.raises(NodeError) as caught,
        cache.ready(node.spec("alpha"), node_env=node.env, on_line=node.said.append, cancelled=lambda: False),
    ):
        raise AssertionError("unreachable")
    assert caught.value.reason is Reason.DISK_FULL
    assert cache.contents() == []
