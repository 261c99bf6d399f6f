"""What of a run log is about one task, and what tells of an error."""

from __future__ import annotations

import pytest

from poltergust.path.reading.choosing import matching, tasks_called
from poltergust.path.reading.log_lines import MAX_MESSAGE_LINES, ErrorLines, TaskLines, is_written
from poltergust.path.tasks import TaskStory

LEAF = TaskStory("Leaf_7_ab", "Leaf", {"number": "7", "access_key": "[redacted]"})
OTHER = TaskStory("Leaf_77_cd", "Leaf", {"number": "77", "access_key": "[redacted]"})
ROOT = TaskStory("Forty__99", "Forty", {})

LOG = """\
2026-05-01 12:00:00 INFO Informed scheduler that task   Leaf_7_ab   has status   PENDING
2026-05-01 12:00:00 INFO Informed scheduler that task   Leaf_77_cd   has status   PENDING
2026-05-01 12:00:01 INFO [pid 12] Worker poltergust-one-1 running   Leaf(number=77)
2026-05-01 12:00:01 INFO [pid 11] Worker poltergust-one-1 running   Leaf(number=7)
reading the source
2026-05-01 12:00:02 INFO [pid 12] Worker poltergust-one-1 done      Leaf(number=77)
2026-05-01 12:00:03 ERROR [pid 11] Worker poltergust-one-1 failed    Leaf(number=7)
Traceback (most recent call last):
  File "forty.py", line 21, in run
ValueError: no such source
select * from sources

where number = 7
2026-05-01 12:00:03 INFO Informed scheduler that task   Leaf_7_ab   has status   FAILED
printed later
""".splitlines()


def test_the_lines_of_one_task_from_its_start_to_the_end_of_its_traceback() -> None:
    lines = TaskLines([LEAF])
    chosen = [number for number, line in enumerate(LOG) if lines.task(line) is LEAF]
    assert chosen == [0, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13]


def test_lines_that_tell_of_an_error() -> None:
    lines = ErrorLines()
    assert [number for number, line in enumerate(LOG) if lines.holds(line)] == [6, 7, 8, 9, 10, 11, 12]


@pytest.mark.parametrize(
    "after",
    [
        "2026-05-01 12:00:03,123 INFO Informed scheduler",
        "INFO:root:done",
        "[2026-05-01 12:00:03] done",
        "[poltergust 2026-05-01T12:00:03Z] Luigi ended: 1 task failed",
        "[poltergust: 7 lines lost, the storage did not take them]",
    ],
)
def test_the_message_of_an_exception_goes_on_until_the_next_record(after: str) -> None:
    lines = ErrorLines()
    message = [
        "ValueError: first",
        "second line",
        "",
        "    an indented one",
        "ERROR:  syntax",
        "LINE 1:",
        "1 validation error for INFO",
    ]
    for line in ("Traceback (most recent call last):", '  File "x.py", line 1, in run', *message):
        assert lines.holds(line)
    chained = ("During handling of the above exception, another exception occurred:", "")
    for line in (
        *chained,
        "Traceback (most recent call last):",
        '  File "x.py", line 2, in run',
        "KeyError: 7",
        "more",
    ):
        assert lines.holds(line)
    assert not lines.holds(after)
    assert not lines.holds("second line")


def test_what_is_printed_for_ever_after_an_exception_is_not_all_of_it() -> None:
    lines = ErrorLines()
    for line in ("Traceback (most recent call last):", "ValueError: no"):
        assert lines.holds(line)
    assert [lines.holds("printed") for _ in range(1000)].count(True) == MAX_MESSAGE_LINES


def test_the_note_that_says_why_an_attempt_failed_is_among_the_errors() -> None:
    """A module that is not there, a package that cannot be installed: nothing else in the log says so."""
    holds = ErrorLines().holds
    for code in ("unknown-module", "install-failed", "task-failed"):
        assert holds(f"[poltergust 2026-03-01T12:00:00Z] {code}: what is wrong")
    for code in ("complete", "others-run", "drained", "storage-unavailable", "environment"):
        assert not holds(f"[poltergust 2026-03-01T12:00:00Z] {code}: what is right")


def test_a_task_as_luigi_writes_it() -> None:
    assert is_written(LEAF, "Leaf(number=7)")
    assert is_written(LEAF, "Leaf(number=7, access_key=[redacted])")
    assert is_written(ROOT, "Forty()")
    for text in ("Leaf(number=77)", "Leaf(number=7", "Leaf(number=7)x", "Leaf(other=7)", "Forty(number=7)"):
        assert not is_written(LEAF, text)


def test_a_task_is_called_by_its_name_its_id_its_family_or_a_pattern() -> None:
    known = [LEAF, OTHER, ROOT]
    assert tasks_called(known, "Leaf(number=7, access_key=[redacted])") == [LEAF]
    assert tasks_called(known, "Leaf(number=7)") == [LEAF]
    assert tasks_called(known, "Leaf_77_cd") == [OTHER]
    assert tasks_called(known, "Leaf") == [LEAF, OTHER]
    assert tasks_called(known, "Leaf(number=77*") == [OTHER]
    assert tasks_called(known, "leaf") == []


def test_a_pattern_of_names_crosses_slashes() -> None:
    assert matching(["a", "reports/a", "reports/b/c"], "reports/*") == ["reports/a", "reports/b/c"]
