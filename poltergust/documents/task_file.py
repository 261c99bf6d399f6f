"""The task file: which environment, which root task with which arguments, which variables."""

from __future__ import annotations

import re

from poltergust.base.durations import seconds_of
from poltergust.base.reasons import Reason
from poltergust.documents import known
from poltergust.documents.expand import Entries, Expanded, Node
from poltergust.documents.fields import (
    items,
    mapping,
    module,
    place,
    require,
    text,
    top_level,
    unrepeated,
    variables,
    whole_number,
)
from poltergust.documents.luigi_config import luigi_config
from poltergust.documents.mistakes import Mistakes, mistake, show
from poltergust.documents.model import Argument, TaskFile
from poltergust.documents.scalars import is_null, json_text
from poltergust.documents.yaml_text import Scalar

_TASK = re.compile(known.TASK_NAME)
_ARGUMENT = re.compile(known.ARGUMENT_NAME)
_NO_WORKERS = re.compile(r"-[0-9]+|0+")
_LABEL = re.compile(known.LABEL)


def parse_task_file(data: bytes, source: str) -> TaskFile:
    """The task file in `data`, which was read from `source` (named in messages). Raises `DocumentError`."""
    mistakes = Mistakes()
    entries = top_level(data, source, known.TASK_FILE, mistakes)
    name, module_, arguments = _task(entries.get("task"), mistakes)
    parsed = TaskFile(
        environment=mistakes.of(lambda: _environment(entries.get("environment")), ""),
        name=name,
        module=module_,
        arguments=arguments,
        variables=variables(entries.get("variables"), mistakes),
        timeout=mistakes.of(lambda: _timeout(entries.get("timeout")), None),
        retries=mistakes.of(lambda: whole_number(entries.get("retries"), "retries", 0, known.MAX_RETRIES), None),
        nodes=_labels(entries.get("nodes"), mistakes),
        priority=mistakes.of(lambda: _priority(entries.get("priority")), 0),
        luigi_config=luigi_config(entries.get("luigi-config"), mistakes),
    )
    mistakes.raise_any()
    return parsed


def _task(entry: Expanded | None, mistakes: Mistakes) -> tuple[str, str, tuple[Argument, ...]]:
    """Name, module and arguments; empty where there is no such entry, which was said already."""
    if entry is None or is_null(entry.value):
        return "", "", ()
    task = {each.key: each for each in mistakes.of(lambda: mapping(entry, "task"), ())}
    if not isinstance(entry.value, Entries):
        return "", "", ()
    name_key, module_key = known.TASK_KEYS
    name = mistakes.of(lambda: _name(require(task, name_key, entry.at, "task.")), "")
    module_ = mistakes.of(lambda: module(require(task, module_key, entry.at, "task.").value, "task.module"), "")
    own = (name_key.name, module_key.name)
    return name, module_, _arguments([each for each in task.values() if each.key not in own], mistakes)


def _priority(entry: Expanded | None) -> int:
    return whole_number(entry, "priority", -known.MAX_PRIORITY, known.MAX_PRIORITY) or 0


def _environment(entry: Expanded | None) -> str:
    if entry is None or is_null(entry.value):
        return ""  # which was said already
    path = place(entry.value, "environment", "gs://bucket/folder/name.yaml")
    if path.endswith("/"):
        text_ = f"environment: {show(path)} is a folder; name the environment file in it"
        raise mistake(entry.value.at, Reason.INVALID_VALUE, text_, "environment")
    return path


def _name(entry: Expanded) -> str:
    name = text(entry.value, "task.name")
    if not _TASK.fullmatch(name):
        raise mistake(
            entry.value.at,
            Reason.INVALID_VALUE,
            f"task.name: {show(name)} is not a task's name; write the class's name, with its namespace if it has one",
            "task.name",
        )
    return name


def _arguments(entries: list[Expanded], mistakes: Mistakes) -> tuple[Argument, ...]:
    arguments: list[Argument] = []
    seen: dict[str, Expanded] = {}
    for entry in entries:
        with mistakes.collected():
            _check_argument(entry)
            unrepeated(entry, seen, "task")
        value = entry.value
        if not isinstance(value, Scalar):
            arguments.append(Argument(entry.key, json_text(value), json=True))
        else:
            arguments.append(Argument(entry.key, None if is_null(value) else value.text))
    return tuple(arguments)


def _check_argument(entry: Expanded) -> None:
    path = f"task.{entry.key}"
    bare = entry.key.lstrip("-")
    if not _ARGUMENT.fullmatch(bare):
        raise mistake(
            entry.at,
            Reason.INVALID_VALUE,
            f"task: {show(entry.key)} is not an argument's name; letters, digits, dashes, underscores and dots, "
            "beginning with a letter",
            path,
        )
    if bare != entry.key:
        raise mistake(
            entry.at, Reason.INVALID_VALUE, f"task: write {show(entry.key)} without its dashes: {show(bare)}", path
        )
    refused = _refused(bare.replace("_", "-"))
    if refused:
        raise mistake(
            entry.at,
            Reason.REFUSED_ARGUMENT,
            f"task: {show(entry.key)} is refused: {known.REFUSED_ARGUMENTS[refused]}; remove the line",
            path,
        )
    if bare == "workers" and isinstance(entry.value, Scalar) and _NO_WORKERS.fullmatch(entry.value.text):
        text = f"{path}: with {entry.value.text} nothing would ever run; write 1 or more"
        raise mistake(entry.value.at, Reason.INVALID_VALUE, text, path)


def _refused(name: str) -> str | None:
    """The refused argument that Luigi would take `name` for: its parser accepts beginnings of a name (argparse's
    allow_abbrev). Only beginnings that go beyond the first word: `local` may well be a parameter."""
    for refused in known.REFUSED_ARGUMENTS:
        beyond = len(refused.partition("-")[0]) + 2
        if name == refused or (len(name) >= beyond and refused.startswith(name)):
            return refused
    return None


def _timeout(entry: Expanded | None) -> float | None:
    if entry is None or is_null(entry.value):
        return None
    written = text(entry.value, "timeout")
    seconds = seconds_of(written)
    if seconds is None:
        wrong = "is not a duration; write 45s, 90m, 1h30m, 2d or a number of seconds"
    elif seconds <= 0:
        wrong = "leaves no time at all; leave the line out for a run without a limit"
    elif seconds > known.MAX_TIMEOUT_SECONDS:
        wrong = "is more than 365d; leave the line out for a run without a limit"
    else:
        return seconds
    raise mistake(entry.value.at, Reason.INVALID_VALUE, f"timeout: {show(written)} {wrong}", "timeout")


def _labels(entry: Expanded | None, mistakes: Mistakes) -> tuple[str, ...]:
    found = []
    for item in mistakes.of(lambda: items(entry, "nodes"), ()):
        with mistakes.collected():
            found.append(_label(item))
    return tuple(dict.fromkeys(found))


def _label(node: Node) -> str:
    label = text(node, "nodes")
    if not _LABEL.fullmatch(label):
        raise mistake(
            node.at,
            Reason.INVALID_VALUE,
            f"nodes: {show(label)} is not a label; letters, digits, dots, dashes, underscores, slashes and equal "
            "signs, beginning with a letter or digit, at most 100 of them",
            "nodes",
        )
    return label
