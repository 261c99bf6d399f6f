"""The environment file: options of virtualenv, what to install, which variables."""

from __future__ import annotations

from poltergust.base.reasons import Reason
from poltergust.base.text import did_you_mean
from poltergust.documents import known
from poltergust.documents.expand import Entries, Expanded, Items, Node
from poltergust.documents.fields import describe, items, mapping, module, place, text, top_level, variables
from poltergust.documents.known import Option, Takes
from poltergust.documents.luigi_config import luigi_config
from poltergust.documents.mistakes import mistake, show
from poltergust.documents.model import CodePlace, Dependency, EnvironmentSpec
from poltergust.documents.scalars import boolean, is_null
from poltergust.documents.yaml_text import Scalar

_OPTIONS = {option.name: option for option in known.OPTIONS}


def parse_environment_file(data: bytes, source: str) -> EnvironmentSpec:
    """The environment file in `data`, which was read from `source` (its `url`, and named in messages).

    Raises `DocumentError`.
    """
    entries = top_level(data, source, known.ENVIRONMENT_FILE)
    return EnvironmentSpec(
        url=source,
        virtualenv=_virtualenv(entries.get("virtualenv")),
        dependencies=_dependencies(entries.get("dependencies")),
        variables=variables(entries.get("variables")),
        installer=_installer(entries.get("installer")),
        preload=tuple(module(item, "preload") for item in items(entries.get("preload"), "preload")),
        code=_code(entries.get("code")),
        luigi_config=luigi_config(entries.get("luigi-config")),
    )


def _virtualenv(entry: Expanded | None) -> dict[str, str | bool | tuple[str, ...]]:
    options: dict[str, str | bool | tuple[str, ...]] = {}
    seen: dict[str, Expanded] = {}
    for written in mapping(entry, "virtualenv"):
        option = _option(written)
        first = seen.setdefault(option.name, written)
        if first is not written:
            raise mistake(
                written.at,
                Reason.DUPLICATE_KEY,
                f"virtualenv: {show(written.key)} is {show(first.key)} of line {first.at.line} again; keep one",
                f"virtualenv.{option.name}",
            )
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


def _dependencies(entry: Expanded | None) -> tuple[Dependency, ...]:
    value = entry.value if entry else None
    if isinstance(value, Entries) and value.entries:
        raise mistake(
            value.at,
            Reason.WRONG_TYPE,
            'dependencies: a list belongs here, each entry a line of a requirements file such as "- pandas>=2"; '
            "this is a mapping",
            "dependencies",
        )
    return tuple(_dependency(node, number) for number, node in enumerate(items(entry, "dependencies"), 1))


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
    elif node.text.startswith(("<", ">", "=", "!", "~")):
        wrong = "no name before the version; put quotes around an entry with a comma in a list in brackets"
    else:
        return Dependency(node.text, node.at.line)
    raise mistake(node.at, reason, f"dependencies, entry {number}: {wrong}", path)


def _code(entry: Expanded | None) -> tuple[CodePlace, ...]:
    """Places of source. What stands there is looked at when a run begins."""
    nodes = items(entry, "code")
    if len(nodes) > known.MAX_CODE_PLACES:
        at = nodes[known.MAX_CODE_PLACES].at
        text_ = f"code: more than {known.MAX_CODE_PLACES} places; put the files into one folder"
        raise mistake(at, Reason.TOO_LARGE, text_, "code")
    return tuple(_code_place(node) for node in nodes)


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
