"""A recording stand-in for gcloud (and gsutil): a small project in a folder, and every command line that was run.

Run as a program by the scripts under test. `CLOUD` names the folder: `calls.jsonl` (argv lists), `buckets/`, `cluster`
(number of workers), `hearts` (how often they were looked at: each look finds the heartbeats changed), `fail` (words of
the next command that fails).
"""

# ruff: noqa: T201 (a program: its output is what scripts read)

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main(argv: list[str]) -> int:
    cloud = Path(os.environ["CLOUD"])
    with (cloud / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(argv) + "\n")
    command = " ".join(argv[1:])
    fail = cloud / "fail"
    if fail.is_file() and command.startswith(fail.read_text()):
        fail.unlink()
        print("ERROR: (gcloud) told to fail", file=sys.stderr)
        return 1
    return answer(cloud, command, argv)


def answer(cloud: Path, command: str, argv: list[str]) -> int:
    cluster, buckets = cloud / "cluster", cloud / "buckets"
    if command == "config get-value project":
        print("my-project")
    elif command.startswith("storage buckets describe gs://"):
        return 0 if (buckets / argv[4].removeprefix("gs://")).is_dir() else 1
    elif command.startswith("storage buckets create gs://"):
        (buckets / argv[4].removeprefix("gs://")).mkdir()
    elif command.startswith("storage rm --recursive gs://"):
        (buckets / argv[4].removeprefix("gs://")).rmdir()
    elif command.startswith("dataproc clusters list"):
        print(cluster.read_text() if cluster.exists() else "")
    elif command.startswith(("dataproc clusters create", "dataproc clusters update")):
        cluster.write_text(next(word for word in argv if word.startswith("--num-workers=")).split("=")[1])
    elif command.startswith("dataproc clusters delete"):
        cluster.unlink()
    elif command.startswith("dataproc clusters describe"):
        print("us-central1-f")
    elif command.startswith("storage ls --long"):
        return heartbeats(cloud, argv[-1])
    return 0


def heartbeats(cloud: Path, folder: str) -> int:
    cluster, hearts = cloud / "cluster", cloud / "hearts"
    looks = int(hearts.read_text()) + 1 if hearts.exists() else 1
    hearts.write_text(str(looks))
    if not cluster.exists():
        print("ERROR: (gcloud.storage.ls) One or more URLs matched no objects.", file=sys.stderr)
        return 1
    silent = (cloud / "silent").read_text().split() if (cloud / "silent").exists() else []
    for worker in range(int(cluster.read_text())):
        name = f"mycluster-w-{worker}"
        minute = 0 if name in silent else looks
        print(f"       512  2024-01-01T00:{minute:02d}:00Z  {folder}{name}.json")
    return 0


if __name__ == "__main__":
    sys.exit(main([Path(sys.argv[0]).name, *sys.argv[1:]]))
