"""How often a costly call is made."""

from __future__ import annotations

from poltergust.luigi_run.sparing import Sparing


class Work:
    """Takes `seconds` each time."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now, self.made = seconds, 0.0, 0

    def __call__(self) -> None:
        self.now += self.seconds
        self.made += 1


def calls_in_a_minute(work: Work, every: float) -> int:
    sparing = Sparing(work, share=0.1, longest=2.0, clock=lambda: work.now)
    while work.now < 60.0:
        sparing()
        work.now += every
    return work.made


def test_what_costs_little_is_done_each_time() -> None:
    assert calls_in_a_minute(Work(0.0), every=0.1) >= 600


def test_what_costs_much_takes_its_share_of_the_time() -> None:
    assert 50 <= calls_in_a_minute(Work(0.1), every=0.01) <= 60


def test_it_is_never_left_undone_for_long() -> None:
    assert calls_in_a_minute(Work(1.0), every=0.01) >= 19
