"""Colours that a pipeline prints, as class names of the page: a line of a log becomes pieces of text, never markup.

Only "select graphic rendition" sequences (ECMA-48, 8.3.117) with the sixteen named colours, bold, faint, italic and
underline mean something; every other sequence is left out, and every other control character is written as an escape.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from poltergust.base.text import plain

_SELECT = re.compile(r"\x1b\[([0-9;:]*)m")
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_SWITCHED_ON = {1: "bold", 2: "faint", 3: "italic", 4: "underline"}
_SWITCHED_OFF = {22: ("bold", "faint"), 23: ("italic",), 24: ("underline",)}
_EXTENDED_COLOUR = (38, 48)
_ARGUMENTS_OF_EXTENDED = {"5": 2, "2": 4}
"""How many numbers follow 38 or 48: ``5;N`` for one of 256, ``2;R;G;B`` for a true colour."""


@dataclass(frozen=True)
class Piece:
    """Text in one look. `classes` are names from a fixed set, separated by blanks."""

    text: str
    classes: str = ""


def pieces(line: str) -> list[Piece]:
    """The line in the looks it asks for. Text that stands between two sequences is never empty."""
    look: dict[str, str] = {}
    found: list[Piece] = []
    at = 0
    for sequence in _SELECT.finditer(line):
        _append(found, line[at : sequence.start()], look)
        _change(look, sequence[1])
        at = sequence.end()
    _append(found, line[at:], look)
    return found


def _append(found: list[Piece], text: str, look: dict[str, str]) -> None:
    clean = plain(text)
    if clean:
        found.append(Piece(clean, " ".join(f"ansi-{name}" for name in look.values())))


def _change(look: dict[str, str], parameters: str) -> None:
    """`look` by what it is about: "colour" or the name of a switch."""
    numbers = parameters.replace(":", ";").split(";")
    while numbers:
        text = numbers.pop(0)
        number = int(text) if text and len(text) < 4 else 0
        if number == 0:
            look.clear()
        elif number in _EXTENDED_COLOUR:
            del numbers[: _ARGUMENTS_OF_EXTENDED.get(numbers[0] if numbers else "", 1)]
        elif number in _SWITCHED_ON:
            look[_SWITCHED_ON[number]] = _SWITCHED_ON[number]
        elif number in _SWITCHED_OFF:
            for name in _SWITCHED_OFF[number]:
                look.pop(name, None)
        elif 30 <= number <= 37 or 90 <= number <= 97:
            look["colour"] = _COLOURS[number % 10]
        elif number == 39:
            look.pop("colour", None)
