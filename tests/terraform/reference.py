"""The reference tables in the module's README, written from its `.tf` files: `python -m tests.terraform.reference`.

`terraform fmt` keeps the files in one shape (checked by a test), which is all that reading them here relies on.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.terraform.standin import MODULE

BEGIN, END = "<!-- reference: begin -->\n", "<!-- reference: end -->\n"
_BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)


def tables(module: Path = MODULE) -> str:
    """Markdown tables of the variables and the outputs, in the order of the files."""
    variables, outputs = [], []
    for path in (module / "variables.tf", module / "outputs.tf"):
        for kind, name, body in _BLOCK.findall(path.read_text()):
            fields = dict(re.findall(r"^  (description|type|default) += (.*)$", body, re.MULTILINE))
            text = fields["description"].strip('"').replace('\\"', '"').replace("|", "\\|")
            if kind == "output":
                outputs.append(f"| `{name}` | {text} |")
            else:
                default = f"`{fields['default']}`" if "default" in fields else "required"
                variables.append(f"| `{name}` | {text} | `{fields['type']}` | {default} |")
    return "\n".join(
        [
            "| variable | what it is | type | default |",
            "| --- | --- | --- | --- |",
            *variables,
            "",
            "| output | what it is |",
            "| --- | --- |",
            *outputs,
            "",
        ]
    )


def updated(readme: str) -> str:
    """`readme` with the tables as they should be."""
    before, rest = readme.split(BEGIN)
    return before + BEGIN + "\n" + tables() + "\n" + END + rest.split(END)[1]


def main() -> None:
    path = MODULE / "README.md"
    path.write_text(updated(path.read_text()))


if __name__ == "__main__":
    main()
