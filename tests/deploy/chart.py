"""The chart as tests see it: rendered manifests, and the table of its values in its README.

`python -m tests.deploy.chart` writes the table again.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.tools import CHART, run_helm

VALUES = sorted((Path(__file__).parent / "values").glob("*.yaml"))
BEGIN, END = "<!-- values: begin -->\n", "<!-- values: end -->\n"
Manifest = dict[str, Any]


@cache
def render(values: Path, release: str = "poltergust") -> list[Manifest]:
    """What `helm template` makes of the chart with a file of values."""
    done = run_helm("template", release, str(CHART), "--values", str(values))
    assert done.returncode == 0, done.stderr
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def pod_specs(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Component to the pod's spec."""
    found = {}
    for manifest in manifests:
        if manifest["kind"] in ("Deployment", "StatefulSet"):
            component = manifest["metadata"]["labels"]["app.kubernetes.io/component"]
            found[component] = manifest["spec"]["template"]["spec"]
    return found


def table() -> str:
    """Markdown: each value, its comment in values.yaml and its default there."""
    text = (CHART / "values.yaml").read_text()
    defaults = yaml.safe_load(text)
    rows = ["| value | what it is | default |", "| --- | --- | --- |"]
    comment = ""  # what stands above, on one line
    keys: list[str] = []  # the way to the key
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            comment = f"{comment} {line.strip(' #')}".strip()
            continue
        if found := re.match(r"( *)(\w+):", line):
            keys = [*keys[: len(found[1]) // 2], found[2]]
            default = defaults
            for key in keys:
                default = default[key]
            # A group is a row only where its keys are Kubernetes' own.
            if "resources" not in keys[:-1] and (
                keys[-1] == "resources" or not default or not isinstance(default, dict)
            ):
                shown = f"`{json.dumps(default)}`" if default not in ("", {}, []) else ""
                rows.append(f"| `{'.'.join(keys)}` | {comment} | {shown} |")
        comment = ""
    return "\n".join([*rows, ""])


def updated(readme: str) -> str:
    """`readme` with the table as it should be."""
    before, rest = readme.split(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.split(END)[1]


def main() -> None:
    path = CHART / "README.md"
    path.write_text(updated(path.read_text()))


if __name__ == "__main__":
    main()
