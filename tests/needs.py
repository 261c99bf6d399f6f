"""What a test needs from the machine. Missing: skip here with the line that installs it, fail where CI=true."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def missing(what: str, install: str) -> None:
    """Skip the calling test, or fail it under CI."""
    text = f"{what} is not on this machine; install it: {install}"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)


def program(name: str, install: str) -> str:
    """The path of a program on PATH."""
    found = shutil.which(name)
    if found is None:
        missing(name, install)
        raise AssertionError("unreachable")
    return found


def gcloud() -> str:
    return program("gcloud", "apt-get install google-cloud-cli (https://cloud.google.com/sdk/docs/install)")


def gsutil() -> str:
    return program("gsutil", "apt-get install google-cloud-cli (https://cloud.google.com/sdk/docs/install)")


def terraform() -> str:
    return program("terraform", "https://developer.hashicorp.com/terraform/install")


def java() -> str:
    return program("java", "apt-get install openjdk-17-jre-headless")


def pyenv_python(version: str) -> Path:
    """The interpreter of a pyenv version such as "3.8"; the newest patch release found."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(root.glob(f"versions/{version}.*/bin/python{version}"))
    if not found:
        missing(f"Python {version}", f"pyenv install {version}")
    return found[-1]
