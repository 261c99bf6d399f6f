"""README and docs are true: the site builds strictly, every YAML block parses, every command exists as it is written.

A console block that cannot be run here is marked in its file by a comment that begins with "not run here"; its commands
are checked all the same: the command exists and knows every option.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
import yaml

from poltergust.cli import cli
from poltergust.documents import parse_environment_file, parse_task_file

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/**/README.md")])
PAGES = [page for page in PAGES if not {".venv", ".terraform", "node_modules"} & set(page.parts)]
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    return [block for page in PAGES for block in _blocks(page) if block.language in languages]


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in _FENCE.finditer(text):
        yield Block(page, text.count("\n", 0, found.start()) + 1, found["language"], found["text"])


def commands() -> list[tuple[str, str]]:
    """Every `poltergust …` in a console block, continuation lines joined, and in the indented ones of the README."""
    found = []
    for block in blocks("console", "bash", "sh"):
        text = block.text.replace("\\\n", " ")
        lines = [line.strip().removeprefix("$ ") for line in text.splitlines()]
        found += [(str(block), line) for line in lines if line.startswith("poltergust ")]
    readme = (ROOT / "README.md").read_text().replace("\\\n", " ")
    found += [("README.md", line.strip()) for line in readme.splitlines() if line.startswith("    poltergust ")]
    return found


def test_the_site_builds_strictly_with_every_link(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "index.html").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_every_yaml_block_is_one_of_the_two_files_or_valid_yaml(block: Block) -> None:
    data = block.text.encode()
    keys = set(yaml.load(data, Loader=yaml.BaseLoader) or {})
    if "task" in keys:
        parse_task_file(data, str(block))
    elif keys & {"dependencies", "virtualenv"}:
        parse_environment_file(data, str(block))


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_every_python_block_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_sample_screen_is_printed_by_a_test_or_marked(page: Path) -> None:
    """`test_first_hour.py` and `test_commands_page.py` run their page from top to bottom."""
    if page.name in ("tutorial-local.md", "commands.md"):
        return
    text = page.read_text()
    for found in _FENCE.finditer(text):
        typed = re.split(r"^\s*\$ ", found["text"].replace("\\\n", " "), flags=re.MULTILINE)
        if len(typed) > 1 and any("\n" in part.strip() for part in typed[1:]):
            before = text[: found.start()].rstrip().rpartition("\n")[2]
            assert before.startswith("<!-- not run here"), f"{page.relative_to(ROOT)}: {found['text']}"


@pytest.mark.parametrize(("where", "line"), commands())
def test_every_command_exists_as_it_is_written(where: str, line: str) -> None:
    words = shlex.split(re.split(r"\s[|>#]\s?|\s\(", line)[0])[1:]
    context = click.Context(cli)
    command: click.Command = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words.pop(0))
        assert found is not None, f"{where}: no such command: {line}"
        command = found
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        if word.startswith("-") and len(word) > 1:
            assert word.split("=")[0] in known | {"--help", "-h"}, f"{where}: {line}: no option {word}"
