"""Sample screens of the documentation, and whether what a command really printed is the same screen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^`([\w./]+)`[^`\n]*:\n\n\Z", re.MULTILINE)

# What differs from one machine, moment or run to the next.
_VOLATILE = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d\b", "MINUTE"),
    (r"[\w-]+@[\w.-]+", "WHO"),
    (r"http://[\w.]+:\d+", "SCHEDULER"),
    (r"\bpy\d[\w.-]*", "KEY"),
    (r"poltergust-demo-\w+", "FOLDER"),
    (r"\d{13,}(?:-[0-9a-f]+)?", "GENERATION"),
    (r"\d+(?:\.\d+)? (?:[KMG]B|GiB)\b", "SIZE"),
    (r"\d+ min \d+ s|\d+ h \d+ min|\d+(?:\.\d+)? s\b|\b\d+(?:\.\d+)?[smhd]\b", "DURATION"),
    (r"DURATION → DURATION\b", "DURATION"),  # of two runs; once where they took as long
    (r"\d+(?:\.\d+)+\b", "VERSION"),
    (r"\bnode-\d(?: \+\d|(?:, node-\d)+)?", "NODES"),
    (r" (?:-|\d+(?:, \d+)*)(?= +(?:gs://|~/))", " USERS"),
    (r"[ \t]+", " "),  # columns are as wide as what stands in them
)


@dataclass(frozen=True)
class Step:
    """A `file` to write with `text`; or, where `file` is empty, a command to type, and the screen that follows it."""

    line: int
    text: str
    file: str = ""
    screen: tuple[str, ...] = ()


def steps(page: Path) -> Iterator[Step]:
    """Files and commands of a page in the order in which a reader meets them."""
    text = page.read_text()
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        language, body = found.groups()
        named = _FILE.search(text, 0, found.start())
        if language == "console":
            yield from _commands(line, body)
        elif named is not None:
            yield Step(line, body, file=named[1])


def _commands(line: int, body: str) -> Iterator[Step]:
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, *screen = part.splitlines()
        yield Step(line, command, screen=tuple(screen))


def same(documented: tuple[str, ...], printed: str, names: dict[str, str]) -> bool:
    """Whether they are one screen, what is volatile aside. `…` in the documentation stands for anything, on a line of
    its own for any lines. `names` are those of this machine, with what the page calls them."""
    for here, there in names.items():
        printed = printed.replace(here, there)
    wanted = _normal("\n".join(documented).rstrip())
    pattern = "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", wanted))
    pattern = re.sub(r"(?:\A|\\\n)\.\*(?=\\\n|\Z)", r"(?s:(?:\\n.*)?)", pattern)
    return re.fullmatch(pattern, _normal(printed.rstrip())) is not None


def _normal(text: str) -> str:
    for pattern, word in _VOLATILE:
        text = re.sub(pattern, word, text)
    return "\n".join(line.strip() for line in text.splitlines())
