"""The page of a bucket, as the command serves it: listings, records and a part of a log come over the network."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.dashboard.serving import TASK_FILE, Served
from tests.e2e.nodes import node
from tests.e2e.paths import Bucket
from tests.emulators.gcs import strict_gcs


def test_the_page_of_a_bucket(tmp_path: Path) -> None:
    with strict_gcs() as server:
        bucket = Bucket(server, tmp_path)
        bucket.environment("plain")
        bucket.write("pipeline/nightly.error.yaml", TASK_FILE)
        record = {
            "format": 1,
            "name": "nightly",
            "generation": "7",
            "node": "node-1",
            "state": "ended",
            "outcome": "error",
            "reason": "task-failed",
            "text": "Clean failed: ValueError: 413",
            "failures": [{"task_id": "Clean_1", "family": "Clean", "error": "ValueError: 413"}],
        }
        bucket.write("pipeline.poltergust/runs/nightly/7/node-1.json", json.dumps(record).encode())
        log = b"".join(b"line %d\n" % number for number in range(50_000))
        bucket.write("pipeline.poltergust/logs/nightly/7/node-1.log", log)
        command = ["dashboard", "--path", bucket.path, "--http", "127.0.0.1:0"]
        with node(command, log=tmp_path / "page.log", cwd=tmp_path, env=bucket.env, ready=False) as process:
            process.until(f"the page of {bucket.path}")
            found = re.search(r"http://\S+", process.log)
            assert found
            page = Served(found[0])
            assert "ValueError: 413" in page.get("/").text
            assert page.get("/api/runs/nightly").json()["tasks"][0]["family"] == "Clean"
            end = page.get("/api/logs/nightly").json()
            assert end["lines"][-1]["text"] == "line 49999"
            assert end["end"] == len(log)
            at = log.index(b"line 25000\n")
            middle = page.get(f"/api/logs/nightly?node=node-1&at={at}").json()["lines"]
            assert {"node": "node-1", "at": at, "text": "line 25000", "error": False} in middle
            assert "dependencies" in page.get("/runs/nightly?view=files").text
            assert ">line 123<" in page.get("/runs/nightly?view=logs&q=line+123").text
