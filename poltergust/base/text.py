"""Text for people: one line, safe for a terminal; times, sizes and counts; what was probably meant. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable

CUT = "…"
"""What stands, everywhere in Poltergust, where a message was cut."""

NEAREST_CUTOFF = 0.7
"""Likeness from 0 to 1 (`difflib.get_close_matches`) from which a word is proposed for another."""

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_COLOUR = re.compile(r"(\x1b\[[0-9;:]*m)")
# Control characters, lone surrogates, separators of lines and paragraphs, and what cannot be seen or turns a line's
# direction: zero-width characters, marks and overrides of bidirectional text, tags.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e007f\ud800-\udfff]"
)


def plain(text: str) -> str:
    """`text` without terminal escape sequences; other control characters (but tab and newline), and lone surrogates,
    which no UTF-8 can hold, as ``\\xNN`` or ``\\uNNNN``."""
    return _CONTROL.sub(lambda found: ascii(found.group())[1:-1], _ESCAPE.sub("", text))


def by_colours(text: str, clean: Callable[[str], str]) -> str:
    """What `clean` makes of each part of `text` between the sequences that only change colour and weight ("select
    graphic rendition"), which are left in."""
    return "".join(part if number % 2 else clean(part) for number, part in enumerate(_COLOUR.split(text)))


def one_line(text: str, limit: int = 500) -> str:
    """`text` fit for a message or a record: no control characters, no line breaks, at most `limit` characters: what is
    too long loses its middle, for the end says why and what to do."""
    return without_middle(plain(" ".join(text.split())), limit)


def escaped(text: str) -> str:
    """`text` with every character that cannot be printed written as an escape, so that nothing of it is lost."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def shown(text: str, limit: int = 300) -> str:
    """Somebody else's text for a message, such as a URL: at most `limit` characters of it, `escaped`."""
    return escaped(cut(text, limit))


def cut(text: str, limit: int) -> str:
    """At most `limit` characters of `text`; the last one is `CUT` where some are left out."""
    return text if len(text) <= limit else text[: limit - 1] + CUT


def without_middle(text: str, limit: int) -> str:
    """At most `limit` characters of `text`: the first third and the last two; `CUT` stands for what is left out."""
    if len(text) <= limit:
        return text
    first = limit // 3
    last = limit - first - 1
    return text[:first] + CUT + text[len(text) - last :]


def all_of(names: Iterable[str]) -> str:
    """``"a", "b" and "c"``; at least one name."""
    quoted = [f'"{name}"' for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """``1 node``, ``2 nodes``; `many` where an s is not enough."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``4th``, ``11th``."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def span(seconds: float | None) -> str:
    """``8s``, ``4m``, ``2h``, ``3d``: to be read at a glance. Nothing for None."""
    if seconds is None:
        return ""
    for limit, unit, size_of_unit in ((100, "s", 1), (100 * 60, "m", 60), (48 * 3600, "h", 3600)):
        if seconds < limit:
            return f"{int(seconds // size_of_unit)}{unit}"
    return f"{int(seconds // 86400)}d"


def exact(seconds: float) -> str:
    """``8.1 s``, ``4 min 12 s``, ``2 h 5 min``: for one thing in full."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def size(count: int) -> str:
    """Bytes as ``512 KB``, ``31 MB``, ``1.2 GB``, units of 1024."""
    for unit, limit in (("KB", 1024**2), ("MB", 1024**3)):
        if count < limit:
            return f"{count * 1024 / limit:.0f} {unit}"
    return f"{count / 1024**3:.1f} GB"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant: letter case and underscores first, then closeness. None if none is."""
    by_form = {_form(name): name for name in known}
    found = difflib.get_close_matches(_form(word[:100]), by_form, n=1, cutoff=NEAREST_CUTOFF)
    return by_form[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean "x"?`` for the end of a message, or nothing."""
    found = nearest(word, known)
    return f'; did you mean "{found}"?' if found else ""


def _form(word: str) -> str:
    return word.lower().replace("_", "-")
