"""Commands to type next: quoted for a shell, by the program that can be called there."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

import poltergust
from poltergust.base import hints

PACKAGE = Path(poltergust.__file__).parent
COMMAND = re.compile(
    r"(?<!named to )poltergust (?:submit|status|logs|retry|cancel|check|listen|doctor|env|init|dashboard)\b"
)


def test_everything_is_quoted() -> None:
    assert hints.command("status", "it's", path="/a b") == "poltergust status 'it'\"'\"'s' --path '/a b'"
    assert hints.command("status", "-x", path="p") == "poltergust status --path p -- -x"
    assert hints.make_folder("a b") == "mkdir -p 'a b'"


def test_a_program_that_is_not_on_the_path_is_called_by_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", ["/opt/my venv/bin/poltergust"])
    assert hints.command("status") == "'opt/my venv/bin/poltergust' status"
    monkeypatch.setattr(sys, "argv", ["/lib/poltergust/__main__.py"])
    assert hints.command("status").endswith(" -m poltergust status")


def documentation(tree: ast.AST) -> set[int]:
    """Docstrings, and the constants that `--help` shows."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.add(id(node.value))
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            found.update(id(part) for part in ast.walk(node.value))
    return found


def test_no_command_is_written_by_hand() -> None:
    """It would lack the path, the quotes, or the program's place."""
    found = []
    for file in PACKAGE.glob("**/*.py"):
        tree = ast.parse(file.read_text())
        known = documentation(tree)
        found += [
            f"{file}:{node.lineno}: {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in known
            if COMMAND.search(node.value)
        ]
    assert found == []
