"""What image and clusters install: only what a list of this source tree names, each file by its hash."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.terraform.standin import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:  # comes with the tests' own tools
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
AGENT = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dashboard"]]
INSTALLERS = ["clusters/dataproc-initactions.sh", "clusters/docker/Dockerfile"]


def entries(name: str) -> Mapping[str, list[str]]:
    """Package to its entries of a list: one, or several with markers."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        entry = line.partition("#")[0].strip()
        if entry:
            found.setdefault(canonicalize_name(re.split(r"[=\[ ]", entry)[0]), []).append(entry)
    return found


@pytest.mark.parametrize("name", ["agent.txt", "build.txt"])
def test_each_entry_is_a_release_with_hashes_and_no_address(name: str) -> None:
    for package, listed in entries(name).items():
        for entry in listed:
            assert re.fullmatch(r"[a-z0-9-]+==\S+( ; [^@]+?)?( +--hash=sha256:[0-9a-f]{64})+", entry), package


@pytest.mark.parametrize(("name", "wanted"), [("agent.txt", AGENT), ("build.txt", PROJECT["build-system"]["requires"])])
def test_what_the_project_asks_for_is_in_the_list_and_fits(name: str, wanted: list[str]) -> None:
    listed = entries(name)
    for requirement in map(Requirement, wanted):
        versions = [entry.split()[0].partition("==")[2] for entry in listed[canonicalize_name(requirement.name)]]
        assert all(requirement.specifier.contains(version) for version in versions), requirement


def test_the_agent_runs_on_the_releases_that_the_tests_ran_on() -> None:
    tested = entries("dev.txt")
    for package, listed in entries("agent.txt").items():
        assert {entry.split()[0] for entry in listed} <= {entry.split()[0] for entry in tested[package]}


@pytest.mark.parametrize("path", INSTALLERS)
def test_nothing_is_installed_but_by_hash_or_from_a_file(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8").replace("\\\n", " ")
    commands = [
        each
        for line in text.splitlines()
        for each in line.split("&&")
        if "pip" in each and re.search(r"(?<!apt-get) install ", each)
    ]
    assert len(commands) >= 2
    for command in commands:
        assert ("--require-hashes" in command and "--only-binary :all:" in command) or "--no-index" in command, command
