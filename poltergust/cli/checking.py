"""Files checked without any node: which kind a file is, what is wrong with it, and the environment file it names."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement

from poltergust.base.errors import Permanent
from poltergust.base.text import plural
from poltergust.base.urls import is_cloud
from poltergust.documents import (
    MAX_BYTES,
    DocumentError,
    EnvironmentSpec,
    TaskFile,
    parse_environment_file,
    parse_task_file,
)
from poltergust.path.layout import Kind

TASK, ENVIRONMENT = "task-file", "environment-file"
"""The two kinds, named as their JSON Schemas are."""

_KEYS = {
    TASK: re.compile(rb"^(?:environment|task|timeout|retries|nodes|priority)[ \t]*:", re.MULTILINE),
    ENVIRONMENT: re.compile(rb"^(?:virtualenv|dependencies|installer|preload|code)[ \t]*:", re.MULTILINE),
}


@dataclass(frozen=True)
class Problem:
    """One mistake. `line` and `column` count from 1, 0 for the file as a whole; `reason` is a stable code."""

    line: int
    column: int
    key: str
    reason: str
    message: str


@dataclass(frozen=True)
class CheckResult:
    """A file as given, its kind (None where it could not be read), and what is wrong with it. `summary` says what a
    good one holds. `environment` is what a task file names, `followed` the local file that this is, if it is one."""

    file: str
    kind: str | None
    problems: tuple[Problem, ...] = ()
    summary: str = ""
    environment: str | None = None
    followed: str | None = None


def kind_of(name: str, data: bytes) -> str:
    """By the name where it says so, else by the keys, else by which of the two it could be."""
    if any(name.endswith(kind.suffix) for kind in Kind):
        return TASK
    keys = {kind: len(pattern.findall(data)) for kind, pattern in _KEYS.items()}
    if keys[TASK] != keys[ENVIRONMENT]:
        return max(keys, key=lambda kind: keys[kind])
    try:
        parse_task_file(data, name)
    except DocumentError:
        return ENVIRONMENT
    return TASK


def check(file: str, data: bytes | None = None, kind: str | None = None) -> CheckResult:
    """Check one file; `data` where it was read already (standard input)."""
    if data is None:
        try:
            with open(file, "rb") as opened:
                data = opened.read(MAX_BYTES + 1)
        except OSError as error:
            return CheckResult(file, None, (Problem(0, 0, "", "unreadable", error.strerror or str(error)),))
    kind = kind or kind_of(file, data)
    try:
        if kind == TASK:
            return _task(file, parse_task_file(data, file))
        spec = parse_environment_file(data, file)
    except DocumentError as error:
        found = sorted(error.all, key=lambda each: (each.line, each.column))
        problems = (Problem(each.line, each.column, each.key, each.reason.code, each.message) for each in found)
        return CheckResult(file, kind, tuple(problems))
    summary = f"Python {_python(spec)}, {plural(len(spec.dependencies), 'dependency', 'dependencies')}"
    return CheckResult(file, kind, tuple(_dependencies(spec)), summary)


def _task(file: str, task: TaskFile) -> CheckResult:
    followed = None
    if not is_cloud(task.environment):
        near = os.path.normpath(os.path.join(os.path.dirname(file), task.environment))
        followed = near if os.path.isfile(near) else None
    return CheckResult(file, TASK, (), f"{task.module}.{task.name}", task.environment, followed)


def _python(spec: EnvironmentSpec) -> str:
    wanted = spec.virtualenv.get("python")
    if isinstance(wanted, tuple):
        return " or ".join(wanted)
    return str(wanted) if wanted else "as Poltergust's own"


def _dependencies(spec: EnvironmentSpec) -> list[Problem]:
    """What a node would find wrong with a line before it asks any registry."""
    from poltergust.environments import lines

    problems = []
    for number, dependency in enumerate(spec.dependencies):
        key = f"dependencies[{number}]"
        try:
            read = lines.read([dependency])
        except Permanent as error:
            problems.append(Problem(dependency.line, 0, key, error.reason.code, str(error)))
            continue
        for line in read:
            if not line.requirement or line.editable or line.is_path or line.is_direct_url or "$" in line.requirement:
                continue
            try:
                Requirement(line.requirement)
            except InvalidRequirement as error:
                what = str(error).splitlines()[0].rstrip(".")
                text = f"not a line that pip can read ({what}); write for example pandas>=2,<3"
                problems.append(Problem(dependency.line, 0, key, "dependency-invalid", text))
    return problems
