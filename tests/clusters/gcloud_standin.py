"""A recording stand-in for gcloud (and gsutil): a small project in a folder, and every command line that was run.

Run as a program by the scripts under test. `CLOUD` names the folder: `calls.jsonl` (argv lists) and `project.json`,
what is in the project (see `DEFAULT`). It does what the documentation says of the real one as far as the scripts see:
a cluster whose initialization action fails stays in state ERROR, a command that is refused leaves nothing, names of
buckets are shared by all projects.
"""

# ruff: noqa: T201 (a program: its output is what scripts read)

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

APIS = ("cloudresourcemanager", "compute", "dataproc", "iam", "pubsub", "storage")
DEFAULT: dict[str, Any] = {
    "apis": [f"{name}.googleapis.com" for name in APIS],
    "login": True,
    "buckets": {},  # name to {"uniform": bool, "objects": [names], "retention": whether nothing in it can be replaced}
    "contents": {},  # bucket/name of an object to the file here that has what is in it
    "secrets": [],  # names in Secret Manager
    "foreign": [],  # buckets of other projects
    "subnets": {"default": "default"},  # name to its network
    "nat": [],  # networks that have Cloud NAT
    "quotas": {"CPUS": [24.0, 0.0], "IN_USE_ADDRESSES": [8.0, 0.0], "DISKS_TOTAL_GB": [4096.0, 0.0]},  # limit, usage
    "cluster": None,  # {"state": str, "workers": int, "secondary": int, "policy": str}
    "refuse": [],  # the words a command begins with, and what it says: each once, in this order
    "action_fails": False,
    "silent": [],  # workers whose heartbeats do not change
    "looks": 0,  # how often the heartbeats were looked at: each look finds them changed
}


class Refused(Exception):
    """The command's own error message."""


def main(argv: list[str]) -> int:
    folder = Path(os.environ["CLOUD"])
    with (folder / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(argv) + "\n")
    path = folder / "project.json"
    project = json.loads(path.read_text())
    command = " ".join(argv[1:])
    try:
        if project["refuse"] and command.startswith(project["refuse"][0][0]):
            raise Refused(project["refuse"].pop(0)[1])
        if command.startswith("storage cat"):
            sys.stdout.buffer.write(Path(project["contents"][argv[3].removeprefix("gs://")]).read_bytes())
            return 0
        for line in answer(project, command, argv):
            print(line)
    except Refused as error:
        print(f"ERROR: (gcloud) {error}", file=sys.stderr)
        return 1
    finally:
        path.write_text(json.dumps(project))
    return 0


def answer(project: dict[str, Any], command: str, argv: list[str]) -> list[str]:
    """The lines that the command prints; what it does is done in `project`."""
    if command == "config get-value project":
        return ["my-project"]
    if command.startswith("services list"):
        return list(project["apis"])
    if command.startswith("auth application-default"):
        if not project["login"]:
            raise Refused("Your default credentials were not found.")
        return ["a-token"]
    if command.startswith("storage"):
        return storage(project, command, argv)
    if command.startswith("secrets") and argv[argv.index("secrets") + 2] not in project["secrets"]:
        raise Refused("NOT_FOUND: Secret not found or has no versions.")
    if command.startswith("compute networks subnets describe"):
        if argv[5] not in project["subnets"]:
            raise Refused(f"The resource '{argv[5]}' was not found")
        return [project["subnets"][argv[5]]]
    if command.startswith("compute routers list"):
        return list(project["nat"])
    if command.startswith("compute regions describe"):
        return [f"{metric},{limit},{usage}" for metric, (limit, usage) in project["quotas"].items()]
    if command.startswith("dataproc clusters"):
        return dataproc(project, argv[3], argv)
    return []


def storage(project: dict[str, Any], command: str, argv: list[str]) -> list[str]:
    name = argv[4].removeprefix("gs://") if len(argv) > 4 else ""
    buckets = project["buckets"]
    if command.startswith("storage buckets list"):
        wanted = option(argv, "--filter").removeprefix("name = ")
        return [f"{wanted},{buckets[wanted]['uniform']}"] if wanted in buckets else []
    if command.startswith("storage buckets describe"):
        if name in project["foreign"]:
            raise Refused(f"HTTPError 403: you do not have storage.buckets.get access to {name}")
        if name not in buckets:
            raise Refused(f"gs://{name} not found: 404.")
        return [name]
    if command.startswith("storage buckets create"):
        if name in buckets or name in project["foreign"]:
            raise Refused("HTTPError 409: The requested bucket name is not available.")
        uniform = "--uniform-bucket-level-access" in argv
        buckets[name] = {"uniform": uniform, "objects": [], "retention": bool(option(argv, "--retention-period"))}
    if command.startswith("storage buckets update"):
        if "--clear-retention-period" in argv:
            buckets[name]["retention"] = False
        else:
            buckets[name]["uniform"] = True
    if command.startswith("storage rm --recursive"):
        if buckets[name].get("retention"):
            raise Refused(f"HTTPError 403: Object '{name}' is subject to bucket's retention policy")
        del buckets[name]
    if command.startswith("storage ls --long"):
        return heartbeats(project, argv[-1])
    if command.startswith("storage cp"):
        bucket, _, key = argv[-1].removeprefix("gs://").partition("/")
        sources = [each for each in argv[3:-1] if not each.startswith("--")]
        for source in sources:
            target = f"{key}{Path(source).name}" if key.endswith("/") else key
            if target not in buckets[bucket]["objects"]:
                buckets[bucket]["objects"].append(target)
                project["contents"][f"{bucket}/{target}"] = source
            elif "--no-clobber" not in argv and buckets[bucket].get("retention"):
                raise Refused(f"HTTPError 403: Object '{bucket}/{target}' is subject to bucket's retention policy")
    if command.startswith("storage ls"):
        bucket, _, key = argv[3].removeprefix("gs://").partition("/")
        found = [f"gs://{bucket}/{each}" for each in buckets[bucket]["objects"] if each.startswith(key)]
        if key and not found:
            raise Refused("One or more URLs matched no objects.")
        return found
    return []


def dataproc(project: dict[str, Any], verb: str, argv: list[str]) -> list[str]:
    cluster = project["cluster"]
    if verb == "list":
        keys = ("state", "workers", "secondary", "policy")
        return [",".join(str(cluster[key] or "") for key in keys)] if cluster else []
    if verb == "describe":
        names = " ".join(workers(cluster)).split(" mycluster-sw", 1)
        return ["us-central1-f" if "zoneUri" in argv[-1] else "\t".join(names).replace("\t", "\tmycluster-sw")]
    if verb == "create":
        state = "ERROR" if project["action_fails"] else "RUNNING"
        secondary = int(option(argv, "--num-secondary-workers") or 0)
        numbers = {"workers": int(option(argv, "--num-workers")), "secondary": secondary}
        project["cluster"] = {"state": state, "policy": option(argv, "--autoscaling-policy"), **numbers}
        if project["action_fails"]:
            project["action_fails"] = False
            raise Refused(
                "Initialization action failed; its output: gs://staging/dataproc-initialization-script-0_output"
            )
    if verb == "update":
        for key, flag in (("workers", "--num-workers"), ("secondary", "--num-secondary-workers")):
            cluster[key] = int(option(argv, flag) or cluster[key])
    if verb == "delete":
        project["cluster"] = None
    return []


def option(argv: list[str], flag: str) -> str:
    return next((word.split("=", 1)[1] for word in argv if word.startswith(f"{flag}=")), "")


def workers(cluster: dict[str, Any]) -> list[str]:
    primary = [f"mycluster-w-{index}" for index in range(cluster["workers"])]
    return primary + [f"mycluster-sw-{index:04x}" for index in range(cluster["secondary"])]


def heartbeats(project: dict[str, Any], folder: str) -> list[str]:
    project["looks"] += 1
    if not project["cluster"]:
        raise Refused("One or more URLs matched no objects.")
    minutes = {name: 0 if name in project["silent"] else project["looks"] for name in workers(project["cluster"])}
    return [f"       512  2024-01-01T00:{minute:02d}:00Z  {folder}{name}.json" for name, minute in minutes.items()]


if __name__ == "__main__":
    sys.exit(main([Path(sys.argv[0]).name, *sys.argv[1:]]))
