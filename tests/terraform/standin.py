"""Terraform for tests, without a network: the real `terraform` with a stand-in for the google provider.

`Terraform(folder, ...)` is one working copy of a module: `init`, `validate`, `plan`, `apply`, `outputs`, `destroy`.
`apply(variables, pubsub=..., storage=...)` is the short way for a test that only needs the wiring to be there.

The provider runs in an environment of its own (its plugin library needs an older protobuf than Google's clients),
built once inside the environment that the tests run in.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests import needs

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "infra" / "terraform"
CLUSTER = ROOT / "clusters" / "dataproc"
PARTS = ("infra/terraform", "clusters/dataproc")
ENVIRONMENT = Path(sys.prefix) / "terraform-standin"
REQUIREMENTS = ("tf==1.1.0", "protobuf==5.29.6", "grpcio==1.85.1", "msgpack==1.2.4", "cryptography==50.0.2")
VERSIONS = tuple(
    sorted(path.stem.removeprefix("google-") for path in (Path(__file__).parent / "schemas").glob("*.json"))
)
LATEST = VERSIONS[-1]
TIMEOUT = 120.0
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class TerraformError(AssertionError):
    """terraform ended with an error; the text is what it printed, unwrapped to single spaces."""


def environment() -> Path:
    """The Python that runs the stand-in provider; built on first use, under a lock."""
    marker, wanted = ENVIRONMENT / "poltergust-requirements", "\n".join(REQUIREMENTS)
    python = ENVIRONMENT / "bin" / "python"
    with ENVIRONMENT.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if marker.is_file() and marker.read_text() == wanted and python.exists():
            return python
        uv = [sys.executable, "-m", "uv"]
        for command in (
            [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(ENVIRONMENT)],
            [*uv, "pip", "install", "--quiet", "--python", str(python), *REQUIREMENTS],
        ):
            subprocess.run(command, check=True, timeout=600, stdin=subprocess.DEVNULL)
        marker.write_text(wanted)
    return python


def _platform() -> str:
    machine = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[os.uname().machine]
    return f"{os.uname().sysname.lower()}_{machine}"


def mirror(folder: Path, versions: Sequence[str]) -> Path:
    """A CLI configuration whose only source of providers is a filesystem mirror of the stand-in."""
    python = environment()
    for version in versions:
        place = folder / "mirror" / "registry.terraform.io" / "hashicorp" / "google" / version / _platform()
        place.mkdir(parents=True, exist_ok=True)
        binary = place / f"terraform-provider-google_v{version}"
        command = shlex.join(["env", f"PYTHONPATH={ROOT}", str(python), "-m", "tests.terraform.provider", version])
        binary.write_text(f"#!/bin/sh\nexec {command}\n")
        binary.chmod(0o755)
    config = folder / "terraformrc"
    config.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{folder / "mirror"}"\n  }}\n}}\n')
    return config


class Terraform:
    """A copy of `module` below `folder` with a state of its own, on one version of the provider.

    `pubsub` is HOST:PORT of a Pub/Sub emulator, `storage` the URL of a storage emulator; without one, those
    resources live in the state only.
    """

    def __init__(
        self,
        folder: Path,
        *,
        module: Path = MODULE,
        version: str = LATEST,
        pubsub: str | None = None,
        storage: str | None = None,
        project: str = "poltergust-test",
    ) -> None:
        self.binary = needs.terraform()
        self.folder, self.version = folder, version
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "home").mkdir(exist_ok=True)
        (folder / "bin").mkdir(exist_ok=True)
        # The module lets a minute pass for rights to be in force everywhere; here they are at once.
        (folder / "bin" / "sleep").write_text(f'#!/bin/sh\necho "$1" >>{shlex.quote(str(folder / "waits"))}\n')
        (folder / "bin" / "sleep").chmod(0o755)
        # Everything goes along in its place, because the examples and the cluster name the module as "../..".
        for part in PARTS:
            ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*")
            shutil.copytree(ROOT / part, folder / "tree" / part, ignore=ignored, dirs_exist_ok=True)
        self.work = folder / "tree" / module.resolve().relative_to(ROOT)
        self.env = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "STANDIN_POLICIES": str(folder / "policies"),
            "TF_CLI_CONFIG_FILE": str(mirror(folder, [version])),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "GOOGLE_CLOUD_PROJECT": project,
        }
        if pubsub:
            self.env["PUBSUB_EMULATOR_HOST"] = pubsub
        if storage:
            self.env["STORAGE_EMULATOR_HOST"] = storage

    def run(self, *arguments: str, accept: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
        """One terraform command in the working copy; raises `TerraformError` unless its exit code is accepted."""
        done = subprocess.run(
            [self.binary, *arguments],
            cwd=self.work,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if done.returncode not in accept:
            text = re.sub(r"[\s│╷╵]+", " ", _COLOURS.sub("", done.stdout + done.stderr))
            raise TerraformError(f"terraform {' '.join(arguments)}: exit code {done.returncode}: {text}")
        return done

    def init(self) -> Terraform:
        self.run("init", "-input=false", "-no-color")
        return self

    def variables(self, values: Mapping[str, object]) -> None:
        """The module's variables for every later command."""
        (self.work / "standin.auto.tfvars.json").write_text(json.dumps(values))

    def plan(self) -> dict[str, Any]:
        """The plan, in the form of `terraform show -json`."""
        self.run("plan", "-input=false", "-no-color", "-out=standin.tfplan")
        shown: dict[str, Any] = json.loads(self.run("show", "-json", "standin.tfplan").stdout)
        return shown

    def pending(self) -> dict[str, str]:
        """What a plan would do now: address to create, update, replace or delete; empty when all is as it should be."""
        lines = self.run("plan", "-input=false", "-json").stdout.splitlines()
        events = [json.loads(line) for line in lines]
        changes = [event["change"] for event in events if event["type"] == "planned_change"]
        return {change["resource"]["addr"]: change["action"] for change in changes if change["action"] != "read"}

    def apply(self) -> dict[str, Any]:
        """Apply; answers the outputs."""
        self.run("apply", "-input=false", "-no-color", "-auto-approve")
        return self.outputs()

    def outputs(self) -> dict[str, Any]:
        return {name: each["value"] for name, each in json.loads(self.run("output", "-json").stdout).items()}

    def resources(self) -> dict[str, dict[str, Any]]:
        """The state: address to attributes, data sources too."""
        values = json.loads(self.run("show", "-json").stdout).get("values", {})
        return {each["address"]: each["values"] for each in _walk(values.get("root_module", {}))}

    def destroy(self) -> None:
        self.run("destroy", "-input=false", "-no-color", "-auto-approve")


def _walk(module: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*module.get("resources", []), *(each for child in module.get("child_modules", []) for each in _walk(child))]


def planned(plan: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Address to planned values, of `Terraform.plan()`."""
    return {each["address"]: each["values"] for each in _walk(plan["planned_values"]["root_module"])}


def apply(variables: Mapping[str, object], folder: Path, *, pubsub: str, storage: str | None = None) -> dict[str, Any]:
    """Apply the module below `folder` and answer its outputs: `listen` is node to the command line as text."""
    terraform = Terraform(folder, pubsub=pubsub, storage=storage).init()
    terraform.variables(variables)
    return terraform.apply()
