"""Recorded screens: what a person sees, to the letter. To record them again after a change, look at what came out, then

RECORD=1 pytest tests/unit/cli/test_screens.py
"""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from poltergust.cli import json_output, screens, wording
from poltergust.cli.terminal import UNLIMITED_COLUMNS, make_console, show
from poltergust.path.reading.model import Detail, PathView, TaskFileSummary
from poltergust.path.reading.waiting import Conclusion
from poltergust.path.tasks import TaskState, TaskStory
from tests.unit.cli import sample

RECORDED = Path(__file__).with_name("screens")


def drawn(screen: RenderableType, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    console.print(screen)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def screen(name: str, width: int) -> RenderableType:
    nodes = sample.nodes()
    return {
        "path": lambda: screens.path(sample.path(), width),
        "empty": lambda: screens.path(PathView(sample.PATH, sample.NOW, (), ()), width),
        "running": lambda: screens.detail(sample.detail(sample.running()), sample.now(), width),
        "failed": lambda: screens.detail(sample.detail(sample.failed()), None, width),
        "retrying": lambda: screens.detail(sample.detail(sample.retrying()), None, width),
        "waiting": lambda: screens.waiting_list(sample.all_waiting()),
        "long-names": lambda: screens.path(sample.long_names(), width),
        "long-names-detail": lambda: screens.detail(sample.detail(sample.long_names().configs[0]), None, width),
        "wait": lambda: screens.waiting(sample.running(), nodes, None, 75.0, width),
        "wait-queued": lambda: screens.waiting(sample.queued(), (), None, 4.0, width),
        "wait-storage": lambda: screens.waiting(
            sample.waiting(), nodes, None, 95.0, width, "the storage does not answer"
        ),
    }[name]()


def hints(name: str) -> list[str]:
    """Below the screen: a command that is broken at the terminal's width is none."""
    return {
        "empty": lambda: screens.path_hints(PathView(sample.PATH, sample.NOW, (), ())),
        "failed": lambda: screens.detail_hints(sample.detail(sample.failed())),
    }.get(name, list)()


SCREENS = [
    "long-names",
    "long-names-detail",
    "path",
    "empty",
    "running",
    "failed",
    "retrying",
    "waiting",
    "wait",
    "wait-queued",
    "wait-storage",
]


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("name", SCREENS)
def test_the_screen_is_as_recorded(name: str, width: int) -> None:
    text = drawn(screen(name, width), width)
    assert max(len(line) for line in text.splitlines()) <= width
    text += "".join(f"{hint}\n" for hint in hints(name))
    file = RECORDED / f"{name}-{width}.txt"
    if os.environ.get("RECORD"):
        file.write_text(text)
    assert text == file.read_text()


def test_into_a_pipe_nothing_is_cut_and_no_line_ends_in_blanks() -> None:
    file = io.StringIO()
    console = make_console(file)
    assert console.width == UNLIMITED_COLUMNS
    show(console, screens.path(sample.path(), console.width))
    text = file.getvalue()
    assert "Report failed as often as it may: KeyError: 'amount'" in text
    assert "nightly, reports/march" in text
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_without_colour_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for no_color, coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", no_color)
        console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
        console.print(screens.path(sample.path(), 80))
        assert isinstance(console.file, io.StringIO)
        assert ("\x1b[32m" in console.file.getvalue()) is coloured  # green


def test_what_a_bucket_holds_never_steers_the_terminal() -> None:
    view = sample.hostile()
    detail = Detail(
        view.configs[0], TaskFileSummary(task=sample.ESCAPES, environment=sample.ESCAPES, problem=sample.ESCAPES)
    )
    texts = [drawn(screens.path(view, 200), 200), drawn(screens.detail(detail, None, 200), 200)]
    texts += [drawn(screens.waiting(view.configs[0], view.nodes, None, 1.0, 200, sample.ESCAPES), 200)]
    texts += [json_output.path(view), json_output.detail(detail)]
    texts += [wording.ended(view.configs[0].name, ending, view.configs[0]) for ending in Conclusion]
    texts += [wording.stands(view.configs[0], view.nodes)]
    for text in texts:
        assert not [c for c in text if c != "\n" and not c.isprintable()], text


def test_what_runs_now_is_named_as_it_was_recorded() -> None:
    story = TaskStory("Report_1", "Report", {"token": "[redacted]"}, TaskState.RUNNING)
    view = replace(sample.detail(sample.running()), tasks=(story,))
    assert "  Report(token=[redacted])  on node-1\n" in drawn(screens.detail(view, sample.now(), 100), 100)
