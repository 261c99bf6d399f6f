"""Lines: the entries of `dependencies` read as pip reads a requirements file, enough to know who can install each.

Nothing is rewritten here. What pip knows: https://pip.pypa.io/en/stable/reference/requirements-file-format/. What uv
0.13 refuses: `-e git+…`, `--config-settings`, `--global-option`, options of the command line on a line.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement

from poltergust.base.errors import NodeError, Permanent
from poltergust.base.reasons import Reason
from poltergust.base.redaction import without_credentials
from poltergust.base.text import cut
from poltergust.environments import Dependency

_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")  # pip's rule: upper case only
_COMMENT = re.compile(r"(^|\s)#.*$")
_VCS = re.compile(r"(?:[A-Za-z0-9._-]+(?:\[[^]]*\])?\s*@\s*)?(?P<kind>git|hg|svn|bzr)\+")
_PATH_LIKE = re.compile(r"(?:\.{1,2}(?:/|$)|/|~/|file:)|^[^\s@]*/|.*\.(?:whl|zip|tar\.gz|tar\.bz2|tgz)(?:\[[^]]*\])?$")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|\bfile:")

# options of a requirements file that stand on a line of their own: long name to whether a value follows
_FILE_OPTIONS = {
    "--index-url": True,
    "--pypi-url": True,
    "--extra-index-url": True,
    "--no-index": False,
    "--find-links": True,
    "--constraint": True,
    "--requirement": True,
    "--editable": True,
    "--no-binary": True,
    "--only-binary": True,
    "--prefer-binary": False,
    "--require-hashes": False,
    "--pre": False,
    "--trusted-host": True,
    "--use-feature": True,
}
_SHORT = {"-i": "--index-url", "-f": "--find-links", "-c": "--constraint", "-r": "--requirement", "-e": "--editable",
          "-U": "--upgrade", "-C": "--config-settings"}  # fmt: skip
_PIP_FILE_OPTIONS = frozenset({"--prefer-binary", "--use-feature"})  # uv reads past them with a warning
# options that a requirement may carry; uv takes only the first
_REQUIREMENT_OPTIONS = frozenset({"--hash", "--config-settings", "--config-setting", "--global-option"})
# options only pip's command line has; a line that carries one is installed by itself
_COMMAND_OPTIONS = {
    "--no-deps": False,
    "--upgrade": False,
    "--force-reinstall": False,
    "--ignore-installed": False,
    "--no-build-isolation": False,
    "--ignore-requires-python": False,
    "--no-cache-dir": False,
    "--use-pep517": False,
    "--no-use-pep517": False,
    "--no-compile": False,
    "--compile": False,
    "--upgrade-strategy": True,
}


@dataclass(frozen=True)
class Line:
    """One line. `requirement` is what is to be installed (empty for a line of file options only), `options` its options
    by long name, `origin` where it stands, for messages."""

    text: str
    origin: str
    requirement: str = ""
    editable: bool = False
    options: tuple[tuple[str, str], ...] = ()

    @property
    def command_options(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, value) for name, value in self.options if name in _COMMAND_OPTIONS)

    @property
    def is_vcs(self) -> bool:
        return _VCS.match(self.requirement) is not None

    @property
    def is_direct(self) -> bool:
        """A file, folder or URL: its version is what lies there, no resolver can choose it."""
        return bool(self.requirement) and (self.editable or self.is_path or self.is_direct_url)

    @property
    def install_text(self) -> str:
        """The line for an installer's requirements file, without what only pip's command line knows."""
        options = [f"{name} {value}" if value else name for name, value in self.options if name not in _COMMAND_OPTIONS]
        if not self.requirement:  # pip takes several options on one line, uv one
            return "\n".join(options)
        return " ".join([*(["-e"] if self.editable else []), self.requirement, *options])

    @property
    def is_path(self) -> bool:
        return bool(self.requirement) and not _URL.search(self.requirement) and bool(_PATH_LIKE.match(self.requirement))

    @property
    def is_direct_url(self) -> bool:
        return self.is_vcs or _URL.search(self.requirement) is not None

    def values(self, option: str) -> tuple[str, ...]:
        return tuple(value for name, value in self.options if name == option)

    @property
    def for_pip(self) -> str | None:
        """Why uv cannot take this line, None if it can."""
        for name, _ in self.options:
            if name in _COMMAND_OPTIONS or name in _PIP_FILE_OPTIONS:
                return name
            if self.requirement and name in _REQUIREMENT_OPTIONS and name != "--hash":
                return name
        vcs = _VCS.match(self.requirement)
        if vcs is not None and (self.editable or vcs["kind"] != "git"):
            return f"{'-e ' if self.editable else ''}{vcs['kind']}+…"
        if _VARIABLE.search(self.requirement) and not self.is_direct:
            return "${…} outside a URL or path"  # uv expands it only there
        return None


def read(dependencies: Iterable[Dependency]) -> tuple[Line, ...]:
    """The lines of an environment file. An entry of several lines counts as several; raises DEPENDENCY_INVALID."""
    lines = []
    for dependency in dependencies:
        origin = f"line {dependency.line}" if dependency.line else "dependencies"
        lines += read_text(dependency.text, origin)
    return tuple(lines)


def read_text(text: str, origin: str) -> list[Line]:
    """Continuation backslashes and comments as pip takes them."""
    joined = re.sub(r"\\\r?\n", " ", text)
    stripped = (_COMMENT.sub("", line).strip() for line in joined.splitlines())
    return [_read_line(line, origin) for line in stripped if line]


def _read_line(text: str, origin: str) -> Line:
    words = text.split(" ")
    first = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    requirement = " ".join(words[:first]).strip()
    options = list(_options(" ".join(words[first:]), text, origin))
    editable = [value for name, value in options if name == "--editable"]
    if editable:
        requirement = editable[0]
        options = [(name, value) for name, value in options if name != "--editable"]
    line = Line(text, origin, requirement, bool(editable), tuple(options))
    for name, _ in options:
        if requirement and name in _FILE_OPTIONS:
            raise _invalid(origin, f"{name} stands on a line of its own", text)
    return line


def _options(text: str, whole: str, origin: str) -> Iterable[tuple[str, str]]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise _invalid(origin, str(error), whole) from None
    while words:
        word = words.pop(0)
        name, has_value, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
        name = _SHORT.get(name, name)
        takes = _FILE_OPTIONS.get(name, _COMMAND_OPTIONS.get(name, name in _REQUIREMENT_OPTIONS))
        if name not in _FILE_OPTIONS and name not in _COMMAND_OPTIONS and name not in _REQUIREMENT_OPTIONS:
            raise _invalid(origin, f"unknown option {word.split('=')[0]}", whole)
        if takes and not has_value:
            if not words:
                raise _invalid(origin, f"{name} needs a value", whole)
            value = words.pop(0)
        yield name, value if takes else ""


def check(lines: Iterable[Line], env: Mapping[str, str]) -> None:
    """Every `${NAME}` is set on this node, every plain requirement can be read.

    Raises `NodeError(VARIABLE_MISSING)`, `Permanent(DEPENDENCY_INVALID)`; both name the line.
    """
    for line in lines:
        for name in variables(line.text):
            if not env.get(name):
                raise NodeError(
                    Reason.VARIABLE_MISSING,
                    f"dependencies, {line.origin}: the variable {name} is not set in this node's environment; "
                    "set it where the agent is started",
                )
        if line.requirement and not line.editable and not line.is_path and not _is_bare_url(line.requirement):
            try:
                Requirement(expand(line.requirement, env))
            except InvalidRequirement as error:
                raise _invalid(line.origin, _first_line(str(error)), line.text) from None


def variables(text: str) -> tuple[str, ...]:
    return tuple(_VARIABLE.findall(text))


def expand(text: str, env: Mapping[str, str]) -> str:
    """As pip does it; what is not set stays."""
    return _VARIABLE.sub(lambda match: env.get(match[1]) or match[0], text)


def requirement_name(line: Line) -> str | None:
    """The package's name if the line says it: `pandas[perf]>=2` is pandas, `git+https://…` says none."""
    if line.is_path or line.editable or _is_bare_url(line.requirement):
        return None
    try:
        return Requirement(_VARIABLE.sub("0", line.requirement)).name
    except InvalidRequirement:
        return None


def _is_bare_url(requirement: str) -> bool:
    return _URL.match(requirement) is not None or re.match(r"(?:git|hg|svn|bzr)\+", requirement) is not None


def _first_line(text: str) -> str:
    return text.splitlines()[0].strip() if text.strip() else "cannot be read"


def _invalid(origin: str, why: str, text: str) -> Permanent:
    text = without_credentials(text)
    shown = cut(text, 120)
    return Permanent(
        Reason.DEPENDENCY_INVALID,
        f"dependencies, {origin}: {why}: {shown!r} is not a line of a requirements file that pip or uv can install",
    )
