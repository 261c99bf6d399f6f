"""The cluster scripts, run for real against recording stand-ins of gcloud and gsutil and a real terraform."""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import needs
from tests.clusters import gcloud_standin
from tests.emulators import pubsub as emulator
from tests.terraform.standin import LATEST, ROOT, mirror

CLUSTERS = ROOT / "clusters"
CREATE, DELETE = CLUSTERS / "dataproc-create-cluster.sh", CLUSTERS / "dataproc-delete-cluster.sh"
WORKERS = ["mycluster-w-0", "mycluster-w-1"]
READ_ONLY = ("config get-value", "auth application-default", " describe", " list", "storage ls", "storage cat")


class Cloud:
    """A folder that stands for a Google Cloud project, and a person's shell in it."""

    def __init__(self, folder: Path, pubsub: str) -> None:
        self.folder, self.pubsub = folder, pubsub
        (folder / "home").mkdir()
        (folder / "bin").mkdir()
        self.wheel = folder / "poltergust-9-py3-none-any.whl"
        self.wheel.touch()
        self.put(**gcloud_standin.DEFAULT)
        # The wiring lets a minute pass for rights to be in force everywhere; here they are at once.
        (folder / "bin" / "sleep").write_text("#!/bin/sh\ncase $1 in 60) ;; *) exec /bin/sleep $1 ;; esac\n")
        (folder / "bin" / "sleep").chmod(0o755)
        for name in ("gcloud", "gsutil"):
            program = folder / "bin" / name
            program.write_text(f"#!{sys.executable}\n" + Path(gcloud_standin.__file__).read_text())
            program.chmod(0o755)
        self.env = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "CLOUD": str(folder),
            "TF_CLI_CONFIG_FILE": str(mirror(folder, [LATEST])),
            "CHECKPOINT_DISABLE": "1",
            "PUBSUB_EMULATOR_HOST": pubsub,
            "POLTERGUST_POLL_SECONDS": "0.1",
            "POLTERGUST_PAUSE_SECONDS": "0",
        }

    def put(self, **values: Any) -> None:
        """Change what is in the project; see the stand-in's `DEFAULT`."""
        path = self.folder / "project.json"
        path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | values))

    def get(self, key: str) -> Any:
        return json.loads((self.folder / "project.json").read_text())[key]

    def create(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The create script for mycluster with two workers and a wheel that costs nothing to build."""
        return self.run(CREATE, "mycluster", "2", "--wheel", str(self.wheel), *arguments)

    def run(self, script: Path | str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(script), *arguments]
        return subprocess.run(
            command,
            cwd=CLUSTERS,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def calls(self) -> list[list[str]]:
        """Every recorded command line since the last look."""
        path = self.folder / "calls.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    def changes(self) -> list[str]:
        """The recorded commands that change something."""
        joined = [" ".join(argv) for argv in self.calls()]
        return [line for line in joined if not any(word in line for word in READ_ONLY)]

    def rights(self) -> set[str]:
        """Addresses of the custom roles in Terraform's state of mycluster."""
        state = self.folder / "home/.local/state/poltergust/my-project/mycluster/terraform.tfstate"
        resources = json.loads(state.read_text())["resources"]
        roles = [each for each in resources if each["type"] == "google_project_iam_custom_role" and each["instances"]]
        return {f"{each['type']}.{each['name']}[0]" for each in roles}

    def subscriptions(self) -> list[str]:
        return sorted(name.rpartition("/")[2] for name in emulator.subscriptions(self.pubsub, "my-project"))


@pytest.fixture(scope="module")
def pubsub() -> Iterator[str]:
    needs.terraform()
    with emulator.pubsub_emulator() as host:
        yield host


@pytest.fixture
def cloud(tmp_path: Path, pubsub: str) -> Iterator[Cloud]:
    made = Cloud(tmp_path, pubsub)
    yield made
    for name in made.subscriptions():
        emulator.delete_subscription(pubsub, "my-project", name)
    for topic in emulator.call(pubsub, "GET", "projects/my-project/topics").get("topics", []):
        emulator.delete_topic(pubsub, "my-project", topic["name"].rpartition("/")[2])


def created(result: subprocess.CompletedProcess[str]) -> None:
    assert result.returncode == 0, result.stderr


def test_the_seeds_two_lines_work_on_a_default_project(cloud: Cloud) -> None:
    """`gsutil mb gs://mycluster; ./dataproc-create-cluster.sh mycluster 2`: call by call, to the forwarded port."""
    # What a plain `gsutil mb` leaves: an empty bucket without uniform access. The network has no Cloud NAT.
    cloud.put(buckets={"mycluster": {"uniform": False, "objects": []}})
    result = cloud.run("./dataproc-create-cluster.sh", "mycluster", "2")
    created(result)
    recorded = cloud.calls()
    _flags_exist(recorded)
    assert [_words(argv) for argv in recorded] == [
        "config get-value project",
        "dataproc clusters list",
        "storage buckets list",
        "services list",
        "auth application-default print-access-token",
        "storage buckets list",
        "storage ls gs://mycluster",
        "storage buckets list",
        "storage buckets describe gs://mycluster-boot",
        "compute networks subnets describe default",
        "compute routers list",
        "compute regions describe us-central1",
        "storage buckets update gs://mycluster",
        "storage buckets create gs://mycluster-boot",
        "storage ls gs://mycluster/pipeline.poltergust/nodes/",
        "storage cp",
        "storage cat",
        "storage cat",
        "storage cat",
        "storage ls",
        "storage cp -",
        "dataproc clusters create mycluster",
        "dataproc clusters describe mycluster",
        "storage ls gs://mycluster/pipeline.poltergust/nodes/",
        "dataproc clusters describe mycluster",
        "compute ssh mycluster-m",
    ]
    (upload,) = [argv for argv in recorded if argv[1:4] == ["storage", "cp", "--no-clobber"]]
    (cluster,) = [argv for argv in recorded if argv[1:4] == ["dataproc", "clusters", "create"]]
    ssh, release = recorded[-1], upload[-1]
    assert re.fullmatch(r"gs://mycluster-boot/[0-9a-f]{12}/", release)
    action, wheel, pins = upload[4:7]
    assert pins.endswith("/requirements/agent.txt")
    assert action.endswith("/clusters/dataproc-initactions.sh")
    assert re.fullmatch(r"poltergust-.*-py3-none-any\.whl", Path(wheel).name)
    assert not Path(wheel).exists(), "the folder it was built in is removed"
    assert "--public-ip-address" in cluster
    assert f"--initialization-actions={release}dataproc-initactions.sh" in cluster
    assert "--service-account=mycluster-nodes@my-project.iam.gserviceaccount.com" in cluster
    (metadata,) = [word.removeprefix("--metadata=") for word in cluster if word.startswith("--metadata=")]
    assert metadata.split(",") == [
        "poltergust-path=gs://mycluster/pipeline",
        "poltergust-project=my-project",
        "poltergust-name=poltergust-mycluster",
        f"poltergust-package={release}{Path(wheel).name}",
        "poltergust-password=gs://mycluster/cluster/scheduler-password",
    ]
    assert ssh[1:] == [
        *("compute", "ssh", "mycluster-m", "--project=my-project", "--zone=us-central1-f"),
        *("--", "-L", "8082:mycluster-m:8082"),
    ]
    assert cloud.subscriptions() == [f"poltergust-mycluster-{worker}" for worker in WORKERS]


def test_run_again_it_does_what_is_missing_and_delete_undoes_it(cloud: Cloud) -> None:
    created(cloud.create("--no-ssh"))
    assert cloud.changes()[:2] == [
        "gcloud storage buckets create gs://my-project-mycluster --project=my-project --location=us-central1 "
        "--uniform-bucket-level-access --public-access-prevention --soft-delete-duration=0",
        "gcloud storage buckets create gs://my-project-mycluster-boot --project=my-project --location=us-central1 "
        "--uniform-bucket-level-access --public-access-prevention --retention-period=P10Y",
    ]
    # A bucket of the cluster's name, made later, is not taken for the cluster's.
    cloud.put(buckets=cloud.get("buckets") | {"mycluster": {"uniform": True, "objects": []}})
    created(cloud.create("--no-ssh"))
    assert [line.split()[1:3] for line in cloud.changes()] == [["storage", "cp"]]

    created(cloud.run(CREATE, "mycluster", "3", "--no-ssh", "--wheel", str(cloud.wheel)))
    recorded = cloud.calls()
    _flags_exist(recorded)
    assert any("clusters update mycluster" in " ".join(argv) and "--num-workers=3" in argv for argv in recorded)
    assert len(cloud.subscriptions()) == 3

    fewer = cloud.create()
    assert fewer.returncode == 2
    assert "the cluster has 3 workers" in fewer.stderr
    assert cloud.changes() == []

    created(cloud.run(DELETE, "mycluster"))
    assert [line.split()[1:4] for line in cloud.changes()] == [["dataproc", "clusters", "delete"]]
    assert cloud.subscriptions() == []
    created(cloud.run(DELETE, "mycluster", "--delete-bucket"))
    recorded = cloud.calls()
    _flags_exist(recorded)
    assert [argv[4] for argv in recorded if "rm" in argv] == [
        "gs://my-project-mycluster",
        "gs://my-project-mycluster-boot",
    ]
    assert list(cloud.get("buckets")) == ["mycluster"]


EUROPE = "--region=europe-west1"


def test_a_later_run_that_is_told_less_means_the_same_cluster(cloud: Cloud) -> None:
    """A delete that looks elsewhere leaves machines that cost money; another prefix takes the nodes' rights away, and
    another password is not the scheduler's."""
    cloud.put(apis=[*cloud.get("apis"), "secretmanager.googleapis.com"], secrets=["luigi"])
    created(cloud.create("--no-ssh", "--region", "europe-west1", "--prefix", "jobs", "--password-secret", "luigi"))
    cloud.calls()
    again = cloud.create("--no-ssh")
    created(again)
    assert "drop task files into gs://my-project-mycluster/jobs/" in again.stderr
    assert "--secret=luigi" in again.stderr
    assert "0 added, 0 changed, 0 destroyed" in again.stdout
    assert [argv for argv in cloud.calls() if argv[1:4] == ["dataproc", "clusters", "list"] and EUROPE in argv]
    deleted = cloud.run(DELETE, "mycluster")
    created(deleted)
    (delete,) = cloud.changes()
    assert "clusters delete mycluster" in delete
    assert EUROPE in delete
    again = cloud.run(DELETE, "mycluster", "--region", "us-east1")
    created(again)
    assert "there is no cluster mycluster in us-east1" in again.stderr
    fresh = cloud.create("--dry-run")
    assert "/pipeline/; Luigi's page" in fresh.stderr
    assert "--region=us-central1" in fresh.stdout


def test_what_a_machine_may_write_is_not_what_the_next_one_boots_from(cloud: Cloud) -> None:
    """A machine may write objects into every bucket of the project. It can replace none of a release, and one that it
    put there first, under the name that the release will have, is found before a cluster is made or grows."""
    created(cloud.create("--no-ssh", "--bucket", "mybucket"))
    (upload,) = [argv for argv in cloud.calls() if argv[1:4] == ["storage", "cp", "--no-clobber"]]
    release = upload[-1].removeprefix("gs://mybucket-boot/")
    evil = cloud.folder / "evil.sh"
    evil.write_text("echo I am root now\n")
    action = f"{release}dataproc-initactions.sh"
    replace = [str(cloud.folder / "bin" / "gcloud"), "storage", "cp", str(evil), f"gs://mybucket-boot/{action}"]
    replaced = subprocess.run(replace, env=cloud.env, capture_output=True, text=True, timeout=60, check=False)
    assert "retention policy" in replaced.stderr
    created(cloud.create("--no-ssh", "--bucket", "mybucket"))

    cloud.put(contents=cloud.get("contents") | {f"mybucket-boot/{action}": str(evil)}, cluster=None)
    cloud.calls()
    refused = cloud.create("--no-ssh", "--bucket", "mybucket")
    assert refused.returncode == 2
    assert f"error: gs://mybucket-boot/{action} is not the file of this name here" in refused.stderr
    assert not any("dataproc clusters" in line for line in cloud.changes())


@pytest.mark.parametrize("boot", ["mybucket", "b" * 64])
def test_a_bucket_that_the_nodes_write_to_is_not_booted_from(cloud: Cloud, boot: str) -> None:
    refused = cloud.create("--bucket", "mybucket", "--boot-bucket", boot)
    assert refused.returncode == 2
    assert f"error: --boot-bucket {boot}: name a bucket" in refused.stderr
    assert cloud.changes() == []


def test_the_password_is_a_secret_of_secret_manager_where_one_is_named(cloud: Cloud) -> None:
    missing = cloud.create("--password-secret", "luigi")
    assert missing.returncode == 2
    assert "has not enabled secretmanager.googleapis.com" in missing.stderr
    cloud.put(apis=[*cloud.get("apis"), "secretmanager.googleapis.com"])
    assert "gcloud secrets create luigi --project=my-project" in cloud.create("--password-secret", "luigi").stderr
    cloud.put(secrets=["luigi"])
    cloud.calls()
    done = cloud.create("--no-ssh", "--password-secret", "luigi")
    created(done)
    assert "'gcloud secrets versions access latest --secret=luigi --project=my-project' prints" in done.stderr
    recorded = cloud.calls()
    _flags_exist(recorded)
    (grant,) = [argv for argv in recorded if argv[1:3] == ["secrets", "add-iam-policy-binding"]]
    assert "--member=serviceAccount:mycluster-nodes@my-project.iam.gserviceaccount.com" in grant
    (cluster,) = [argv for argv in recorded if argv[1:4] == ["dataproc", "clusters", "create"]]
    assert any("poltergust-password=projects/my-project/secrets/luigi" in word for word in cluster)
    assert not any(argv[1:4] == ["storage", "cp", "-"] for argv in recorded)


APIS = "cloudresourcemanager.googleapis.com dataproc.googleapis.com"


@pytest.mark.parametrize(
    ("project", "options", "messages"),
    [
        (
            {"apis": [f"{name}.googleapis.com" for name in ("compute", "iam", "pubsub", "storage")]},
            [],
            [f"has not enabled {APIS}; run: gcloud services enable {APIS} --project=my-project"],
        ),
        ({}, ["--iap"], ["has not enabled iap.googleapis.com"]),
        ({"login": False}, [], ["run: gcloud auth application-default login"]),
        ({"foreign": ["theirs"]}, ["--bucket", "theirs"], ["gs://theirs belongs to another project than my-project"]),
        (
            {"buckets": {"mycluster": {"uniform": False, "objects": ["report.csv"]}}},
            [],
            ["run: gcloud storage buckets update gs://mycluster --uniform-bucket-level-access"],
        ),
        ({}, ["--internal-ip"], ["has no Cloud NAT in us-central1", "gcloud compute routers nats create poltergust"]),
        ({"subnets": {}}, [], ["has no subnet default", "gcloud compute networks create default"]),
        (
            {"quotas": {"CPUS": [12.0, 4.0], "IN_USE_ADDRESSES": [8.0, 6.0], "DISKS_TOTAL_GB": [2048.0, 0.0]}},
            [],
            [
                "quota CPUS of us-central1: 10 needed, 8 of 12 free",
                "quota IN_USE_ADDRESSES of us-central1: 3 needed, 2",
            ],
        ),
        ({"quotas": {"DISKS_TOTAL_GB": [250.0, 0.0]}}, [], ["quota DISKS_TOTAL_GB of us-central1: 300 needed, 250 of"]),
        ({"cluster": {"state": "ERROR", "workers": 2, "secondary": 0, "policy": ""}}, [], ["add --recreate"]),
        ({"cluster": {"state": "CREATING", "workers": 2, "secondary": 0, "policy": ""}}, [], ["is CREATING; run this"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else "-".join(value),
)
def test_what_is_missing_is_said_before_anything_is_created(
    cloud: Cloud, project: dict[str, Any], options: list[str], messages: list[str]
) -> None:
    cloud.put(**project)
    result = cloud.create(*options)
    assert result.returncode == 2
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert [message for message in messages if not any(message in line for line in errors)] == []
    recorded = cloud.calls()
    _flags_exist(recorded)
    assert [argv for argv in recorded if not any(word in " ".join(argv) for word in READ_ONLY)] == []
    assert cloud.subscriptions() == []


def test_several_things_missing_are_said_at_once(cloud: Cloud) -> None:
    cloud.put(login=False, foreign=["theirs"], subnets={})
    result = cloud.create("--bucket", "theirs")
    assert [line.split()[1] for line in result.stderr.splitlines() if line.startswith("error: ")] == [
        "Terraform",
        "gs://theirs",
        "us-central1",
    ]


def test_a_bucket_of_somebody_else_with_the_clusters_name_is_left_alone(cloud: Cloud) -> None:
    cloud.put(foreign=["mycluster"], nat=["default"])
    created(cloud.create())
    changes = cloud.changes()
    assert changes[0].startswith("gcloud storage buckets create gs://my-project-mycluster ")
    # With Cloud NAT no machine gets a public address, and ssh goes through the proxy.
    assert "--no-address" in changes[-2]
    assert "--tunnel-through-iap" in changes[-1]


def test_a_failed_initialization_action_leaves_a_cluster_that_recreate_replaces(cloud: Cloud) -> None:
    cloud.put(action_fails=True)
    failed = cloud.create("--no-ssh")
    assert failed.returncode == 1
    assert "Initialization action failed; its output: gs://staging/" in failed.stderr
    assert "was made and is in state ERROR" in failed.stderr
    assert failed.stderr.splitlines()[-1].endswith("Then: this command with --recreate")
    assert [line.split()[3] for line in cloud.changes() if "dataproc clusters" in line] == ["create"], (
        "not tried once more"
    )
    again = cloud.create("--no-ssh")
    assert again.returncode == 2
    assert "is in state ERROR, which it does not leave" in again.stderr
    assert cloud.changes() == []
    created(cloud.create("--no-ssh", "--recreate"))
    recorded = cloud.calls()
    _flags_exist(recorded)
    assert [argv[3] for argv in recorded if argv[1] == "dataproc" and argv[3] in ("create", "delete")] == [
        "delete",
        "create",
    ]
    assert cloud.get("cluster")["state"] == "RUNNING"


def test_a_right_that_is_not_in_force_yet_is_waited_for_and_no_longer_than_three_times(cloud: Cloud) -> None:
    refused = ["dataproc clusters create", "PERMISSION_DENIED: service account lacks dataproc.agents.create"]
    cloud.put(refuse=[refused])
    created(cloud.create("--no-ssh"))
    assert [line.split()[3] for line in cloud.changes() if "dataproc clusters" in line] == ["create", "create"]
    created(cloud.run(DELETE, "mycluster"))
    cloud.changes()
    cloud.put(refuse=[refused] * 4)
    failed = cloud.create("--no-ssh")
    assert failed.returncode == 1
    assert "error: failed to create the cluster mycluster with 2 workers" in failed.stderr
    assert [line.split()[3] for line in cloud.changes() if "dataproc clusters" in line] == ["create"] * 3


def test_another_refusal_is_named_and_the_same_command_goes_on(cloud: Cloud) -> None:
    cloud.put(refuse=[["dataproc clusters create", "INVALID_ARGUMENT: Insufficient 'CPUS_ALL_REGIONS' quota"]])
    failed = cloud.create("--no-ssh")
    assert failed.returncode == 1
    assert "Insufficient 'CPUS_ALL_REGIONS' quota" in failed.stderr
    assert "error: failed to create the cluster mycluster with 2 workers" in failed.stderr
    assert len(cloud.subscriptions()) == 2
    cloud.calls()
    created(cloud.create("--no-ssh"))
    assert [line.split()[1:4] for line in cloud.changes()] == [
        ["storage", "cp", "--no-clobber"],
        ["dataproc", "clusters", "create"],
    ]


def test_secondary_workers_may_make_their_own_subscriptions(cloud: Cloud) -> None:
    created(cloud.create("--no-ssh", "--secondary-workers", "2"))
    recorded = cloud.calls()
    _flags_exist(recorded)
    (cluster,) = [argv for argv in recorded if argv[1:4] == ["dataproc", "clusters", "create"]]
    assert {"--num-secondary-workers=2", "--secondary-worker-type=spot"} < set(cluster)
    assert cloud.rights() == {"google_project_iam_custom_role.fleet[0]"}
    # Said once: a later run of the plain command takes no right away.
    created(cloud.create("--no-ssh"))
    assert cloud.rights() == {"google_project_iam_custom_role.fleet[0]"}
    silent = cloud.get("cluster") | {"secondary": 1}
    cloud.put(cluster=silent, silent=["mycluster-sw-0000"])
    late = cloud.create("--timeout", "1")
    assert "no heartbeat of mycluster-sw-0000 within 1 s" in late.stderr
    cloud.calls()
    cloud.put(cluster={"state": "RUNNING", "workers": 5, "secondary": 0, "policy": "mine"}, silent=[])
    created(cloud.create("--no-ssh"))
    assert not any("clusters update" in line for line in cloud.changes()), "the policy decides how many there are"


def test_a_worker_without_a_new_heartbeat_is_named(cloud: Cloud) -> None:
    cloud.put(cluster={"state": "RUNNING", "workers": 2, "secondary": 0, "policy": ""}, silent=["mycluster-w-1"])
    result = cloud.create("--timeout", "2")
    assert result.returncode == 1
    assert "no heartbeat of mycluster-w-1 within 2 s" in result.stderr
    assert not any("ssh" in line for line in cloud.changes())


def test_a_lookup_that_fails_does_not_count_as_no_cluster(cloud: Cloud) -> None:
    for script, arguments in ((CREATE, ["mycluster", "2"]), (DELETE, ["mycluster"])):
        cloud.put(refuse=[["dataproc clusters list", "PERMISSION_DENIED"]])
        assert cloud.run(script, *arguments).returncode == 1
        assert cloud.changes() == []


def test_delete_does_not_guess_which_bucket_to_delete(cloud: Cloud) -> None:
    refused = cloud.run(DELETE, "mycluster", "--delete-bucket")
    assert refused.returncode == 2
    assert "add --bucket BUCKET" in refused.stderr


def test_dry_run_prints_what_a_run_does_and_does_nothing(cloud: Cloud) -> None:
    arguments = ["--public-ip", "--subnet=default"]
    dry = cloud.create(*arguments, "--dry-run")
    created(dry)
    assert cloud.changes() == []
    assert not (cloud.folder / "home" / ".local").exists()
    created(cloud.create(*arguments))
    recorded = cloud.calls()
    _flags_exist(recorded)
    printed = [shlex.split(line.replace("--zone=ZONE", "--zone=us-central1-f")) for line in dry.stdout.splitlines()]
    changing = [argv for argv in recorded if not any(word in " ".join(argv) for word in READ_ONLY)]
    assert [argv for argv in printed if argv[0] == "gcloud"] == changing
    assert [argv for argv in printed if argv[0] != "gcloud" and "terraform" not in argv] == []

    created(cloud.run(DELETE, "mycluster", "--delete-bucket", "--dry-run"))
    assert cloud.changes() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "CLUSTER WORKERS"),
        (["My_Cluster", "2"], "cluster 'My_Cluster'"),
        (["mycluster", "1"], "WORKERS '1'"),
        (["mycluster", "two"], "WORKERS 'two'"),
        (["mycluster", "2", "--nonsense", "x"], "unknown option --nonsense"),
        (["mycluster", "2", "--region"], "--region needs a value"),
        (["mycluster", "2", "--project", "Not A Project"], "no project"),
        (["mycluster", "2", "--bucket", "a/b"], "--bucket 'a/b'"),
        (["mycluster", "2", "--prefix", "a b"], "--prefix 'a b'"),
        (["mycluster", "2", "--boot-bucket", "a/b"], "--boot-bucket 'a/b'"),
        (["mycluster", "2", "--password-secret", "a/b"], "--password-secret 'a/b'"),
        (["mycluster", "2", "--wheel", "/nowhere.whl"], "no such file"),
        (["mycluster", "2", "--secondary-workers", "few"], "--secondary-workers 'few'"),
        (["mycluster", "2", "--preemptible", "yes"], "--preemptible 'yes'"),
        (["mycluster", "2", "--timeout", "soon"], "--timeout 'soon'"),
    ],
)
def test_wrong_arguments_are_one_line_and_nothing_is_run(cloud: Cloud, arguments: list[str], message: str) -> None:
    result = cloud.run(CREATE, *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert cloud.changes() == []


@pytest.mark.parametrize("script", [CREATE, DELETE], ids=lambda path: path.name)
def test_help_names_every_option(cloud: Cloud, script: Path) -> None:
    shown = cloud.run(script, "--help")
    assert shown.returncode == 0
    parsed = set(re.findall(r"^ +(--[a-z-]+)\)", script.read_text(), re.MULTILINE))
    assert parsed - {"--*=*"} <= set(re.findall(r"--[a-z-]+", shown.stdout))


def test_shellcheck_finds_nothing_and_no_script_traces() -> None:
    scripts = sorted(str(path) for path in CLUSTERS.glob("*.sh"))
    checked = subprocess.run(
        [str(Path(sys.executable).parent / "shellcheck"), "--external-sources", *scripts],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (checked.returncode, checked.stdout) == (0, "")
    for path in CLUSTERS.glob("*.sh"):
        assert not re.search(r"set -\w*x|xtrace", path.read_text()), path


def _words(argv: list[str]) -> str:
    """A command without its flags, and without paths of this machine."""
    own = argv[1 : argv.index("--")] if "--" in argv else argv[1:]
    return " ".join(
        word for word in own if not word.startswith(("--", "/", "gs://mycluster/cluster", "gs://mycluster-boot/"))
    )


@functools.cache
def _help(words: tuple[str, ...]) -> frozenset[str]:
    """The flags that the installed gcloud documents for a command; asked once for each version of gcloud."""
    gcloud = needs.gcloud()
    version = (Path(os.path.realpath(gcloud)).parent.parent / "VERSION").read_text().strip()
    kept = Path(sys.prefix) / "gcloud-help" / version / "-".join(words)
    if not kept.exists():
        command = [gcloud, *words, "--help"]
        shown = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=True
        ).stdout
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.with_suffix(".new").write_text(re.sub(".\x08", "", shown))
        kept.with_suffix(".new").rename(kept)
    return frozenset(re.findall(r"--[a-z][a-z0-9-]+", kept.read_text()))


def _flags_exist(calls: list[list[str]]) -> None:
    for program, *argv in calls:
        assert program == "gcloud", "gsutil is not used: gcloud storage does all of it"
        own = argv[: argv.index("--")] if "--" in argv else argv
        if own[:2] == ["config", "get-value"]:
            continue
        depth = 2 if own[1] in ("cat", "cp", "ls", "rm", "ssh") or own[0] in ("services", "secrets") else 3
        if own[:3] == ["compute", "networks", "subnets"]:
            depth = 4
        flags = {word.split("=")[0] for word in own if word.startswith("--")}
        assert flags <= _help(tuple(own[:depth])), (own, flags - _help(tuple(own[:depth])))
