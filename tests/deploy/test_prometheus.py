"""Alerts and dashboard: the alerts fire when they should, by Prometheus' own tests, and every query is about a number
that a live agent has.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.tools import promtool
from tests.e2e.nodes import node
from tests.emulators import pubsub as emulator
from tests.emulators.gcs import strict_gcs
from tests.emulators.servers import free_port, wait_until
from tests.terraform.standin import ROOT

RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"
TESTS = ROOT / "deploy" / "prometheus" / "rules.test.yaml"
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text())
BY_PROMETHEUS = {"up", "job", "instance", "path"}
"""A metric and labels that the scrape adds."""


def queries() -> dict[str, str]:
    """Where it stands, to the query."""
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    found = {rule["alert"]: rule["expr"] for rule in rules}
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            found[f"{panel['title']} {panel['id']}{target['refId']}"] = target["expr"].replace("$path", ".*")
    return found


def test_prometheus_own_tests_of_the_rules_pass() -> None:
    done = subprocess.run(
        [promtool(), "test", "rules", TESTS.name],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_alert_has_a_test_in_which_it_fires() -> None:
    cases = [case for test in yaml.safe_load(TESTS.read_text())["tests"] for case in test["alert_rule_test"]]
    firing = {case["alertname"] for case in cases if case["exp_alerts"]}
    alerts = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    assert firing == alerts


def test_every_query_is_one_that_prometheus_reads(tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": expr} for number, expr in enumerate(queries().values())]
    file = tmp_path / "queries.yaml"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        [promtool(), "check", "rules", "--lint=none", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, set[str]]]:
    """Each sample's name of a live agent, to the names of its labels."""
    folder = tmp_path_factory.mktemp("agent")
    address = f"127.0.0.1:{free_port()}"
    options = [
        "--path",
        "gs://mybucket/pipeline",
        "--topic",
        "projects/my-project/topics/poltergust",
        "--http",
        address,
    ]
    options += ["--cache-dir", str(folder / "cache")]
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(emulator.pubsub_emulator())
        storage = stack.enter_context(strict_gcs(pubsub=host))
        storage.create_bucket("mybucket")
        emulator.create_topic(host, "my-project", "poltergust")
        env = {"STORAGE_EMULATOR_HOST": storage.url, "PUBSUB_EMULATOR_HOST": host, "GOOGLE_CLOUD_PROJECT": "my-project"}
        stack.enter_context(node(["listen", *options], log=folder / "log", cwd=folder, env=env))

        def page() -> str:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
                return str(answer.read().decode())

        wait_until(lambda: "poltergust_path_waiting_configs" in page(), "the first scan")
        labels: dict[str, set[str]] = {}
        for family in text_string_to_metric_families(page()):
            for sample in family.samples:
                labels.setdefault(sample.name, set()).update(sample.labels)
        yield labels


@pytest.mark.parametrize("where", queries())
def test_every_query_is_about_numbers_and_labels_of_a_live_agent(where: str, metrics: Mapping[str, set[str]]) -> None:
    query = queries()[where]
    names = set(re.findall(r"\b(?:poltergust|process)_\w+\b", query))
    assert names or "up{" in query
    assert names - set(metrics) == set()
    used = set(re.findall(r"(\w+)=~?\"", query))
    used |= {name.strip() for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", query) for name in group.split(",")}
    known = BY_PROMETHEUS.union(*(metrics[name] for name in names))
    assert used - known == set()


def test_the_dashboard_is_one_that_can_be_imported_anywhere() -> None:
    assert DASHBOARD["templating"]["list"][0]["type"] == "datasource"
    places = set()
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}"
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        places.add((place["x"], place["y"]))
    assert len(places) == len(DASHBOARD["panels"])
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
