"""Good files, to the exact values they become."""

from __future__ import annotations

import pytest

from poltergust import environments, luigi_run
from poltergust.documents import (
    Argument,
    CodePlace,
    Dependency,
    EnvironmentSpec,
    TaskFile,
    parse_environment_file,
    parse_task_file,
)

TASK = b"""\
environment: gs://mybucket/environment/myenv.yaml

task:
  name: SomeTask
  module: some_luigi_pipeline_module
  some-task-argument: some-value

variables:
  DB_HOST: database.com
"""

ENVIRONMENT = b"""\
virtualenv:
  python: python3.8

dependencies:
  - pandas
  - matplotlib

variables:
  PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION: python
"""


def task(text: str) -> TaskFile:
    return parse_task_file(f"environment: e.yaml\ntask:\n  name: A\n  module: m\n{text}".encode(), "t")


def environment(text: str) -> EnvironmentSpec:
    return parse_environment_file(text.encode(), "e")


def test_the_task_file_of_the_contract() -> None:
    assert parse_task_file(TASK, "gs://mybucket/pipeline/mypipeline.config.yaml") == TaskFile(
        environment="gs://mybucket/environment/myenv.yaml",
        name="SomeTask",
        module="some_luigi_pipeline_module",
        arguments=(Argument("some-task-argument", "some-value"),),
        variables={"DB_HOST": "database.com"},
        timeout=None,
        retries=None,
    )


def test_the_environment_file_of_the_contract() -> None:
    url = "gs://mybucket/environment/myenv.yaml"
    assert parse_environment_file(ENVIRONMENT, url) == EnvironmentSpec(
        url=url,
        virtualenv={"python": "python3.8"},
        dependencies=(Dependency("pandas", 5), Dependency("matplotlib", 6)),
        variables={"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
        installer="uv",
        preload=(),
    )


def test_other_rooms_share_the_values() -> None:
    assert environments.EnvironmentSpec is EnvironmentSpec
    assert environments.Dependency is Dependency
    assert luigi_run.Argument is Argument


@pytest.mark.parametrize(
    "data", [b"\xef\xbb\xbf" + TASK, TASK.replace(b"\n", b"\r\n"), b"%YAML 1.2\n---\n" + TASK + b"...\n"]
)
def test_how_the_bytes_are_dressed_does_not_matter(data: bytes) -> None:
    assert parse_task_file(data, "t") == parse_task_file(TASK, "t")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("45s", 45), ("90m", 5400), ("1h30m", 5400), ("2d", 172_800), ("1d2h3m4s", 93_784), ("600", 600), ("1.5", 1.5),
     ("'90m'", 5400), ("365d", 31_536_000), ("", None), ("null", None)],
)  # fmt: skip
def test_timeout(written: str, seconds: float | None) -> None:
    assert task(f"timeout: {written}\n").timeout == seconds


@pytest.mark.parametrize(("written", "count"), [("0", 0), ("3", 3), ("1000", 1000), ("~", None)])
def test_retries(written: str, count: int | None) -> None:
    assert task(f"retries: {written}\n").retries == count


def test_labels_of_nodes() -> None:
    assert task("nodes: [gpu, zone=europe-west1, 1080, gpu]\n").nodes == ("gpu", "zone=europe-west1", "1080")
    assert task("nodes:\n").nodes == ()


@pytest.mark.parametrize(("written", "priority"), [("10", 10), ("-5", -5), ("", 0), ("1000000", 1_000_000)])
def test_priority(written: str, priority: int) -> None:
    assert task(f"priority: {written}\n").priority == priority


def test_luigi_config_holds_text_as_written() -> None:
    written = """\
luigi-config:
  core: {log_level: DEBUG, no-configure-logging: true}
  name.space.Task:
    version: 1.10
    day: 2024-01-01
    format: "%Y #1"
    names: [a, 007]
    empty: ""
  email:
"""
    sections = {
        "core": {"log_level": "DEBUG", "no-configure-logging": "true"},
        "name.space.Task": {
            "version": "1.10",
            "day": "2024-01-01",
            "format": "%Y #1",
            "names": '["a", "007"]',
            "empty": "",
        },
        "email": {},
    }
    assert task(written).luigi_config == environment(written).luigi_config == sections


@pytest.mark.parametrize(
    "place", ["pipeline.py", "../code/", "code", "libs.zip", "gs://b/code/", "gs://b/x.py", "/srv/x"]
)
def test_places_of_code(place: str) -> None:
    assert environment(f"code:\n\n- {place}\n").code == (CodePlace(place, 3),)


@pytest.mark.parametrize(
    "path",
    [
        "../environment/myenv.yaml",
        "/srv/env.yaml",
        "env",
        "gs://b/a b.yaml",
        "gs://b/a//é\u00a0x.yaml",
        "a:b.yaml",
        "C.yaml",
    ],
)
def test_environment_paths(path: str) -> None:
    assert parse_task_file(f"environment: {path}\ntask: {{name: A, module: m}}".encode(), "t").environment == path


@pytest.mark.parametrize("name", ["Some_Task", "name.space.Task", "my-space.Task", "Aufgäbe"])
def test_task_names(name: str) -> None:
    assert parse_task_file(f"environment: e\ntask: {{name: {name}, module: a.b-c.d}}".encode(), "t").name == name


def test_argument_names() -> None:
    names = [
        "workers",
        "log-level",
        "OtherTask-param",
        "name.space.Task-some_param",
        "local",
        "lock",
        "version",
        "no-lock",
    ]
    assert [a.name for a in task("".join(f"  {name}: 1\n" for name in names)).arguments] == names


def test_keys_of_ones_own_hold_anything() -> None:
    own = "x-a: !!python/object:os.system [1, {[2]: 3}]\nx-: {a: 1, a: 2}\n"
    assert task(own) == task("")
    assert environment(f"{own}installer: pip") == environment("installer: pip")


def test_anchors_and_merges() -> None:
    spec = environment(
        "x-common: &common {A: one, B: two}\nx-more: &more {B: not this, C: three}\n"
        "variables:\n  <<: [*common, *more]\n  A: mine\n"
    )
    assert spec.variables == {"A": "mine", "B": "two", "C": "three"}
    parsed = task("x-list: &list [1, 2]\nvariables: &v {A: b}\n").variables, task("  a: &a [1]\n  b: *a\n").arguments
    assert parsed == ({"A": "b"}, (Argument("a", "[1]", json=True), Argument("b", "[1]", json=True)))
    assert task("  x: {'<<': {a: b}}\n").arguments == (Argument("x", '{"<<": {"a": "b"}}', json=True),)


def test_virtualenv_options() -> None:
    spec = environment(
        "virtualenv:\n  python: [3.10, python3.8]\n  system_site_packages: true\n  no-seed: false\n  pip: 24.0\n"
        "  try-first-with: /usr/bin/python3\n  setuptools: false\n"
    )
    assert spec.virtualenv == {
        "python": ("3.10", "python3.8"),
        "system-site-packages": True,
        "pip": "24.0",
        "try-first-with": "/usr/bin/python3",
    }


@pytest.mark.parametrize(
    "text",
    ["{}", "virtualenv:\ndependencies:\nvariables:\ninstaller:\npreload:\ncode:\nluigi-config:", "dependencies: []"],
)
def test_an_environment_of_luigi_alone(text: str) -> None:
    assert environment(text) == EnvironmentSpec("e", {}, (), {})


def test_the_rest_of_an_environment_file() -> None:
    spec = environment("installer: pip\npreload: [pandas, a.b]\nvariables: {}\n")
    assert (spec.installer, spec.preload) == ("pip", ("pandas", "a.b"))


@pytest.mark.parametrize(
    "line",
    ["pandas", "requests>=2,<3", "pandas[excel]==2.*; python_version >= '3.9'", "git+https://${GH_TOKEN}@host/x.git@v1#egg=x",
     "-e ./lib", "--index-url https://host/simple", "pkg @ file:///x#sha256=00", "./a b.whl --hash=sha256:00", "1.0"],
)  # fmt: skip
def test_dependency_lines_are_verbatim(line: str) -> None:
    assert environment(f"dependencies:\n\n  - {line}\n").dependencies == (Dependency(line, 3),)
