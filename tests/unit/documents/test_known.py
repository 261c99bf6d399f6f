"""The list of keys and options: true to the installed virtualenv and Luigi, to the schemas, and to the parsers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import jsonschema
import pytest
import yaml

from poltergust.documents import DocumentError, known, parse_environment_file, parse_task_file, schemas
from poltergust.documents.schemas import __main__ as generate
from tests.unit.documents.test_files import ENVIRONMENT, TASK

SCHEMAS: dict[str, dict[str, Any]] = {name: json.loads(schemas.text(name)) for name in schemas.NAMES}


class Core(yaml.SafeLoader):
    """YAML 1.2's idea of plain scalars, as editors have it: no dates, `yes` and `on` are text."""


Core.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":bool"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Core.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|True|TRUE|false|False|FALSE"), list("tTfF"))


def valid(name: str, text: str | bytes) -> bool:
    validator = jsonschema.Draft202012Validator(SCHEMAS[name])
    return bool(validator.is_valid(yaml.load(text, Loader=Core)))


def parses(name: str, text: str | bytes) -> bool:
    parse = parse_task_file if name == "task-file" else parse_environment_file
    try:
        parse(text if isinstance(text, bytes) else text.encode(), name)
    except DocumentError:
        return False
    return True


@pytest.mark.parametrize("name", schemas.NAMES)
def test_the_shipped_schemas_are_those_of_the_known_keys(name: str) -> None:
    assert schemas.text(name) == generate.text(name), "write them again and commit them: make schemas"


def test_each_schema_has_a_name_of_its_own() -> None:
    assert len({SCHEMAS[name]["$id"] for name in schemas.NAMES}) == len(schemas.NAMES)


@pytest.mark.parametrize("name", schemas.NAMES)
def test_a_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])


def test_only_two_schemas() -> None:
    with pytest.raises(ValueError, match="no schema 'other'"):
        schemas.text("other")


T = "environment: e.yaml\ntask: {name: A, module: m}\n"
GOOD = [
    ("task-file", TASK),
    ("environment-file", ENVIRONMENT),
    ("task-file", T + "timeout: 1h30m\nretries: 3\nx-mine: [1]\nvariables: {A: 1, B: true, C: x}\n"),
    ("task-file", T + "timeout: 90\nretries:\nvariables:\nnodes:\npriority:\nluigi-config:\n"),
    ("task-file", T + "nodes: [gpu, 1080]\npriority: -1\nluigi-config: {a.B: {c: 1.10, d: [1], e: ''}, f: }\n"),
    ("environment-file", "code: [a.py, lib/, gs://b/c/, gs://b/x.zip]\nluigi-config: {core: {log_level: INFO}}\n"),
    (
        "task-file",
        "environment: gs://b/e.yaml\ntask: {name: n.A, module: a.b, workers: 4, day: 2024-01-01, l: [1], m: {a: b}}",
    ),
    ("environment-file", "{}"),
    ("environment-file", "virtualenv:\ndependencies:\nvariables:\ninstaller: pip\npreload: [pandas]\nx-a: {}\n"),
    (
        "environment-file",
        "virtualenv: {python: 3.10, no-seed: true, system_site_packages: true, pip: 24.0, setuptools: false}\n",
    ),
    ("environment-file", "virtualenv: {python: [3.10, 3.8]}\ndependencies: ['a>=1,<2', git+https://h/x.git]\n"),
]
BAD = [
    ("task-file", "[]"),
    ("task-file", "task: {name: A, module: m}"),
    ("task-file", "environment: e.yaml"),
    ("task-file", "environment: e.yaml\ntask: {name: A}"),
    ("task-file", "environment: e.yaml\ntask: {module: m}"),
    ("task-file", "environment: e.yaml\ntask: A"),
    ("task-file", "environment: s3://b/e\ntask: {name: A, module: m}"),
    ("task-file", "environment: gs://b\ntask: {name: A, module: m}"),
    ("task-file", "environment: e/\ntask: {name: A, module: m}"),
    ("task-file", "environment: e\ntask: {name: A B, module: m}"),
    ("task-file", "environment: e\ntask: {name: A, module: m.py}"),
    ("task-file", "environment: e\ntask: {name: A, module: m, a b: 1}"),
    ("task-file", "environment: e\ntask: {name: A, module: m, --workers: 1}"),
    *(("task-file", f"environment: e\ntask: {{name: A, module: m, {name}: x}}") for name in known.REFUSED_ARGUMENTS),
    ("task-file", "environment: e\ntask: {name: A, module: m, local_scheduler: x}"),
    *(
        ("task-file", T + extra)
        for extra in (
            "foo: 1",
            "dependencies: []",
            "timeout: 90min",
            "timeout: 0",
            "timeout: []",
            "timeout: ''",
            "retries: -1",
            "retries: 1001",
            "retries: x",
            "variables: []",
            "variables: {A-B: x}",
            "variables: {A: [x]}",
            "variables: {A: }",
            "nodes: gpu",
            "nodes: ['a b']",
            "priority: high",
            "priority: 1.5",
            "luigi-config: []",
            "luigi-config: {'[a]': {}}",
            "luigi-config: {a: b}",
            "luigi-config: {a: {'b=c': d}}",
            "luigi-config: {a: {b: }}",
            "luigi-config: {a: {b: ' c'}}",
        )
    ),
    ("environment-file", "- pandas"),
    *(
        ("environment-file", extra)
        for extra in (
            "foo: 1",
            "task: {}",
            "installer: conda",
            "preload: pandas",
            "preload: [a.py]",
            "code: a.py",
            "code: [a.whl]",
            "code: ['']",
            "code: [s3://b/c]",
            "code: [gs://b/]",
            f"code: [{'a.py, ' * 21}]",
            "dependencies: pandas",
            "dependencies: {pandas: 1}",
            "dependencies: [[a]]",
            "dependencies: [{a: b}]",
            "dependencies: ['']",
            'dependencies: ["a\\nb"]',
            "dependencies: ['a\\']",
            "virtualenv: x",
            "virtualenv: {pyton: x}",
            "virtualenv: {python: true}",
            "virtualenv: {python: }",
            "virtualenv: {python: []}",
            "virtualenv: {no-seed: yes}",
            "virtualenv: {prompt: [a]}",
            "virtualenv: {clear: true}",
            "variables: {1A: x}",
        )
    ),
]


@pytest.mark.parametrize(("name", "text"), GOOD)
def test_schema_and_parser_take(name: str, text: str | bytes) -> None:
    assert parses(name, text)
    assert valid(name, text)


@pytest.mark.parametrize(("name", "text"), BAD)
def test_schema_and_parser_refuse(name: str, text: str | bytes) -> None:
    assert not parses(name, text)
    assert not valid(name, text)


def described(properties: dict[str, Any]) -> dict[str, str]:
    return {name: value["description"] for name, value in properties.items()}


@pytest.mark.parametrize(
    ("name", "document"), [("task-file", known.TASK_FILE), ("environment-file", known.ENVIRONMENT_FILE)]
)
def test_schemas_know_the_same_keys(name: str, document: known.FileKind) -> None:
    schema = SCHEMAS[name]
    assert described(schema["properties"]) == {key.name: key.description for key in document.keys}
    assert schema.get("required", []) == [key.name for key in document.keys if key.required]


def test_schemas_know_the_same_keys_below() -> None:
    task = SCHEMAS["task-file"]["properties"]["task"]
    assert described(task["properties"]) == {key.name: key.description for key in known.TASK_KEYS}
    assert task["required"] == [key.name for key in known.TASK_KEYS if key.required]
    options = SCHEMAS["environment-file"]["properties"]["virtualenv"]["properties"]
    assert described(options) == {option.name: option.description for option in known.OPTIONS}


def test_every_example_parses() -> None:
    def lines(*keys: known.Key) -> str:
        return "".join(f"{key.name}: {key.example}\n" for key in keys)

    for name, document in (("task-file", known.TASK_FILE), ("environment-file", known.ENVIRONMENT_FILE)):
        assert parses(name, lines(*document.keys))
        assert valid(name, lines(*document.keys))
    task = "".join(f"  {line}\n" for line in lines(*known.TASK_KEYS).splitlines())
    assert parses("task-file", f"environment: e\ntask:\n{task}")


@pytest.mark.parametrize("option", known.OPTIONS, ids=lambda option: option.name)
def test_every_option_parses(option: known.Option) -> None:
    value = "true" if option.takes is known.Takes.FLAG else "x"
    text = f"virtualenv: {{{option.name}: {value}}}"
    spec = parse_environment_file(text.encode(), "e")
    assert spec.virtualenv == {option.name: True if value == "true" else "x"}
    assert valid("environment-file", text)


def test_every_option_of_the_installed_virtualenv_is_known_or_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "virtualenv", "--help"],
        env={"COLUMNS": "200", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    names = set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", done.stdout))
    assert "python" in names
    listed = {option.name for option in known.OPTIONS}
    assert names - listed - set(known.REFUSED_OPTIONS) == set()
    assert listed - names <= {"wheel", "no-wheel"}  # options that only older ones have
    assert not listed & set(known.REFUSED_OPTIONS)


def test_every_refused_argument_is_one_of_luigis() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "luigi", "--help-all"],
        env={"COLUMNS": "200", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    names = set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", done.stdout))
    assert set(known.REFUSED_ARGUMENTS) <= names
