"""`retry --clear`: outputs that stand in the way go, with consent, and what they were made of runs again at once, on
the same scheduler, which still has every task as done."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.e2e.commands import Commands, Said
from tests.e2e.nodes import PIPELINES, POLTERGUST
from tests.e2e.paths import Folder, Place
from tests.emulators.luigid import luigid

SECRET = "not-for-the-screen"
TASK = f"  module: clearing\n  name: Report\n  access-key: {SECRET}\n"


@dataclass(frozen=True)
class Cluster:
    """Two nodes that live on while commands are given, with one cache and one folder for outputs."""

    place: Place
    commands: Commands
    shared: Path
    cache: Path

    def retry(self, *arguments: str) -> Said:
        return self.commands("retry", "report", *arguments, "--cache-dir", str(self.cache))

    def there(self) -> set[str]:
        return set(os.listdir(self.shared)) - {"ran"}

    def ran(self) -> Counter[str]:
        """How often each family ran since this was last asked."""
        log = self.shared / "ran"
        found = Counter(log.read_text().split())
        log.write_text("")
        return found


EVERYTHING = {"given", "load-1", "load-2", "other", "detail", "report", "row"}


@pytest.fixture(scope="module")
def standing(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """On a folder: where configs stand makes no difference to outputs."""
    folder = tmp_path_factory.mktemp("clearing")
    place = Folder(folder)
    place.environment("plain")
    shared = folder / "shared"
    shared.mkdir()
    (shared / "given").write_text("data")
    with luigid(folder) as scheduler:
        options = ["--scheduler-url", scheduler]
        with (
            place.agent("one", shared_cache, *options, SHARED=str(shared)),
            place.agent("two", shared_cache, *options, SHARED=str(shared)),
        ):
            place.put("report", TASK)
            env = {**place.env, "SHARED": str(shared), "PYTHONPATH": str(PIPELINES)}
            yield Cluster(place, Commands(place.path, folder, env), shared, shared_cache)


@pytest.fixture
def cluster(standing: Cluster) -> Cluster:
    """After a run that came to its end."""
    standing.place.until("report", "done")
    assert standing.there() == EVERYTHING
    standing.ran()
    return standing


def test_nothing_is_removed_without_consent(cluster: Cluster) -> None:
    refused = cluster.retry("--clear", "Load")
    assert refused.code == 1
    assert "report is done, not an error; add --force" in refused.err

    asked = cluster.retry("--clear", "Load", "--force")
    assert asked.code == 1
    for name in ("load-1", "load-2", "report"):
        assert f"{cluster.shared}/{name}" in asked.out
    assert "other" not in asked.out
    again = asked.err.partition("to remove these 3 outputs: poltergust ")[2].split()
    assert again[:2] == ["retry", "report"]
    assert {"--clear", "Load", "--yes", "--force", str(cluster.cache)} <= set(again)
    assert SECRET not in asked.out + asked.err

    told = json.loads(cluster.retry("--clear", "Load", "--force", "--json").out)
    stays = {Path(one["output"]).name: one["problem"] for one in told["outputs"]}
    assert stays.pop("Stored") == "Luigi cannot remove a Stored"
    assert stays == {
        "report": None,
        "load-1": None,
        "load-2": None,
        "given": "it is or holds an output of Given as well",
    }
    assert cluster.there() == EVERYTHING
    assert cluster.place.standing("report") == ["done"]


def test_a_family_and_what_is_made_from_it_runs_again(cluster: Cluster) -> None:
    said = cluster.retry("--clear", "Load", "--force", "--yes", "--wait")
    assert said.code == 0, said.err
    assert "removed 3 outputs" in said.out
    assert "Stored is left: Luigi cannot remove a Stored" in said.err
    assert "Insert says it is complete all the same" in said.err
    assert cluster.there() == EVERYTHING
    assert (cluster.shared / "given").read_text() == "data"
    assert cluster.ran() == {"Load": 2, "Report": 1}


def test_a_family_that_is_yielded_while_another_runs(cluster: Cluster) -> None:
    said = cluster.retry("--clear", "Detail", "--force", "--yes", "--wait")
    assert said.code == 0, said.err
    assert cluster.ran() == {"Detail": 1, "Report": 1}


def test_what_no_run_makes_again_is_never_removed(cluster: Cluster) -> None:
    given = cluster.retry("--clear", "Given", "--force", "--yes")
    assert given.code == 1
    assert "Given is external: no run would make its output again" in given.err
    unknown = cluster.retry("--clear", "Lod", "--force", "--yes")
    assert "no task of the pipeline is a Lod; did you mean Load?" in unknown.err
    several = cluster.retry("--clear", "Load", "--failed")
    assert several.code == 2
    assert cluster.there() == EVERYTHING
    assert cluster.place.standing("report") == ["done"]


def test_one_that_cannot_be_removed_ends_it(cluster: Cluster) -> None:
    """What is made from it went before; what it was made from stays."""
    stubborn = replace(cluster.commands, env={**cluster.commands.env, "STUBBORN": "load-2"})
    said = replace(cluster, commands=stubborn).retry("--clear", "Load", "--force", "--yes")
    assert said.code == 1
    assert "load-2 is left: PermissionError: not this one" in said.err
    assert "report does not run again" in said.err
    assert "report" not in cluster.there()
    assert cluster.place.standing("report") == ["done"]
    assert cluster.retry("--force", "--wait").code == 0


def test_a_person_at_a_terminal_is_asked(cluster: Cluster) -> None:
    assert "nothing is removed" in at_a_terminal(cluster, answer="n")
    assert cluster.there() == EVERYTHING
    assert "removed 3 outputs" in at_a_terminal(cluster, answer="y")
    cluster.place.until("report", "done")


def at_a_terminal(cluster: Cluster, answer: str) -> str:
    """What a person sees who asks for Load to be cleared, and answers so."""
    ours, theirs = pty.openpty()
    commands = cluster.commands
    options = ["--clear", "Load", "--force", "--cache-dir", str(cluster.cache)]
    process = subprocess.Popen(
        [str(POLTERGUST), "retry", "report", *options],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=commands.environment,
        cwd=commands.cwd,
    )
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # EIO: the other side is closed
        while chunk := os.read(ours, 4096):
            seen += chunk
            if answer and b"again? [y/N]" in seen:
                os.write(ours, f"{answer}\n".encode())
                answer = ""
    os.close(ours)
    process.wait(60)
    return seen.decode()
