"""A name's runs side by side, from records as they may be left."""

from __future__ import annotations

import pytest

from poltergust.base.progress import Progress
from poltergust.path.reading.history import run_summaries
from poltergust.path.reading.model import By, PastRun, RunView
from poltergust.path.records import RunEnvironment, RunRecord, State


def view(node: str, **said: object) -> RunView:
    return RunView(RunRecord("x", "1", node, started=100.0, **said), updated=120.0, silent=False)  # type: ignore[arg-type]


def test_a_run_ended_when_it_was_renamed_whatever_another_node_left() -> None:
    renamed = view("wins", state=State.ENDED, outcome="done", renamed=True, ended=130.0)
    (run,) = run_summaries(None, [PastRun("1", (view("killed", state=State.RUNNING), renamed))], now=4000.0)
    assert (run.outcome, run.seconds) == ("done", 30.0)


def test_a_run_goes_on_while_a_node_that_lives_says_so() -> None:
    other = view("other", state=State.ENDED, reason="config-gone", ended=130.0)
    (run,) = run_summaries(None, [PastRun("1", (view("runs", state=State.RUNNING), other))], now=400.0)
    assert run.seconds == 300.0


def test_a_cancelled_run_says_so_and_who_did_it() -> None:
    stopped = view(
        "one", state=State.ENDED, reason="outcome-stands", text="stopped", ended=130.0, progress=Progress(1, 2, 3)
    )
    (run,) = run_summaries(None, [PastRun("1", (stopped,), By("anna@desk", 129.0))], now=400.0)
    assert (run.outcome, run.reason, run.text, run.seconds) == ("cancelled", "", "cancelled by anna@desk", 30.0)
    assert run.progress == Progress(done=1, pending=5)


@pytest.mark.parametrize(
    ("file", "python", "lock", "changed"),
    [
        ("file-1", "3.11.7", "py3.11-bb@11", ("code",)),  # a folder that it installs has another content
        ("file-1", "3.11.7", "py3.11-aa@11", ()),
        ("file-1", "3.11.7", "py3.11-bb@22", ("installed versions", "code")),
        ("file-1", "3.12.1", "py3.12-bb@11", ("Python 3.11.7 → 3.12.1",)),
        ("file-2", "3.11.7", "py3.11-bb@11", ("environment file",)),
        ("", "3.11.7", "py3.11-bb@11", ()),  # an older version's record
    ],
)
def test_source_that_an_environment_installs_from_a_folder_is_code(
    file: str, python: str, lock: str, changed: tuple[str, ...]
) -> None:
    def of(file: str, python: str, lock: str) -> RunView:
        environment = RunEnvironment("e.yaml", python=python, lock=lock)
        digest = lock.partition("@")[2]
        return view("a", state=State.ENDED, environment=environment, environment_digest=file, lock_digest=digest)

    runs = [PastRun("2", (of(file, python, lock),)), PastRun("1", (of("file-1", "3.11.7", "py3.11-aa@11"),))]
    assert run_summaries(None, runs, now=400.0)[0].changed == changed
