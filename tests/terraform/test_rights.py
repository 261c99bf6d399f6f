"""The planned IAM conditions, evaluated as IAM would: what a node may and may not do in the bucket, listing included.

A condition is a CEL expression over the request (https://cloud.google.com/iam/docs/conditions-overview). For a call
about an object `resource.name` is the object's; for a list it is the bucket's, and the prefix that the call asks for is
the attribute storage.googleapis.com/objectListPrefix. What a role holds is Google's list for it, cut down to the
permissions that the table is about: https://cloud.google.com/storage/docs/access-control/iam-roles. In a bucket with a
hierarchical namespace folders are resources too, and writing an object makes those it lies in:
https://cloud.google.com/storage/docs/create-folders
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import celpy
import pytest
from celpy.adapter import json_to_cel

from tests.terraform.standin import Terraform, planned
from tests.terraform.test_validation import GOOD

ROLES: Mapping[str, frozenset[str]] = {
    "roles/storage.objectUser": frozenset(
        {"get", "list", "create", "delete", "move", "update", "folders.create", "folders.get"}
    ),
    "roles/storage.objectViewer": frozenset({"get", "list", "folders.get"}),
}
LIST_PREFIX = "storage.googleapis.com/objectListPrefix"


@dataclass(frozen=True)
class Request:
    """`permission` without "storage." and "objects."; `name` of the object or folder, or the prefix of a list (None: no
    prefix)."""

    permission: str
    name: str | None
    bucket: str = "mybucket"

    @property
    def resource(self) -> str:
        bucket = f"projects/_/buckets/{self.bucket}"
        kind = "folders" if self.permission.startswith("folders.") else "objects"
        return bucket if self.permission == "list" else f"{bucket}/{kind}/{self.name}"

    @property
    def attributes(self) -> dict[str, str]:
        return {LIST_PREFIX: self.name} if self.permission == "list" and self.name is not None else {}


ALLOWED = [
    Request("get", "pipeline/a.config.yaml"),
    Request("get", "pipeline/sub/a.config.yaml"),
    Request("create", "pipeline/a.done.yaml"),
    Request("move", "pipeline/a.config.yaml"),
    Request("delete", "pipeline/a.error.yaml"),
    Request("list", "pipeline/"),
    Request("list", "pipeline/sub/"),
    Request("create", "pipeline.poltergust/logs/a/1/node-1.log"),
    Request("update", "pipeline.poltergust/nodes/node-1.json"),
    Request("delete", "pipeline.poltergust/runs/a/1/node-1.json"),
    Request("list", "pipeline.poltergust/nodes/"),
    Request("get", "environment/myenv.yaml"),
    Request("list", "environment/"),
    Request("folders.create", "pipeline/"),
    Request("folders.create", "pipeline/sub/"),
    Request("folders.create", "pipeline.poltergust/logs/"),
    Request("folders.get", "environment/"),
]
DENIED = [
    Request("get", "secret.txt"),
    Request("get", "pipeline"),
    Request("get", "pipeline2/a.config.yaml"),
    Request("create", "pipeline2/a.config.yaml"),
    Request("get", "other/pipeline/a.config.yaml"),
    Request("get", "Pipeline/a.config.yaml"),
    Request("get", "pipeline/a.config.yaml", bucket="mybucket2"),
    Request("get", "pipeline.poltergust2/x"),
    Request("create", "environment/myenv.yaml"),
    Request("delete", "environment/myenv.yaml"),
    Request("move", "environment/myenv.yaml"),
    Request("get", "environment2/myenv.yaml"),
    Request("list", None),
    Request("list", ""),
    Request("list", "pipe"),
    Request("list", "pipeline"),
    Request("list", "pipeline2/"),
    Request("list", "environment"),
    Request("list", "secret/"),
    Request("folders.create", "secret/"),
    Request("folders.create", "pipeline2/"),
    Request("folders.create", "environment/sub/"),
    Request("folders.get", "secret/"),
]


def allows(binding: Mapping[str, Any], request: Request) -> bool:
    """Whether IAM would let the binding's member do it."""
    if binding["bucket"] != request.bucket or request.permission not in ROLES[binding["role"]]:
        return False
    return all(_holds(condition["expression"], request) for condition in binding["condition"])


def _holds(expression: str, request: Request) -> bool:
    def attribute(api: Mapping[Any, Any], name: Any, default: Any) -> Any:
        return api.get(name, default)

    environment = celpy.Environment()
    program = environment.program(environment.compile(expression), functions={"getAttribute": attribute})
    context = {"resource": {"name": request.resource}, "api": request.attributes}
    return bool(program.evaluate({name: json_to_cel(value) for name, value in context.items()}))


def bindings(folder: Path, **variables: object) -> list[dict[str, Any]]:
    terraform = Terraform(folder).init()
    terraform.variables(GOOD | variables)
    values = planned(terraform.plan())
    return [each for address, each in values.items() if address.startswith("google_storage_bucket_iam_member.")]


@pytest.fixture(scope="module")
def granted(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return bindings(tmp_path_factory.mktemp("granted"))


@pytest.mark.parametrize("request_", ALLOWED, ids=str)
def test_a_node_may(granted: list[dict[str, Any]], request_: Request) -> None:
    assert any(allows(binding, request_) for binding in granted)


@pytest.mark.parametrize("request_", DENIED, ids=str)
def test_a_node_may_not(granted: list[dict[str, Any]], request_: Request) -> None:
    assert not any(allows(binding, request_) for binding in granted)


def test_only_the_nodes_are_granted_anything(granted: list[dict[str, Any]]) -> None:
    assert {each["member"] for each in granted} == {f"serviceAccount:{GOOD['service_account_email']}"}
    assert {each["role"] for each in granted} == set(ROLES)


def test_each_condition_stays_within_the_limits_of_iam(granted: list[dict[str, Any]]) -> None:
    """12 logical operators an expression, a title of 100 bytes, a description of 256 at most.

    https://cloud.google.com/iam/quotas
    """
    for binding in granted:
        (condition,) = binding["condition"]
        assert condition["expression"].count("||") <= 12
        assert len(condition["title"].encode()) <= 100
        assert len(condition["description"].encode()) <= 256


def test_long_names_stay_within_the_limits_of_iam_as_well(tmp_path: Path) -> None:
    bucket = ".".join(["b" * 55] * 3)
    granted = bindings(tmp_path, bucket=bucket, prefix="é" * 88 + "/", read_prefixes=["ü" * 200 + "/"])
    test_each_condition_stays_within_the_limits_of_iam(granted)
    assert len({each["condition"][0]["title"] for each in granted}) == len(granted)


def test_what_may_be_read_besides_takes_no_right_to_write_away(tmp_path: Path) -> None:
    folders = ["environment/", "pipeline.poltergust/", "pipeline.poltergust/code/", "pipeline/"]
    granted = bindings(tmp_path, read_prefixes=folders)
    assert [each for each in ALLOWED if not any(allows(one, each) for one in granted)] == []
    assert len([each for each in granted if each["role"] == "roles/storage.objectViewer"]) == 1


def test_odd_prefixes_keep_their_meaning(tmp_path: Path) -> None:
    granted = bindings(tmp_path, prefix="data (new)/in put/", read_prefixes=[])
    assert any(allows(each, Request("list", "data (new)/in put/")) for each in granted)
    assert any(allows(each, Request("create", "data (new)/in put.poltergust/nodes/n.json")) for each in granted)
    assert not any(allows(each, Request("get", "data (new)/other")) for each in granted)


def test_a_whole_bucket_is_one_grant_for_all_of_it(tmp_path: Path) -> None:
    (binding,) = bindings(tmp_path, prefix="")
    assert binding["role"] == "roles/storage.objectUser"
    assert allows(binding, Request("list", None))
    assert allows(binding, Request("create", ".poltergust/nodes/node-1.json"))
    assert allows(binding, Request("folders.create", ".poltergust/nodes/"))


def test_a_fleet_and_named_accounts_get_the_same_rights_each(tmp_path: Path) -> None:
    email = "node-1@my-project.iam.gserviceaccount.com"
    granted = bindings(tmp_path, node_service_accounts={"node-1": email})
    for member in (f"serviceAccount:{email}", f"serviceAccount:{GOOD['service_account_email']}"):
        own = [each for each in granted if each["member"] == member]
        assert [r for r in ALLOWED if not any(allows(each, r) for each in own)] == []
        assert [r for r in DENIED if any(allows(each, r) for each in own)] == []
