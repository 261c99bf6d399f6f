"""Rights that hold: nobody else's removal takes them away, nothing starts before they are in force, and each way in
which the module could grant too much or too little is noticed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.terraform.conftest import Cloud
from tests.terraform.provider.rules import number
from tests.terraform.standin import Terraform, planned
from tests.terraform.test_validation import EMAIL, GOOD

PRINCIPAL = (
    "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/"
    "my-project.svc.id.goog/subject/ns/poltergust/sa/worker"
)


def apply_modules(terraform: Terraform, modules: Mapping[str, Mapping[str, Any]]) -> None:
    """A configuration that calls the module once for each of `modules`, applied."""
    for path in terraform.work.glob("*.tf"):
        path.unlink()
    for name, values in modules.items():
        settings = "".join(f"  {key} = {_hcl(value)}\n" for key, value in {**GOOD, **values}.items())
        (terraform.work / f"{name}.tf").write_text(f'module "{name}" {{\n  source = "../.."\n{settings}}}\n')
    terraform.init().apply()


def _hcl(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {_hcl(each)}' for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_hcl, value)) + "]"
    return str(value).lower() if isinstance(value, bool | int) else f'"{value}"'


@pytest.fixture
def configuration(tmp_path: Path, cloud: Cloud) -> Terraform:
    terraform = Terraform(tmp_path, pubsub=cloud.host, project=cloud.project)
    terraform.work = terraform.work / "examples" / "two"
    terraform.work.mkdir()
    return terraform


def test_two_modules_on_one_bucket_and_one_account_outlive_each_other(configuration: Terraform, cloud: Cloud) -> None:
    first = {"project_id": cloud.project, "name": "first", "prefix": "first/"}
    second = {"project_id": cloud.project, "name": "second", "prefix": "second/"}
    apply_modules(configuration, {"first": first, "second": second})
    apply_modules(configuration, {"second": second})
    assert configuration.pending() == {}, "the second lost what the first removed"


def test_two_nodes_of_one_account_outlive_each_other(configuration: Terraform, cloud: Cloud) -> None:
    both = {"project_id": cloud.project, "node_service_accounts": {"node-1": EMAIL, "node-2": EMAIL}}
    apply_modules(configuration, {"nodes": both})
    one = {"project_id": cloud.project, "nodes": ["node-2"], "node_service_accounts": {"node-2": EMAIL}}
    apply_modules(configuration, {"nodes": one})
    assert configuration.pending() == {}
    whole = one | {"prefix": "", "name": "whole"}
    apply_modules(configuration, {"nodes": one, "whole": whole, "other": whole | {"name": "other"}})
    apply_modules(configuration, {"nodes": one, "whole": whole})
    assert configuration.pending() == {}


def test_the_notification_config_waits_until_rights_are_in_force(tmp_path: Path, cloud: Cloud) -> None:
    terraform = Terraform(tmp_path, pubsub=cloud.host).init()
    terraform.variables(GOOD | {"project_id": cloud.project})
    printed = terraform.run("apply", "-input=false", "-no-color", "-auto-approve").stdout
    waited = printed.index("terraform_data.rights[0]: Creation complete")
    for grant in re.findall(r"(google_storage_bucket_iam_member\S+|\S+\.publisher): Creation complete", printed):
        assert printed.index(f"{grant}: Creation complete") < waited
    assert waited < printed.index("google_storage_notification.this: Creating...")
    assert (tmp_path / "waits").read_text() == "60\n"
    assert terraform.pending() == {}


def test_a_kubernetes_service_account_gets_what_a_service_account_gets(tmp_path: Path) -> None:
    terraform = Terraform(tmp_path).init()
    terraform.variables(GOOD | {"service_account_email": None, "member": PRINCIPAL, "own_subscriptions": True})
    members = {address: each["member"] for address, each in planned(terraform.plan()).items() if "member" in each}
    nodes = {address for address in members if not address.endswith(".publisher")}
    assert {members[address] for address in nodes} == {PRINCIPAL}
    assert {address.split(".")[0] for address in nodes} == {
        "google_project_iam_member",
        "google_pubsub_subscription_iam_member",
        "google_pubsub_topic_iam_member",
        "google_storage_bucket_iam_member",
    }


# What the module must do, as one look at its plan; each mutant below is a way not to.

VARIABLES = GOOD | {
    "bucket_project_id": "bucket-project",
    "allowed_persistence_regions": ["europe-west1"],
    "kms_key_name": "projects/my-project/locations/europe-west1/keyRings/ring/cryptoKeys/key",
}
OWN_ACCOUNTS = {"node_service_accounts": {"node-1": EMAIL, "node-2": EMAIL.replace("node-1", "node-2")}}


def faults(terraform: Terraform) -> set[str]:
    """What is wrong with the module as it stands in the working copy."""
    found = set()
    terraform.variables(VARIABLES | OWN_ACCOUNTS)
    plan = terraform.plan()
    values = planned(plan)
    agent = f"serviceAccount:service-{number('bucket-project')}@gs-project-accounts.iam.gserviceaccount.com"
    if values["google_pubsub_topic_iam_member.publisher"]["member"] != agent:
        found.add("the service agent of another project may publish")
    topic = values["google_pubsub_topic.this"]
    if [each["allowed_persistence_regions"] for each in topic["message_storage_policy"]] != [["europe-west1"]]:
        found.add("notifications are kept in other regions")
    if topic["kms_key_name"] != VARIABLES["kms_key_name"]:
        found.add("the topic is not encrypted with the key")
    shared = f"serviceAccount:{GOOD['service_account_email']}"
    if shared in {each.get("member") for each in values.values()}:
        found.add("the shared account has rights that no node needs")
    needed = {
        "path": {"google_storage_bucket_iam_member.objects"},
        "listen": {
            "google_pubsub_subscription_iam_member.node",
            "google_storage_bucket_iam_member.objects",
            "google_storage_notification.this",
        },
        "fleet_listen": {
            "google_project_iam_member.fleet",
            "google_pubsub_topic_iam_member.fleet",
            "google_storage_bucket_iam_member.objects",
            "google_storage_notification.this",
        },
        "topic": {"google_project_iam_member.fleet", "google_pubsub_topic_iam_member.fleet"},
    }
    for output, rights in needed.items():
        if rights - set(plan["configuration"]["root_module"]["outputs"][output].get("depends_on", [])):
            found.add(f"{output} does not wait for rights")
    # Its id is known after apply only: what the role is bound to stands in the configuration.
    (fleet,) = [
        each
        for each in plan["configuration"]["root_module"]["resources"]
        if each["address"] == "google_project_iam_member.fleet"
    ]
    if "google_project_iam_custom_role.fleet[0].id" not in fleet["expressions"]["role"].get("references", []):
        found.add("the fleet has another role")
    return found


MUTANTS = [
    (
        "main.tf",
        "coalesce(var.bucket_project_id, var.project_id)",
        "var.project_id",
        "the service agent of another project",
    ),
    ("main.tf", "= message_storage_policy.value", '= ["us-east1"]', "notifications are kept in other regions"),
    ("main.tf", "kms_key_name = var.kms_key_name", "kms_key_name = null", "the topic is not encrypted"),
    ("main.tf", "shared_account = ", "shared_account = true || ", "the shared account has rights"),
    ("fleet.tf", "google_project_iam_custom_role.fleet[0].id", '"roles/pubsub.editor"', "the fleet has another role"),
    ("outputs.tf", "depends_on = [google_storage_bucket_iam_member.objects, ", "depends_on = [", "path does not wait"),
    ("outputs.tf", "    google_pubsub_subscription_iam_member.node,\n", "", "listen does not wait"),
    ("outputs.tf", "    google_project_iam_member.fleet,\n", "", "fleet_listen does not wait"),
    ("outputs.tf", "[google_project_iam_member.fleet, ", "[", "topic does not wait"),
]


def test_the_module_as_it_is_has_no_fault_and_each_mutant_has_its_own(tmp_path: Path) -> None:
    terraform = Terraform(tmp_path).init()
    assert faults(terraform) == set()
    for file, old, new, fault in MUTANTS:
        path = terraform.work / file
        text = path.read_text()
        assert text.count(old) == 1, f"{file} no longer says {old!r} once"
        path.write_text(text.replace(old, new))
        assert any(each.startswith(fault) for each in faults(terraform)), f"{file}: {new!r} is not noticed"
        path.write_text(text)
