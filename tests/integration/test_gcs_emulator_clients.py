"""gsutil and gcloud against the strict server, in a home of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import needs
from tests.emulators.gcs import StrictGcs, clients, strict_gcs


@dataclass(frozen=True)
class Shell:
    """One of the two tools, its server, and the folder it works in."""

    server: StrictGcs
    start: list[str]
    env: dict[str, str]
    folder: Path

    def __call__(self, *words: str, code: int = 0) -> str:
        """Run a subcommand; what it wrote to standard output. AssertionError unless it ends with `code`."""
        done = subprocess.run(
            [*self.start, *words],
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == code, f"{words} ended with {done.returncode}: {done.stderr[-2000:]}"
        return done.stdout


@pytest.fixture(params=["gsutil", "gcloud storage"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    with strict_gcs() as server:
        server.create_bucket("bkt")
        env = clients.environment(server, tmp_path, os.environ["PATH"])
        if request.param == "gsutil":
            needs.gsutil()
            yield Shell(server, clients.gsutil(server, tmp_path), env, tmp_path)
        else:
            needs.gcloud()
            yield Shell(server, ["gcloud", "storage"], env, tmp_path)


def test_cp_ls_cat_mv_rm(shell: Shell) -> None:
    (shell.folder / "x.config.yaml").write_text("task: {}\n")
    shell("cp", "x.config.yaml", "gs://bkt/pipeline/")
    assert shell.server.objects("bkt")["pipeline/x.config.yaml"].data == b"task: {}\n"

    assert shell("ls", "gs://bkt/pipeline/").split() == ["gs://bkt/pipeline/x.config.yaml"]
    assert shell("cat", "gs://bkt/pipeline/x.config.yaml") == "task: {}\n"
    shell("cp", "gs://bkt/pipeline/x.config.yaml", "copy.yaml")
    assert (shell.folder / "copy.yaml").read_text() == "task: {}\n"

    shell("mv", "gs://bkt/pipeline/x.config.yaml", "gs://bkt/pipeline/x.done.yaml")
    assert list(shell.server.objects("bkt")) == ["pipeline/x.done.yaml"]

    shell("rm", "gs://bkt/pipeline/x.done.yaml")
    assert shell.server.objects("bkt") == {}


def test_a_refusal_reaches_the_user(shell: Shell) -> None:
    shell.server.put("bkt", "held", b"kept", temporaryHold=True)
    (shell.folder / "held").write_text("new")
    shell("cp", "held", "gs://bkt/held", code=1)
    shell("rm", "gs://bkt/held", code=1)
    assert shell.server.objects("bkt")["held"].data == b"kept"


def test_an_upload_in_parts_survives_a_503(shell: Shell) -> None:
    """Above both tools' thresholds for resumable uploads (8 MiB and less)."""
    data = os.urandom(1 << 20) * 9
    (shell.folder / "big").write_bytes(data)
    shell.server.fail("uploads.chunk", status=503)
    shell("cp", "big", "gs://bkt/big")
    assert shell.server.objects("bkt")["big"].data == data
    assert shell.server.calls("uploads.chunk")[0].status == 503
