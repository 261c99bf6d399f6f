"""What the scheduler says of a run, which has every task as the pipeline gave it, on a page that shows no secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from poltergust.base.redaction import Redactor
from poltergust.luigi_run.scheduler import SchedulerClient
from poltergust.path.records import RunRecord, State
from tests.dashboard.serving import Site
from tests.emulators.luigid import luigid

SECRETS = ("embeddedsecret99", "databasesecret777")
TASK_FILE = (
    b"environment: ../environment/plain.yaml\ntask:\n  name: Quiet\n  module: aud\n  api-token: embeddedsecret99\n"
)
ENVIRONMENT = "dependencies: []\nvariables:\n  DB_PASSWORD: databasesecret777\n"
SLOW = "Slow_embeddedsecret99__data_0123456789"
LOAD = "Load_databasesecret77_fedcba9876"
ROOT = "Quiet__data_0011223344"
ANNOUNCED = {
    SLOW: ("Slow", "RUNNING", {"api_token": "embeddedsecret99", "folder": "/data"}, []),
    LOAD: ("Load", "FAILED", {"url": "db://x?p=databasesecret777"}, []),
    ROOT: ("Quiet", "PENDING", {"folder": "/data"}, [SLOW, LOAD]),
}


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    with luigid(tmp_path) as url:
        client = SchedulerClient(url)
        for task, (family, status, parameters, deps) in ANNOUNCED.items():
            values = {"params": parameters, "deps": deps, "status": status, "runnable": True}
            client.call("add_task", task_id=task, worker="worker", family=family, **values)
        yield url


def running_site(root: Path) -> tuple[Site, str]:
    site = Site(root)
    (root / "environment" / "plain.yaml").write_text(ENVIRONMENT)
    generation = site.config("quiet", TASK_FILE)
    site.record(RunRecord("quiet", generation, "node-1", State.RUNNING, started=1.0, root_task_id=ROOT))
    return site, generation


def test_secrets_in_the_schedulers_graph_are_on_no_page_and_in_no_json(tmp_path: Path, scheduler: str) -> None:
    site, _ = running_site(tmp_path / "site")
    with site.served(scheduler) as page:
        views = ("", "?view=graph", "?view=timeline", "?view=nodes")
        seen = [page.get(f"/runs/quiet{view}").text for view in views]
        told = page.get("/api/runs/quiet").json()
        seen += [page.get(f"/api/{what}").text for what in ("runs/quiet", "graph/quiet", "graph/quiet?show=focus")]
    assert {task["family"] for task in told["tasks"]} == {"Slow", "Load", "Quiet"}
    for text in seen:
        assert not [secret for secret in SECRETS if secret[:12] in text]


def test_a_task_of_the_records_and_the_scheduler_is_one_task(tmp_path: Path, scheduler: str) -> None:
    site, generation = running_site(tmp_path / "site")
    node_redacts = Redactor([{"api-token": SECRETS[0], "DB_PASSWORD": SECRETS[1]}])
    with site.state.task_log("quiet", generation, redact=node_redacts) as log:
        for task, (family, _, parameters, deps) in ANNOUNCED.items():
            log.events([{"event": "announced", "task": task, "family": family, "params": parameters, "deps": deps}])
    with site.served(scheduler) as page:
        told = page.get("/api/runs/quiet").json()
        drawn = page.get("/api/graph/quiet?show=focus").json()
    assert {state: count for state, count in told["counts"].items() if count} == {
        "failed": 1,
        "running": 1,
        "pending": 1,
    }
    (slow,) = (task for task in told["tasks"] if task["family"] == "Slow")
    assert slow["params"] == {"api_token": "[redacted]", "folder": "/data"}
    assert len(drawn["edges"]) == 2


def test_where_nobody_can_say_what_is_secret_the_records_tell_alone(tmp_path: Path, scheduler: str) -> None:
    site, _ = running_site(tmp_path / "site")
    (tmp_path / "site" / "environment" / "plain.yaml").unlink()
    with site.served(scheduler) as page:
        told = page.get("/api/runs/quiet")
    assert told.status == 200
    assert told.json()["tasks"] == []


@pytest.mark.parametrize(
    "mistake", [b"timeuot: 5m\n", b"variables: [\n", b"task: {}\n", b"\xff\n"], ids=["key", "yaml", "twice", "text"]
)
def test_a_file_that_nobody_can_read_is_not_shown(tmp_path: Path, mistake: bytes) -> None:
    """A config that ended as an error for a slip of the pen is the one whose files people look at."""
    site = Site(tmp_path)
    site.config("slip", TASK_FILE + mistake, kind="error")
    with site.served() as page:
        shown = page.get("/runs/slip?view=files")
    assert shown.status == 200
    assert SECRETS[0] not in shown.text
    assert "slip.error.yaml" in shown.text, "it says which file it is, and what is wrong with it"
