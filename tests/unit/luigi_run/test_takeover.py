"""The look at the shared scheduler at the start; how it is measured is in tests/integration/test_scheduler.py."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import pytest

from poltergust.base.errors import Temporary
from poltergust.base.reasons import Reason
from poltergust.luigi_run.scheduler import SchedulerClient
from poltergust.luigi_run.takeover import check_take_over


class Scripted(SchedulerClient):
    """Answers the measurement as told."""

    def __init__(self, *answers: bool | Temporary) -> None:
        super().__init__("http://user:secret@head:8082")
        self.answers = list(answers)

    def takes_over_within(self, seconds: float, wait: Callable[[float], object] = time.sleep) -> bool:
        answer = self.answers.pop(0)
        if isinstance(answer, Temporary):
            raise answer
        return answer


def test_a_slow_scheduler_is_named_with_the_settings_it_lacks(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert not check_take_over(Scripted(False), wait=lambda _: None)
    (line,) = caplog.messages
    assert "http://head:8082" in line
    assert "secret" not in line
    for setting in ("worker_disconnect_delay = ", "retry_delay = ", "prune_on_get_work = true"):
        assert setting in line


def test_a_quick_scheduler_is_not_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert check_take_over(Scripted(True), wait=lambda _: None)
    assert not caplog.messages


def test_a_scheduler_that_does_not_answer_yet_is_asked_again_later_and_later(caplog: pytest.LogCaptureFixture) -> None:
    down = Temporary(Reason.SCHEDULER_UNREACHABLE, "not yet")
    waits: list[float] = []
    with caplog.at_level(logging.INFO):
        assert check_take_over(Scripted(*[down] * 8, True), wait=waits.append)
    assert waits == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
    assert not caplog.messages
