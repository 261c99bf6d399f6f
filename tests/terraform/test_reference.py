"""The module's README says what its files say."""

from __future__ import annotations

from pathlib import Path

from tests.terraform import reference
from tests.terraform.standin import MODULE, Terraform
from tests.terraform.test_validation import GOOD


def test_the_reference_is_current() -> None:
    readme = (MODULE / "README.md").read_text()
    assert reference.updated(readme) == readme, "run: python -m tests.terraform.reference"


def test_it_names_every_variable_and_output_that_terraform_knows(tmp_path: Path) -> None:
    terraform = Terraform(tmp_path).init()
    terraform.variables(GOOD)
    root = terraform.plan()["configuration"]["root_module"]
    tables = reference.tables()
    for name, each in {**root["variables"], **root["outputs"]}.items():
        assert f"| `{name}` | {each['description'].strip()}".replace('"', "") in tables.replace('"', ""), name
    assert tables.count("\n| `") == len(root["variables"]) + len(root["outputs"])
