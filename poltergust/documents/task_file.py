"""The task file: which environment, which root task with which arguments, which variables."""

from __future__ import annotations

import re
import unicodedata

from poltergust.base.durations import seconds_of
from poltergust.base.reasons import Reason
from poltergust.documents import known
from poltergust.documents.expand import Expanded
from poltergust.documents.fields import mapping, module, require, text, top_level, variables
from poltergust.documents.mistakes import mistake, show
from poltergust.documents.model import Argument, TaskFile
from poltergust.documents.scalars import is_null, json_text
from poltergust.documents.yaml_text import Scalar

_TASK = re.compile(known.TASK_NAME)
_ARGUMENT = re.compile(known.ARGUMENT_NAME)
_COUNT = re.compile(r"[0-9]{1,9}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_NOT_IN_A_PATH = frozenset({"Cc", "Zl", "Zp"})  # control characters and line breaks
_OBJECT = re.compile(r"gs://[^/]+/.*[^/]", re.DOTALL)


def parse_task_file(data: bytes, source: str) -> TaskFile:
    """The task file in `data`, which was read from `source` (named in messages). Raises `DocumentError`."""
    entries = top_level(data, source, known.TASK_FILE)
    task = {entry.key: entry for entry in mapping(entries["task"], "task")}
    name_key, module_key = known.TASK_KEYS
    name = require(task, name_key, entries["task"].at, "task.")
    module_ = require(task, module_key, entries["task"].at, "task.")
    return TaskFile(
        environment=_environment(entries["environment"]),
        name=_name(name),
        module=module(module_.value, "task.module"),
        arguments=_arguments([entry for entry in task.values() if entry is not name and entry is not module_]),
        variables=variables(entries.get("variables")),
        timeout=_timeout(entries.get("timeout")),
        retries=_retries(entries.get("retries")),
    )


def _environment(entry: Expanded) -> str:
    path = text(entry.value, "environment")
    wrong = None
    if any(unicodedata.category(c) in _NOT_IN_A_PATH for c in path):
        wrong = "has a line break or control character in it"
    elif path.startswith("gs:") and not _OBJECT.fullmatch(path):
        wrong = "is not an object's path; write gs://bucket/folder/name.yaml"
    elif not path.startswith("gs:") and _SCHEME.match(path):
        wrong = "is not a path that can be read; write gs://bucket/folder/name.yaml, or a path of the file system"
    elif path.endswith("/"):
        wrong = "is a folder; name the environment file in it"
    if wrong:
        raise mistake(entry.value.at, Reason.INVALID_VALUE, f"environment: {show(path)} {wrong}", "environment")
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


def _arguments(entries: list[Expanded]) -> tuple[Argument, ...]:
    arguments: list[Argument] = []
    seen: dict[str, Expanded] = {}
    for entry in entries:
        _check_argument(entry)
        first = seen.setdefault(entry.key.replace("_", "-"), entry)
        if first is not entry:
            raise mistake(
                entry.at,
                Reason.DUPLICATE_KEY,
                f"task: {show(entry.key)} is {show(first.key)} of line {first.at.line} again "
                "(underscores and dashes are the same); keep one",
                f"task.{entry.key}",
            )
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


def _retries(entry: Expanded | None) -> int | None:
    if entry is None or is_null(entry.value):
        return None
    written = text(entry.value, "retries")
    if not _COUNT.fullmatch(written) or int(written) > known.MAX_RETRIES:
        raise mistake(
            entry.value.at,
            Reason.INVALID_VALUE,
            f"retries: {show(written)} is not a count; write a whole number from 0 to {known.MAX_RETRIES}",
            "retries",
        )
    return int(written)
