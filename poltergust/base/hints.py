"""What to type next: commands that work as they stand, in the shell and the folder where they are printed."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from poltergust.base.text import plain


def command(
    *words: str, path: str = "", cache_dir: str = "", flags: Sequence[str] = (), within: Path | None = None
) -> str:
    """``poltergust WORDS --path PATH``, quoted for a shell. `path` and `cache_dir` are left out where they are empty.

    Words that begin with a dash are names, not options: they stand behind ``--``. Options without a value are `flags`.
    `within` is the folder in which it is typed; None: the current one.
    """
    named = [word for word in words if word.startswith("-")]
    typed = [word for word in words if not word.startswith("-")]
    for option, value in (("--path", path), ("--cache-dir", cache_dir)):
        if value:
            typed += [option, value]
    typed += flags
    return f"{_program(within)} {plain(shlex.join([*typed, '--', *named] if named else typed))}"


def make_folder(text: str) -> str:
    """``mkdir -p`` of a folder as a person wrote it."""
    return f"mkdir -p {shlex.quote(text if text[0] not in '~-' else os.path.abspath(os.path.expanduser(text)))}"


def near(path: Path, within: Path | None = None) -> str:
    """`path` as it is called from a folder, None: the current directory; as it is where that is gone."""
    try:
        return os.path.relpath(path, within)
    except FileNotFoundError:
        return str(path)


def _program(within: Path | None) -> str:
    """How this very program is called again: it may stand in a virtualenv that is not on PATH."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py" and called.parent.name == "poltergust":
        return f"{shlex.quote(sys.executable)} -m poltergust"
    if called.name == "poltergust" and shutil.which("poltergust") is None:
        return shlex.quote(near(called, within))
    return "poltergust"
