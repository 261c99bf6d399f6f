"""What a node makes of the scheduler's list of workers."""

from __future__ import annotations

from poltergust.luigi_run.notes import Note, NoteState
from poltergust.luigi_run.run_view import LATE_SECONDS, WorkView, WorkViews, run_of
from poltergust.luigi_run.scheduler import HeardWorker

RUN = "-0a1b2c3d-"


def worker(node: str, note: Note | None = None, *, enabled: bool = True, silent: float = 0.0) -> HeardWorker:
    return HeardWorker(f"poltergust-{node}-00ff{RUN}1", silent, 0.0, enabled, 0.0, 1, "Root_1", note or Note())


def works(ready: int) -> Note:
    return Note(NoteState.WORKS, ready=ready)


def seen(*looks: list[HeardWorker]) -> WorkView:
    """The run after these looks, a second apart."""
    views = WorkViews()
    for number, heard in enumerate(looks):
        views.update(heard, [RUN], float(number))
    view = views.of(RUN)
    assert view is not None
    return view


def test_a_worker_id_names_its_node_and_its_run() -> None:
    assert run_of(f"poltergust-a-b.c-00ff{RUN}12") == ("a-b.c", RUN)
    assert run_of("poltergust-tool") is None
    assert run_of("Worker(salt=1, workers=1)") is None


def test_tasks_that_nobody_has_taken_are_wanted_less_those_of_who_is_about_to_take_some() -> None:
    assert seen([worker("a")]) == WorkView("Root_1", frozenset("a"), 0, 0.0)
    assert seen([worker("a", works(5))]).wanted == 5
    assert seen([worker("a", works(5)), worker("b")]).wanted == 4
    assert seen([worker("a", works(5)), worker("b", works(2))]).wanted == 5
    assert seen([worker("a", works(1))], [worker("a", works(2))]).wanted_since == 0.0
    assert seen([worker("a", works(1))], [worker("a", works(0))], [worker("a", works(2))]).wanted_since == 2.0


def test_who_cannot_or_died_has_failed_until_it_works_again() -> None:
    cannot, died = worker("a", Note(NoteState.CANNOT)), worker("b", enabled=False)
    assert seen([cannot, died]).failed == {"a", "b"}
    assert seen([cannot, died], []).failed == {"a", "b"}, "the scheduler forgets sooner"
    assert seen([cannot], [worker("a"), died]).failed == {"b"}


def test_nobody_works_on_it_since_the_last_one_was_seen_to() -> None:
    assert seen([]).silent_since == 0.0
    assert seen([], []).silent_since == 0.0
    assert seen([worker("a")], [], []).silent_since == 1.0
    assert seen([worker("a")], [worker("a", Note(NoteState.ENDED))]).silent_since == 1.0


def test_after_a_look_for_data_the_next_one_is_awaited() -> None:
    again = worker("a", Note(NoteState.ENDED, again=60.0), silent=1.0)
    assert seen([worker("a")], [again]).silent_since == 1.0 - 1.0 + 60.0 + LATE_SECONDS
    assert seen([worker("a")], [again], []).silent_since == 60.0 + LATE_SECONDS, "also when its worker is forgotten"


def test_a_note_is_input() -> None:
    assert Note.of(None) == Note.of("x") == Note.of({"state": "else", "ready": "9", "again": -1}) == Note()
    assert Note.of({"state": "works", "ready": -3}) == Note(NoteState.WORKS)
    assert Note.of({"state": "ended", "again": 1e300}) == Note(NoteState.ENDED)
    said = Note(NoteState.ENDED, again=3.0)
    assert Note.of(said.content()) == said
