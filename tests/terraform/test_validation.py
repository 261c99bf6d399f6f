"""Every validation of the module's variables rejects what it is for, and takes what stands just beside it.

One plan calls the module once for each row, so Terraform reports all rejections at once, each with its row's file.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.terraform.standin import MODULE, Terraform

GOOD: dict[str, Any] = {
    "project_id": "my-project",
    "bucket": "mybucket",
    "nodes": ["node-1", "node-2"],
    "service_account_email": "nodes@my-project.iam.gserviceaccount.com",
    "scheduler_url": "http://head:8082",
}
EMAIL = "node-1@my-project.iam.gserviceaccount.com"

# The filter without the prefix has 79 bytes, so 177 are left for the prefix: 176 and its slash.
REJECTED: list[tuple[dict[str, Any], str]] = [
    ({"project_id": "My Project"}, "project_id is a project's id"),
    ({"project_id": "123456789012"}, "project_id is a project's id"),
    ({"project_id": ""}, "project_id is a project's id"),
    ({"bucket": "gs://mybucket"}, "bucket is a bucket's name alone"),
    ({"bucket": "mybucket/pipeline"}, "bucket is a bucket's name alone"),
    ({"bucket": "my'bucket"}, "bucket is a bucket's name alone"),
    ({"bucket_project_id": "Project"}, "bucket_project_id is a project's id"),
    ({"prefix": "gs://mybucket/pipeline/"}, "prefix is the part after the bucket"),
    ({"prefix": "/pipeline/"}, "prefix is the part after the bucket"),
    ({"prefix": "pipeline"}, "prefix ends with a slash"),
    ({"prefix": "pipe'line/"}, "prefix has no quotes"),
    ({"prefix": 'pipe"line/'}, "prefix has no quotes"),
    ({"prefix": "pipe\\line/"}, "prefix has no quotes"),
    ({"prefix": "pipe\nline/"}, "prefix has no quotes"),
    ({"prefix": "pipeline//"}, "prefix has no quotes"),
    ({"prefix": "p" * 177 + "/"}, "prefix is too long"),
    ({"prefix": "é" * 88 + "p/"}, "prefix is too long"),
    ({"read_prefixes": ["environment"]}, "Each of read_prefixes is a folder"),
    ({"read_prefixes": ["/environment/"]}, "Each of read_prefixes is a folder"),
    ({"read_prefixes": ["gs://mybucket/environment/"]}, "Each of read_prefixes is a folder"),
    ({"read_prefixes": ["it's/"]}, "Each of read_prefixes is a folder"),
    ({"read_prefixes": ["a/", "a/"]}, "read_prefixes are at most 20 different folders"),
    ({"read_prefixes": [f"{i}/" for i in range(21)]}, "read_prefixes are at most 20 different folders"),
    ({"name": "po"}, "name has 3 to 150 letters"),
    ({"name": "Google-like"}, "name has 3 to 150 letters"),
    ({"name": "1st"}, "name has 3 to 150 letters"),
    ({"name": "with space"}, "name has 3 to 150 letters"),
    ({"nodes": ["node 1"]}, "A node's name has 1 to 100 letters"),
    ({"nodes": ["-node"]}, "A node's name has 1 to 100 letters"),
    ({"nodes": ["a..b"]}, "A node's name has 1 to 100 letters"),
    ({"nodes": ["n" * 101]}, "A node's name has 1 to 100 letters"),
    ({"nodes": ["$(reboot)"]}, "A node's name has 1 to 100 letters"),
    ({"nodes": ["node-1", "node-1"]}, "nodes names a node twice"),
    ({"service_account_email": f"serviceAccount:{EMAIL}"}, "service_account_email is an address"),
    ({"service_account_email": "somebody@example.com"}, "service_account_email is an address"),
    ({"member": "principal://iam.googleapis.com/x"}, "service_account_email and member exclude each other"),
    ({"service_account_email": None}, "service_account_email and member exclude each other"),
    ({"service_account_email": None, "member": EMAIL}, "member is a principal such as"),
    ({"kms_key_name": "my-key"}, "kms_key_name is a full name"),
    ({"wait_seconds": 601}, "wait_seconds is a whole number"),
    ({"wait_seconds": -1}, "wait_seconds is a whole number"),
    ({"node_service_accounts": {"node-3": EMAIL}}, "node_service_accounts names a node that is not"),
    ({"node_service_accounts": {"node-1": "me@example.com"}}, "node_service_accounts are addresses"),
    ({"scheduler_url": "head:8082"}, "scheduler_url is an http or https address"),
    ({"scheduler_url": "http://user:password@head:8082"}, "scheduler_url is an http or https address"),
    ({"scheduler_url": "http://head:8082;reboot"}, "scheduler_url is an http or https address"),
    ({"scheduler_url": None}, "scheduler_url is needed with more than one node"),
    (
        {"scheduler_url": None, "nodes": [], "own_subscriptions": True},
        "scheduler_url is needed with more than one node",
    ),
    ({"message_retention_duration": "599s"}, "message_retention_duration is between"),
    ({"message_retention_duration": "2678401s"}, "message_retention_duration is between"),
    ({"message_retention_duration": "1h"}, "message_retention_duration is between"),
    ({"expiration_ttl": "86399s"}, "expiration_ttl is empty (never) or at least"),
    ({"expiration_ttl": "never"}, "expiration_ttl is empty (never) or at least"),
    (
        {"expiration_ttl": "86400s", "message_retention_duration": "86401s"},
        "expiration_ttl is not below message_retention_duration",
    ),
    ({"ack_deadline_seconds": 9}, "ack_deadline_seconds is a whole number"),
    ({"ack_deadline_seconds": 601}, "ack_deadline_seconds is a whole number"),
    ({"ack_deadline_seconds": 10.5}, "ack_deadline_seconds is a whole number"),
    ({"minimum_backoff": "601s", "maximum_backoff": "600s"}, "minimum_backoff is between"),
    ({"minimum_backoff": "1m"}, "minimum_backoff is between"),
    ({"maximum_backoff": "601s"}, "maximum_backoff is between"),
    ({"minimum_backoff": "61s", "maximum_backoff": "60s"}, "maximum_backoff is not below minimum_backoff"),
    ({"allowed_persistence_regions": ["Europe"]}, "allowed_persistence_regions are regions"),
    ({"labels": {"Team": "data"}}, "labels are at most 64"),
    ({"labels": {"team": "Data Team"}}, "labels are at most 64"),
    ({"labels": {f"k{i}": "" for i in range(65)}}, "labels are at most 64"),
]
ACCEPTED: list[dict[str, Any]] = [
    {},
    {"project_id": "example.com:my-project"},
    {"bucket": "my.bucket_name-1"},
    {"bucket_project_id": "other-project"},
    {"prefix": ""},
    {"prefix": "p" * 176 + "/"},
    {"prefix": "é" * 88 + "/"},
    {"prefix": "data sets/2024 (new)/"},
    {"read_prefixes": []},
    {"read_prefixes": [f"{i}/" for i in range(20)]},
    {"name": "abc"},
    {"nodes": ["n" * 100, "1", "a.b_c-d"]},
    {"nodes": ["only"], "scheduler_url": None},
    {"nodes": [], "scheduler_url": None},
    {"node_service_accounts": {"node-1": EMAIL}},
    {"node_service_accounts": {"node-1": "principal://iam.googleapis.com/projects/1/subject/ns/a/sa/b"}},
    {"service_account_email": None, "member": "principalSet://iam.googleapis.com/projects/1/group/g"},
    {"kms_key_name": "projects/p/locations/l/keyRings/r/cryptoKeys/k"},
    {"wait_seconds": 0},
    {"scheduler_url": "https://[::1]:8082/luigi"},
    {"message_retention_duration": "2678400s"},
    {"expiration_ttl": "86400s", "message_retention_duration": "86400s"},
    {"ack_deadline_seconds": 600},
    {"minimum_backoff": "0s", "maximum_backoff": "600s"},
    {"minimum_backoff": "10s", "maximum_backoff": "10s"},
    {"allowed_persistence_regions": ["europe-west1"]},
    {"labels": {f"k{i}": "v-_1" for i in range(64)}},
]


def test_every_wrong_value_is_rejected_with_its_own_message(tmp_path: Path) -> None:
    messages = _errors(tmp_path, [values for values, _ in REJECTED])
    expected = {row: message for row, (_, message) in enumerate(REJECTED)}
    assert set(messages) == set(expected), "rows without a rejection, or one too many"
    wrong = {row: messages[row] for row in expected if not any(expected[row] in each for each in messages[row])}
    assert wrong == {}


def test_every_validation_has_a_row() -> None:
    written = re.findall(r'error_message = "((?:[^"\\]|\\.)*)"', (MODULE / "variables.tf").read_text())
    texts = [json.loads(f'"{text}"') for text in written]
    assert [text for text in texts if not any(text.startswith(start) for _, start in REJECTED)] == []
    assert {start for _, start in REJECTED if not any(text.startswith(start) for text in texts)} == set()


def test_what_stands_just_beside_is_taken(tmp_path: Path) -> None:
    assert _errors(tmp_path, ACCEPTED) == {}


@pytest.mark.parametrize(
    ("example", "values", "message"),
    [
        ("new-bucket", {"keep_days": 0}, "keep_days is a whole number of at least 1"),
        ("new-bucket", {"keep_days": 1.5}, "keep_days is a whole number of at least 1"),
        ("gke", {"workers": -1}, "workers is a whole number, 0 for"),
    ],
)
def test_a_value_of_an_example_that_would_do_harm_is_rejected(
    tmp_path: Path, example: str, values: dict[str, Any], message: str
) -> None:
    terraform = Terraform(tmp_path, module=MODULE / "examples" / example).init()
    terraform.variables({"project_id": "my-project", "bucket": "mybucket"} | values)
    done = terraform.run("plan", "-json", "-input=false", accept=(0, 1))
    errors = [json.loads(line) for line in done.stdout.splitlines() if '"@level":"error"' in line]
    assert errors, done.stdout
    assert errors[0]["diagnostic"]["detail"].startswith(message)


def _errors(folder: Path, rows: list[dict[str, Any]]) -> dict[int, list[str]]:
    """Row to the error messages that a plan prints for it."""
    terraform = Terraform(folder)
    terraform.work = terraform.work / "examples" / "rows"
    terraform.work.mkdir()
    files = {row: terraform.work / f"row_{row}.tf.json" for row in range(len(rows))}
    for row, values in enumerate(rows):
        files[row].write_text(json.dumps({"module": {f"row_{row}": GOOD | values | {"source": "../.."}}}))
    (terraform.work / "empty.tf.json").write_text("{}")  # Terraform refuses a folder without any file of its own
    terraform.init()
    found: dict[int, list[str]] = {}
    # A validation that looks at another variable comes later than the others, and not at all if one of them failed: so
    # once more without the rows that were rejected, until nothing is.
    while True:
        done = terraform.run("plan", "-json", "-input=false", accept=(0, 1))
        events = [json.loads(line) for line in done.stdout.splitlines()]
        errors = [event["diagnostic"] for event in events if event.get("@level") == "error"]
        assert (done.returncode == 0) == (not errors), done.stdout[-3000:]
        if not errors:
            return found
        for error in errors:
            row = int(re.findall(r"row_(\d+)", error["range"]["filename"])[0])  # a row gives all values it is about
            found.setdefault(row, []).append(error["detail"])
            files[row].unlink(missing_ok=True)
