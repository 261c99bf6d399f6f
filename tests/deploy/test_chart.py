"""The Helm chart: accepted by helm and by Kubernetes' own schemas, safe in every set of values, and described truly."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from tests.deploy import chart
from tests.deploy.chart import VALUES, pod_specs, render
from tests.deploy.tools import CHART, run_helm
from tests.terraform.conftest import Cloud
from tests.terraform.standin import MODULE, Terraform

KUBERNETES = ("1.27", "1.37")
"""The least that Chart.yaml says, and the newest whose schemas are at hand."""

MONITORING = {"monitoring.googleapis.com/v1": "PodMonitoring", "monitoring.coreos.com/v1": "ServiceMonitor"}
by_values = pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)


@by_values
def test_helm_and_the_schemas_of_kubernetes_find_nothing(values: Path) -> None:
    linted = run_helm("lint", "--strict", "--quiet", str(CHART), "--values", str(values))
    assert (linted.returncode, linted.stdout.strip()) == (0, "")
    for manifest in render(values):
        if MONITORING.get(manifest["apiVersion"]) == manifest["kind"]:
            continue  # custom resources, whose schemas are the operators' own
        for version in KUBERNETES:
            kubernetes_validate.validate(manifest, version, strict=True)


@by_values
def test_every_pod_is_as_restricted_as_the_strictest_policy_asks(values: Path) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a root that is read-only."""
    for component, spec in pod_specs(render(values)).items():
        assert spec["automountServiceAccountToken"] is False, component
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001, "the image's own user"
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert not any("hostPath" in volume for volume in spec.get("volumes", []))
        for container in spec["initContainers"] + spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "memory" in container["resources"]["limits"]


@by_values
def test_every_mount_has_its_volume_and_every_reference_its_object(values: Path) -> None:
    manifests = render(values)
    names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}
    given = yaml.safe_load(values.read_text())
    secrets = {given.get("keySecret"), given.get("scheduler", {}).get("passwordSecret")}
    for manifest in manifests:
        if manifest["kind"] not in ("Deployment", "StatefulSet"):
            continue
        spec = manifest["spec"]["template"]["spec"]
        claims = {claim["metadata"]["name"] for claim in manifest["spec"].get("volumeClaimTemplates", [])}
        for volume in spec["volumes"]:
            if "secret" in volume:
                secret = volume["secret"]["secretName"]
                assert ("Secret", secret) in names or secret in secrets
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in names
        containers = spec["initContainers"] + spec["containers"]
        mounted = {mount["name"] for container in containers for mount in container["volumeMounts"]}
        assert mounted == claims | {volume["name"] for volume in spec["volumes"]}
        created = given.get("serviceAccount", {}).get("create", True)
        assert (("ServiceAccount", spec["serviceAccountName"]) in names) == created
    selected = [each for each in manifests if each["kind"] in ("NetworkPolicy", "PodDisruptionBudget", "Service")]
    labels = [
        each["spec"]["template"]["metadata"]["labels"]
        for each in manifests
        if each["kind"] in ("Deployment", "StatefulSet")
    ]
    for each in selected:
        spec = each["spec"]
        wanted = (spec.get("podSelector") or spec["selector"]).get("matchLabels", spec.get("selector"))
        assert any(wanted.items() <= pod.items() for pod in labels), each["metadata"]["name"]


@by_values
def test_a_pod_lives_longer_than_its_drain(values: Path) -> None:
    spec = pod_specs(render(values))["worker"]
    env = _env(spec)
    assert spec["terminationGracePeriodSeconds"] > int(env["POLTERGUST_DRAIN_TIMEOUT"].removesuffix("s"))


@by_values
def test_every_variable_and_argument_is_known_to_its_command(values: Path) -> None:
    for spec in pod_specs(render(values)).values():
        (container,) = spec["containers"]
        program, command, *options = container["args"]
        assert program == "poltergust"
        shown = _help(command)
        names = [option.split("=")[0] for option in options]
        names += [name for name in _env(spec) if name.startswith("POLTERGUST_")]
        assert [name for name in names if name not in shown] == []


@cache
def _help(command: str) -> str:
    argv = [str(Path(sys.executable).with_name("poltergust")), command, "--help"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


def test_workers_have_named_subscriptions_or_make_their_own() -> None:
    named, own = (render(CHART_VALUES[name]) for name in ("named", "topic"))
    (workers,) = [
        each for each in named if each["kind"] == "StatefulSet" and each["metadata"]["name"].endswith("worker")
    ]
    assert workers["spec"]["replicas"] == 2
    subscription = _env(workers["spec"]["template"]["spec"])["POLTERGUST_SUBSCRIPTION"]
    assert subscription == "projects/my-project/subscriptions/poltergust-$(POLTERGUST_NODE)"
    (workers,) = [each for each in own if each["kind"] == "Deployment"]
    assert _env(workers["spec"]["template"]["spec"])["POLTERGUST_TOPIC"] == "projects/my-project/topics/poltergust"


def test_the_scheduler_is_reached_by_workers_and_the_dashboard_only() -> None:
    for manifest in render(CHART_VALUES["scheduler"]):
        if manifest["kind"] == "NetworkPolicy" and manifest["metadata"]["name"].endswith("scheduler"):
            ingress = manifest["spec"]["ingress"]
            peers = [peer["podSelector"]["matchLabels"] for peer in ingress[0]["from"]]
            assert [each["app.kubernetes.io/component"] for each in peers] == ["worker", "dashboard"]
            assert {each["app.kubernetes.io/instance"] for each in peers} == {"poltergust"}
            assert ingress[0]["ports"] == [{"port": "scheduler"}]
            assert [entry["ports"] for entry in ingress[1:]] == [[{"port": "http"}]]
            return
    raise AssertionError("no NetworkPolicy for the scheduler")


def test_no_password_stands_in_a_pod() -> None:
    manifests = render(CHART_VALUES["scheduler"])
    (secret,) = [manifest for manifest in manifests if manifest["kind"] == "Secret"]
    rest = yaml.safe_dump_all(manifest for manifest in manifests if manifest is not secret)
    assert secret["data"]["password"] not in rest
    for spec in pod_specs(manifests).values():
        (copies,) = spec["initContainers"]
        assert copies["command"][2].startswith("umask 077 ")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("path=pipeline", "/path"),
        ("path=gs://mybucket/pipeline/", "/path"),
        ("topic=projects/my-project/topics/poltergust", "oneOf"),
        ("subscriptionPrefix=", "oneOf"),
        ("subscriptionPrefix=poltergust", "/subscriptionPrefix"),
        ("image.tag=", "/image"),
        ("worker.replica=3", "additional properties 'replica' not allowed"),
        ("worker.replicas=-1", "/worker/replicas"),
        ("worker.graceAfterDrainSeconds=0", "/worker/graceAfterDrainSeconds"),
        ("worker.cache.size=20", "/worker/cache/size"),
        ("monitoring.kind=Prometheus", "/monitoring/kind"),
    ],
)
def test_wrong_values_are_refused_by_name(setting: str, message: str) -> None:
    done = run_helm("template", "x", str(CHART), "--values", str(CHART_VALUES["named"]), "--set", setting)
    assert done.returncode != 0
    assert message in done.stderr


def test_the_notes_name_the_subscriptions_that_have_to_exist() -> None:
    done = run_helm(
        "install", "poltergust", str(CHART), "--values", str(CHART_VALUES["named"]), "--dry-run=client", "--namespace=n"
    )
    assert done.returncode == 0, done.stderr
    assert "projects/my-project/subscriptions/poltergust-poltergust-worker-1\n" in done.stdout


def test_the_readme_has_every_value() -> None:
    readme = (CHART / "README.md").read_text()
    assert chart.updated(readme) == readme, "run: python -m tests.deploy.chart"


@pytest.mark.parametrize(("workers", "kind"), [(3, "StatefulSet"), (0, "Deployment")])
def test_what_terraform_prints_are_the_values_of_the_chart(
    tmp_path: Path, cloud: Cloud, workers: int, kind: str
) -> None:
    terraform = Terraform(tmp_path, module=MODULE / "examples" / "gke", pubsub=cloud.host, project=cloud.project)
    terraform.init().variables({"project_id": cloud.project, "bucket": "mybucket", "workers": workers})
    outputs = terraform.apply()
    assert terraform.pending() == {}
    image: dict[str, Any] = {"image": {"repository": "example.com/poltergust", "tag": "1"}}
    values = tmp_path / "values.yaml"
    values.write_text(outputs["values"] + yaml.safe_dump(image))
    manifests = render(values)
    (workload,) = [
        manifest
        for manifest in manifests
        if manifest["kind"] == kind and manifest["metadata"]["name"] == "poltergust-worker"
    ]
    # The account that rights were granted to, and the subscriptions that were made, are those of the rendered pods.
    account = workload["spec"]["template"]["spec"]["serviceAccountName"]
    members = {each.get("member") for each in terraform.resources().values()}
    assert any(member and member.endswith(f"/subject/ns/poltergust/sa/{account}") for member in members)
    env = _env(workload["spec"]["template"]["spec"])
    if kind == "StatefulSet":
        made = {
            each["id"]
            for address, each in terraform.resources().items()
            if ".google_pubsub_subscription.node[" in address
        }
        pods = [f"poltergust-worker-{index}" for index in range(workload["spec"]["replicas"])]
        assert {env["POLTERGUST_SUBSCRIPTION"].replace("$(POLTERGUST_NODE)", pod) for pod in pods} == made
    terraform.destroy()


CHART_VALUES = {path.stem: path for path in VALUES}


def _env(spec: dict[str, Any]) -> dict[str, str]:
    (container,) = spec["containers"]
    return {each["name"]: each.get("value", "") for each in container.get("env", [])}
