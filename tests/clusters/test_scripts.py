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

import pytest

from tests import needs
from tests.clusters import gcloud_standin
from tests.emulators import pubsub as emulator
from tests.terraform.standin import LATEST, ROOT, mirror

CLUSTERS = ROOT / "clusters"
CREATE, DELETE = CLUSTERS / "dataproc-create-cluster.sh", CLUSTERS / "dataproc-delete-cluster.sh"
WORKERS = ["mycluster-w-0", "mycluster-w-1"]
READ_ONLY = ("config get-value", "describe", "list", "storage ls")


class Cloud:
    """A folder that stands for a Google Cloud project, and a person's shell in it."""

    def __init__(self, folder: Path, pubsub: str) -> None:
        self.folder, self.pubsub = folder, pubsub
        (folder / "buckets").mkdir()
        (folder / "home").mkdir()
        (folder / "bin").mkdir()
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
        }

    def run(self, script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(script), *arguments]
        return subprocess.run(
            command, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False
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


def test_create_makes_everything_runs_again_without_harm_and_delete_undoes_it(cloud: Cloud) -> None:
    created(cloud.run(CREATE, "mycluster", "2", "--region", "us-central1"))
    recorded = cloud.calls()
    _flags_exist(recorded)
    done = [line for line in (" ".join(argv) for argv in recorded) if not any(word in line for word in READ_ONLY)]
    bucket, upload, cluster, ssh = done
    assert bucket.startswith("gcloud storage buckets create gs://my-project-mycluster --project=my-project")
    assert upload.endswith("dataproc-initactions.sh gs://my-project-mycluster/cluster/dataproc-initactions.sh")
    assert "--service-account=mycluster-nodes@my-project.iam.gserviceaccount.com" in cluster
    assert "poltergust-path=gs://my-project-mycluster/pipeline" in cluster
    assert ssh.endswith("compute ssh mycluster-m --project=my-project --zone=us-central1-f -- -L 8082:mycluster-m:8082")
    assert cloud.subscriptions() == [f"poltergust-mycluster-{worker}" for worker in WORKERS]

    created(cloud.run(CREATE, "mycluster", "2", "--no-ssh"))
    assert [line.split()[1:3] for line in cloud.changes()] == [["storage", "cp"]]

    created(cloud.run(CREATE, "mycluster", "3", "--no-ssh"))
    recorded = cloud.calls()
    _flags_exist(recorded)
    assert any("clusters update mycluster" in " ".join(argv) and "--num-workers=3" in argv for argv in recorded)
    assert len(cloud.subscriptions()) == 3

    fewer = cloud.run(CREATE, "mycluster", "2")
    assert fewer.returncode == 2
    assert "the cluster has 3 workers" in fewer.stderr
    assert cloud.changes() == []

    created(cloud.run(DELETE, "mycluster"))
    assert [line.split()[1:4] for line in cloud.changes()] == [["dataproc", "clusters", "delete"]]
    assert cloud.subscriptions() == []
    created(cloud.run(DELETE, "mycluster", "--delete-bucket"))
    recorded = cloud.calls()
    _flags_exist(recorded)
    assert [argv[1:3] for argv in recorded if "rm" in argv] == [["storage", "rm"]]


def test_a_failure_in_the_middle_is_named_and_the_same_command_goes_on(cloud: Cloud) -> None:
    (cloud.folder / "fail").write_text("dataproc clusters create")
    failed = cloud.run(CREATE, "mycluster", "2", "--no-ssh")
    assert failed.returncode == 1
    assert "error: failed to create the cluster mycluster with 2 workers" in failed.stderr
    assert len(cloud.subscriptions()) == 2
    cloud.calls()
    created(cloud.run(CREATE, "mycluster", "2", "--no-ssh"))
    assert [line.split()[1:4] for line in cloud.changes()] == [
        ["storage", "cp", str(CLUSTERS / "dataproc-initactions.sh")],
        ["dataproc", "clusters", "create"],
    ]


def test_a_worker_without_a_new_heartbeat_is_named(cloud: Cloud) -> None:
    (cloud.folder / "cluster").write_text("2")
    (cloud.folder / "silent").write_text("mycluster-w-1")
    result = cloud.run(CREATE, "mycluster", "2", "--timeout", "3")
    assert result.returncode == 1
    assert "no heartbeat of mycluster-w-1 within 3 s" in result.stderr
    assert not any("ssh" in line for line in cloud.changes())


def test_a_lookup_that_fails_does_not_count_as_no_cluster(cloud: Cloud) -> None:
    for script, arguments in ((CREATE, ["mycluster", "2"]), (DELETE, ["mycluster"])):
        (cloud.folder / "fail").write_text("dataproc clusters list")
        assert cloud.run(script, *arguments).returncode == 1
        assert cloud.changes() == []


def test_dry_run_prints_what_a_run_does_and_does_nothing(cloud: Cloud, tmp_path: Path) -> None:
    wheel = tmp_path / "poltergust-9-py3-none-any.whl"
    wheel.touch()
    arguments = ["mycluster", "2", "--wheel", str(wheel), "--public-ip", "--iap", "--subnet=default"]
    dry = cloud.run(CREATE, *arguments, "--dry-run")
    created(dry)
    assert cloud.changes() == []
    assert not (cloud.folder / "home" / ".local").exists()
    created(cloud.run(CREATE, *arguments))
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
        (["mycluster", "2", "--wheel", "/nowhere.whl"], "no such file"),
        (["mycluster", "2", "--version", "1 2"], "--version '1 2'"),
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
        depth = 2 if own[:2] in (["storage", "cp"], ["storage", "ls"], ["storage", "rm"], ["compute", "ssh"]) else 3
        flags = {word.split("=")[0] for word in own if word.startswith("--")}
        assert flags <= _help(tuple(own[:depth])), (own, flags - _help(tuple(own[:depth])))
