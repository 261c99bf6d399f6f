"""The wiring module: valid for every major version of the provider, and its whole life on the Pub/Sub emulator."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from poltergust.cli.listen import listen
from poltergust.cli.node_options import make_settings
from poltergust.node.settings import Settings
from tests import needs
from tests.emulators import pubsub as emulator
from tests.emulators.gcs import strict_gcs
from tests.terraform.conftest import Cloud
from tests.terraform.standin import CLUSTER, MODULE, VERSIONS, Terraform, apply, planned

NODES = ["node-1", "node-2", "node-3"]
FOLDERS = [MODULE, *sorted((MODULE / "examples").iterdir()), CLUSTER]


def variables(project: str, **more: object) -> dict[str, object]:
    return {
        "project_id": project,
        "bucket": "mybucket",
        "nodes": NODES,
        "service_account_email": "nodes@my-project.iam.gserviceaccount.com",
        "scheduler_url": "http://head:8082",
    } | more


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_is_valid_for_every_major_version_of_the_provider(tmp_path: Path, version: str, folder: Path) -> None:
    terraform = Terraform(tmp_path, module=folder, version=version).init()
    terraform.run("validate")
    assert f'version     = "{version}"' in (terraform.work / ".terraform.lock.hcl").read_text()


def test_the_files_are_formatted() -> None:
    for folder in (MODULE, CLUSTER):
        command = [needs.terraform(), "fmt", "-check", "-recursive", "-diff", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (0, "")


def test_terraform_test_passes(tmp_path: Path) -> None:
    terraform = Terraform(tmp_path).init()
    done = terraform.run("test", "-no-color")
    assert "0 failed" in done.stdout
    assert (MODULE / "tests" / "wiring.tftest.hcl").read_text().count("\nrun ") == done.stdout.count("... pass\n") - 1


def test_apply_makes_the_topic_and_a_subscription_for_each_node(tmp_path: Path, cloud: Cloud) -> None:
    outputs = apply(variables(cloud.project, labels={"team": "data"}), tmp_path, pubsub=cloud.host)
    made = {node: _subscription(cloud, f"poltergust-{node}") for node in NODES}
    assert sorted(emulator.subscriptions(cloud.host, cloud.project)) == sorted(each["name"] for each in made.values())
    for each in made.values():
        assert each["topic"] == outputs["topic"] == f"projects/{cloud.project}/topics/poltergust"
        assert (
            each["filter"] == 'attributes.eventType = "OBJECT_FINALIZE" AND hasPrefix(attributes.objectId, "pipeline/")'
        )
        assert each["messageRetentionDuration"] == "600s"
        assert each["retryPolicy"] == {"minimumBackoff": "1s", "maximumBackoff": "60s"}
        assert not each.get("expirationPolicy"), "it would expire"
        assert each["labels"] == {"team": "data"}


def test_listen_is_the_exact_command_for_each_node(tmp_path: Path, cloud: Cloud) -> None:
    outputs = apply(variables(cloud.project), tmp_path, pubsub=cloud.host)
    assert {node: shlex.split(line) for node, line in outputs["listen"].items()} == {
        node: [
            "poltergust",
            "listen",
            "--path",
            "gs://mybucket/pipeline",
            "--subscription",
            f"projects/{cloud.project}/subscriptions/poltergust-{node}",
            "--node",
            node,
            "--scheduler-url",
            "http://head:8082",
        ]
        for node in NODES
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_a_second_plan_is_empty_with_every_major_version(tmp_path: Path, cloud: Cloud, version: str) -> None:
    terraform = Terraform(tmp_path, version=version, pubsub=cloud.host).init()
    terraform.variables(variables(cloud.project, labels={"team": "data"}, own_subscriptions=True))
    terraform.apply()
    assert terraform.pending() == {}


def test_drift_is_repaired_and_destroy_leaves_nothing(tmp_path: Path, cloud: Cloud) -> None:
    terraform = Terraform(tmp_path, pubsub=cloud.host).init()
    terraform.variables(variables(cloud.project))
    terraform.apply()

    emulator.delete_subscription(cloud.host, cloud.project, "poltergust-node-2")
    drifted = f"projects/{cloud.project}/subscriptions/poltergust-node-3"
    patch = {"subscription": {"name": drifted, "ackDeadlineSeconds": 300}, "updateMask": "ackDeadlineSeconds"}
    emulator.call(cloud.host, "PATCH", drifted, patch)
    assert terraform.pending() == {
        'google_pubsub_subscription.node["node-2"]': "create",
        'google_pubsub_subscription.node["node-3"]': "update",
    }
    terraform.apply()
    assert terraform.pending() == {}
    assert _subscription(cloud, "poltergust-node-2")["topic"].endswith("/topics/poltergust")
    assert _subscription(cloud, "poltergust-node-3")["ackDeadlineSeconds"] == 10

    terraform.variables(variables(cloud.project, nodes=NODES[:2], labels={"team": "data"}))
    terraform.apply()
    assert emulator.subscription(cloud.host, cloud.project, "poltergust-node-3") is None
    assert terraform.pending() == {}

    terraform.destroy()
    assert emulator.subscriptions(cloud.host, cloud.project) == []
    assert emulator.call(cloud.host, "GET", f"projects/{cloud.project}/topics") == {}


def test_a_longer_path_replaces_the_subscriptions_because_filters_cannot_change(tmp_path: Path, cloud: Cloud) -> None:
    terraform = Terraform(tmp_path, pubsub=cloud.host).init()
    terraform.variables(variables(cloud.project, nodes=["node-1"]))
    terraform.apply()
    terraform.variables(variables(cloud.project, nodes=["node-1"], prefix="pipeline/nightly/"))
    pending = terraform.pending()
    assert pending['google_pubsub_subscription.node["node-1"]'] == "replace"
    assert pending["google_storage_notification.this"] == "replace"
    assert "google_pubsub_topic.this" not in pending


def test_the_service_agent_may_publish_before_the_notification_config_is_made(tmp_path: Path, cloud: Cloud) -> None:
    terraform = Terraform(tmp_path, pubsub=cloud.host).init()
    terraform.variables(variables(cloud.project))
    printed = terraform.run("apply", "-input=false", "-no-color", "-auto-approve").stdout
    granted = printed.index("google_pubsub_topic_iam_member.publisher: Creation complete")
    assert granted < printed.index("google_storage_notification.this: Creating...")
    printed = terraform.run("destroy", "-input=false", "-no-color", "-auto-approve").stdout
    removed = printed.index("google_storage_notification.this: Destruction complete")
    assert removed < printed.index("google_pubsub_topic_iam_member.publisher: Destroying...")


def test_an_upload_reaches_every_node_through_what_was_made(tmp_path: Path, cloud: Cloud) -> None:
    with strict_gcs(pubsub=cloud.host) as storage:
        storage.create_bucket("mybucket")
        terraform = Terraform(tmp_path, pubsub=cloud.host, storage=storage.url).init()
        terraform.variables(variables(cloud.project))
        terraform.apply()
        assert terraform.pending() == {}
        bucket = storage.client().bucket("mybucket")
        for name in ("pipeline2/no.config.yaml", "pipeline.poltergust/nodes/node-1.json", "pipeline/yes.config.yaml"):
            bucket.blob(name).upload_from_string(b"x")
        for node in NODES:
            path = f"projects/{cloud.project}/subscriptions/poltergust-{node}:pull"
            (received,) = emulator.call(cloud.host, "POST", path, {"maxMessages": 10})["receivedMessages"]
            attributes = received["message"]["attributes"]
            assert (attributes["objectId"], attributes["eventType"]) == ("pipeline/yes.config.yaml", "OBJECT_FINALIZE")
            assert not received["message"].get("data")

        (config,) = bucket.list_notifications()
        config.delete()
        assert terraform.pending() == {"google_storage_notification.this": "create"}
        terraform.apply()
        terraform.destroy()
        assert list(bucket.list_notifications()) == []


@pytest.mark.parametrize("example", ["existing-bucket", "new-bucket", "fleet"])
def test_the_examples_apply_and_settle(tmp_path: Path, cloud: Cloud, example: str) -> None:
    terraform = Terraform(tmp_path, module=MODULE / "examples" / example, pubsub=cloud.host, project=cloud.project)
    terraform.init().variables({"project_id": cloud.project, "bucket": "mybucket"})
    listen: Any = terraform.apply()["listen"]
    lines = [listen] if isinstance(listen, str) else list(listen.values())
    assert len(emulator.subscriptions(cloud.host, cloud.project)) == (0 if example == "fleet" else len(lines))
    for line in lines:
        settings = _settings(line)
        assert settings.path.root == "gs://mybucket/pipeline"
        assert (settings.topic is not None) == (settings.subscription is None) == (example == "fleet")
        assert shlex.split(line)[:4] == ["poltergust", "listen", "--path", "gs://mybucket/pipeline"]
    assert terraform.pending() == {}
    terraform.destroy()
    assert terraform.resources() == {}


def test_nobody_gets_a_right_in_the_project_unless_nodes_make_their_own_subscriptions(tmp_path: Path) -> None:
    terraform = Terraform(tmp_path).init()
    terraform.variables(variables("my-project"))
    kinds = {address.split(".")[0] for address in planned(terraform.plan())}
    assert not {kind for kind in kinds if kind.startswith("google_project_")}

    terraform.variables(variables("my-project", nodes=[], own_subscriptions=True))
    values = planned(terraform.plan())
    assert values["google_project_iam_custom_role.fleet[0]"]["permissions"] == [
        "pubsub.subscriptions.consume",
        "pubsub.subscriptions.create",
        "pubsub.subscriptions.delete",
        "pubsub.subscriptions.get",
    ]
    assert values["google_pubsub_topic_iam_member.fleet[0]"]["role"] == "roles/pubsub.subscriber"


def test_each_node_gets_rights_on_its_own_subscription_only(tmp_path: Path, cloud: Cloud) -> None:
    terraform = Terraform(tmp_path, pubsub=cloud.host).init()
    own = {node: f"{node}@my-project.iam.gserviceaccount.com" for node in NODES[:2]}
    terraform.variables(variables(cloud.project, node_service_accounts=own))
    terraform.apply()
    granted = {
        (each["subscription"], each["role"], each["member"])
        for address, each in terraform.resources().items()
        if address.startswith("google_pubsub_subscription_iam_member")
    }
    accounts = own | {"node-3": "nodes@my-project.iam.gserviceaccount.com"}
    assert granted == {
        (f"poltergust-{node}", f"roles/pubsub.{role}", f"serviceAccount:{email}")
        for node, email in accounts.items()
        for role in ("subscriber", "viewer")
    }


def _settings(line: str) -> Settings:
    """What `poltergust listen` makes of a printed command."""
    program, command, *options = shlex.split(line)
    assert (program, command) == ("poltergust", "listen")
    return make_settings(listen.make_context("listen", options).params, {})


def _subscription(cloud: Cloud, name: str) -> dict[str, Any]:
    found = emulator.subscription(cloud.host, cloud.project, name)
    assert found is not None, name
    return found
