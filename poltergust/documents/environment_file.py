"""The environment file: options of virtualenv, what to install, which variables."""

from __future__ import annotations

import re

from poltergust.base.reasons import Reason
from poltergust.base.text import did_you_mean
from poltergust.documents import known
from poltergust.documents.expand import Entries, Expanded, Items, Node
from poltergust.documents.fields import describe, items, mapping, module, place, text, top_level, unrepeated, variables
from poltergust.documents.known import Option, Takes
from poltergust.documents.luigi_config import luigi_config
from poltergust.documents.mistakes import Mistakes, mistake, show
from poltergust.documents.model import CodePlace, Dependency, EnvironmentSpec
from poltergust.documents.scalars import boolean, is_null
from poltergust.documents.yaml_text import Scalar

_PLACEHOLDER = re.compile(r"\{\{\s*\w*\s*\}\}")
_OPTIONS = {option.name: option for option in known.OPTIONS}


def parse_environment_file(data: bytes, source: str) -> EnvironmentSpec:
    """The environment file in `data`, which was read from `source` (its `url`, and named in messages).

    Raises `DocumentError`.
    """
    mistakes = Mistakes()
    entries = top_level(data, source, known.ENVIRONMENT_FILE, mistakes)
    parsed = EnvironmentSpec(
        url=source,
        virtualenv=_virtualenv(entries.get("virtualenv"), mistakes),
        dependencies=_dependencies(entries.get("dependencies"), mistakes),
        variables=variables(entries.get("variables"), mistakes),
        installer=mistakes.of(lambda: _installer(entries.get("installer")), known.INSTALLERS[0]),
        preload=_preload(entries.get("preload"), mistakes),
        code=_code(entries.get("code"), mistakes),
        luigi_config=luigi_config(entries.get("luigi-config"), mistakes),
    )
    mistakes.raise_any()
    return parsed


def _virtualenv(entry: Expanded | None, mistakes: Mistakes) -> dict[str, str | bool | tuple[str, ...]]:
    options: dict[str, str | bool | tuple[str, ...]] = {}
    seen: dict[str, Expanded] = {}
    for written in mistakes.of(lambda: mapping(entry, "virtualenv"), ()):
        with mistakes.collected():
            option = _option(written)
            unrepeated(written, seen, "virtualenv", option.name)
            value = _option_value(option, written.value)
            if value is not False:
                options[option.name] = value
    return options


def _option(written: Expanded) -> Option:
    path = f"virtualenv.{written.key}"
    name = written.key.replace("_", "-")
    if name in _OPTIONS:
        return _OPTIONS[name]
    bare = name.lstrip("-")
    bare = known.SHORT_OPTIONS.get(bare, bare)
    if bare in known.REFUSED_OPTIONS:
        raise mistake(
            written.at,
            Reason.REFUSED_ARGUMENT,
            f"virtualenv: {show(written.key)} cannot be set here: {known.REFUSED_OPTIONS[bare]}; remove the line",
            path,
        )
    meant = f'; did you mean "{bare}"?' if bare in _OPTIONS else did_you_mean(bare, _OPTIONS)
    raise mistake(
        written.at,
        Reason.UNKNOWN_VIRTUALENV_OPTION,
        f"virtualenv: unknown option {show(written.key)}{meant or '; virtualenv --help lists them'}",
        path,
    )


def _option_value(option: Option, node: Node) -> str | bool | tuple[str, ...]:
    path = f"virtualenv.{option.name}"
    truth = boolean(node)
    if option.takes is Takes.FLAG:
        if truth is None:
            raise mistake(node.at, Reason.WRONG_TYPE, f"{path}: a flag; write true or false", path)
        return truth
    if truth is False:
        return False
    if isinstance(node, Items) and option.takes is Takes.VALUES and node.items:
        return tuple(_one_line(item, path) for item in node.items)
    if truth is not None or is_null(node) or not isinstance(node, Scalar):
        this = "a flag without one" if truth is not None else describe(node)
        raise mistake(node.at, Reason.WRONG_TYPE, f"{path}: {option.takes.value} belongs here; this is {this}", path)
    return _one_line(node, path)


def _one_line(node: Node, path: str) -> str:
    value = text(node, path)
    if value.splitlines() != [value]:
        raise mistake(node.at, Reason.INVALID_VALUE, f"{path}: more than one line; write it as one", path)
    return value


def _dependencies(entry: Expanded | None, mistakes: Mistakes) -> tuple[Dependency, ...]:
    value = entry.value if entry else None
    if isinstance(value, Entries) and value.entries:
        text_ = (
            'dependencies: a list belongs here, each entry a line of a requirements file such as "- pandas>=2"; '
            "this is a mapping"
        )
        mistakes.add(mistake(value.at, Reason.WRONG_TYPE, text_, "dependencies"))
        return ()
    found = []
    for number, node in enumerate(mistakes.of(lambda: items(entry, "dependencies"), ()), 1):
        with mistakes.collected():
            found.append(_dependency(node, number))
    return tuple(found)


def _preload(entry: Expanded | None, mistakes: Mistakes) -> tuple[str, ...]:
    found = []
    for node in mistakes.of(lambda: items(entry, "preload"), ()):
        with mistakes.collected():
            found.append(module(node, "preload"))
    return tuple(found)


def _dependency(node: Node, number: int) -> Dependency:
    """One line of a requirements file. Messages show no text of it but keys: a line may hold a token."""
    path = f"dependencies[{number}]"
    reason, wrong = Reason.DEPENDENCY_INVALID, ""
    if isinstance(node, Entries):
        first = node.entries[0].key if node.entries else ""
        reason = Reason.WRONG_TYPE
        wrong = f'a mapping, because of the ": " after {show(first)}; put quotes around the whole line'
    elif isinstance(node, Items):
        reason, wrong = Reason.WRONG_TYPE, 'a list within the list; put quotes around text that begins with "[" or "- "'
    elif is_null(node) or not node.text.strip():
        wrong = 'empty; remove the "-"'
    elif node.text.splitlines() != [node.text]:
        wrong = 'more than one line; give each its own "- "'
    elif node.text.endswith("\\"):
        wrong = "a line that ends with a backslash, which would join it with the next; write it as one line"
    elif placeholder := _PLACEHOLDER.search(node.text):
        wrong = (
            f"{show(placeholder[0])} is of the first Poltergust; write ${{NAME}}, which stands for the variable of "
            "that name where the agent was started"
        )
    elif node.text.startswith(("<", ">", "=", "!", "~")):
        wrong = "no name before the version; put quotes around an entry with a comma in a list in brackets"
    else:
        return Dependency(node.text, node.at.line)
    raise mistake(node.at, reason, f"dependencies, entry {number}: {wrong}", path)


def _code(entry: Expanded | None, mistakes: Mistakes) -> tuple[CodePlace, ...]:
    """Places of source. What stands there is looked at when a run begins."""
    nodes = mistakes.of(lambda: items(entry, "code"), ())
    if len(nodes) > known.MAX_CODE_PLACES:
        at = nodes[known.MAX_CODE_PLACES].at
        text_ = f"code: more than {known.MAX_CODE_PLACES} places; put the files into one folder"
        mistakes.add(mistake(at, Reason.TOO_LARGE, text_, "code"))
    found = []
    for node in nodes[: known.MAX_CODE_PLACES]:
        with mistakes.collected():
            found.append(_code_place(node))
    return tuple(found)


def _code_place(node: Node) -> CodePlace:
    written = place(node, "code", "gs://bucket/folder/ or gs://bucket/folder/file.py")
    if written.endswith(known.PACKAGE_SUFFIXES):
        text_ = f'code: {show(written)} is a package, which is installed: it belongs below "dependencies:"'
        raise mistake(node.at, Reason.INVALID_VALUE, text_, "code")
    return CodePlace(written, node.at.line)


def _installer(entry: Expanded | None) -> str:
    if entry is None or is_null(entry.value):
        return known.INSTALLERS[0]
    written = text(entry.value, "installer")
    if written not in known.INSTALLERS:
        meant = did_you_mean(written, known.INSTALLERS)
        raise mistake(
            entry.value.at,
            Reason.INVALID_VALUE,
            f"installer: {show(written)} is not an installer{meant or '; write uv or pip'}",
            "installer",
        )
    return written
