"""Two agents of one name, which is what two machines of one host name have by default: the second takes nothing, says
why, and takes the first's place once that has gone.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.commands import Commands
from tests.e2e.nodes import on_another_machine
from tests.e2e.paths import Bucket, Folder
from tests.emulators.gcs import strict_gcs
from tests.emulators.servers import wait_until

COUNTED = "  module: outcomes\n  name: NoOutput\n  mark: {0}/{1}.mark\n"


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    with strict_gcs() as server:
        place = Bucket(server, tmp_path / "bucket")
        place.environment("plain")
        yield place


def test_on_one_machine_the_second_ends_with_one_line(tmp_path: Path, shared_cache: Path) -> None:
    folder = Folder(tmp_path)
    with folder.agent("box", shared_cache / "one") as first:
        with folder.starting("box", tmp_path / "another-cache") as second:
            assert second.wait() == 2
        assert (
            f"poltergust: another agent on this machine, process {first.process.pid}, listens to {folder.path} as box; "
            "stop that one, or give this one a name of its own: --node box-2"
        ) in second.log
        assert "Traceback" not in second.log
        assert folder.heartbeat("box")["pid"] == first.process.pid
        with folder.agent("box-2", shared_cache / "one"):
            pass
        first.signal(signal.SIGKILL)
        first.wait()
    began = time.monotonic()
    with folder.agent("box", shared_cache / "one"):
        assert time.monotonic() - began < 60, "no heartbeat had to grow old: the lock says that the first has ended"


def test_on_two_machines_the_second_takes_nothing_until_the_first_has_stopped(
    bucket: Bucket, shared_cache: Path, scheduler: str, tmp_path: Path
) -> None:
    options = ["--scheduler-url", scheduler]
    away = on_another_machine()
    with bucket.agent("box", shared_cache / "one", *options) as first:
        with bucket.starting("box", shared_cache / "two", *options, command=away) as second:
            second.until("another agent on this path is called box too")
            bucket.put("one", COUNTED.format(bucket.scratch, "one"))
            bucket.until("one", "done")
            assert bucket.records("one")["box"]["worker"].split("-")[2] == bucket.heartbeat("box")["instance"]
            assert bucket.heartbeat("box")["pid"] == first.process.pid
            poltergust = Commands(bucket.path, tmp_path, {**bucket.env, "COLUMNS": "200"})
            status = poltergust("status")
            assert "refusing" in status.out
            assert "another agent on this path is called box too" in status.out
            doctor = poltergust("doctor", "--node", "looks", *options)
            assert doctor.code == 1
            assert "2 agents on this path are called box" in doctor.out
        assert second.wait() == 0
        assert bucket.heartbeat("box")["pid"] == first.process.pid, "the second's clean stop left the first's heartbeat"
        with bucket.starting("box", shared_cache / "two", *options, command=away) as second:
            wait_until(lambda: second.log.count("is called box too") == 2, "the second to wait again")
            first.signal(signal.SIGTERM)
            assert first.wait() == 0
            wait_until(lambda: bucket.heartbeat("box").get("pid") == second.process.pid, "the second to have the name")
            bucket.put("two", COUNTED.format(bucket.scratch, "two"))
            bucket.until("two", "done")


def test_on_two_machines_the_place_of_one_that_was_killed_is_taken_after_70_seconds(
    bucket: Bucket, shared_cache: Path, scheduler: str
) -> None:
    options = ["--scheduler-url", scheduler]
    with bucket.agent("box", shared_cache / "one", *options) as first:
        first.signal(signal.SIGKILL)
        first.wait()
        with bucket.starting("box", shared_cache / "two", *options, command=on_another_machine()) as second:
            second.until("If it was killed, this one takes its place within 70 s")
            bucket.put("one", COUNTED.format(bucket.scratch, "one"))
            bucket.server.shift(70.0)
            bucket.until("one", "done")
            assert bucket.heartbeat("box").get("pid") == second.process.pid
    assert (bucket.scratch / "one.mark").read_text().count("\n") == 1
