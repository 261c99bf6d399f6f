"""At the agent's start: does the shared scheduler give a dead node's tasks to the others within seconds? Warn if not.

luigid has no call for its settings, so this is measured, once, in a thread that nothing waits for. A scheduler that
does not answer yet is asked again; the first run that needs it says what is wrong with it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from poltergust.base.backoff import Backoff
from poltergust.base.errors import Temporary
from poltergust.luigi_run import QUICK_TAKE_OVER
from poltergust.luigi_run.scheduler import SchedulerClient

log = logging.getLogger(__name__)

MAX_NOTICE_SECONDS = 30.0
"""Seconds in which a scheduler with the settings notices a worker's death: its worker_disconnect_delay and to spare."""

_MIN_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 5.0, 300.0  # until a scheduler that did not answer is asked again


def check_take_over(
    client: SchedulerClient, within: float = MAX_NOTICE_SECONDS, wait: Callable[[float], object] = time.sleep
) -> bool:
    """Measure, and warn where it takes longer than `within` seconds. Blocks; see `in_background`."""
    backoff = Backoff(_MIN_PAUSE_SECONDS, _MAX_PAUSE_SECONDS, jitter=0)
    while True:
        try:
            quick = client.takes_over_within(within, wait)
            break
        except Temporary as error:
            log.debug("cannot see yet how quickly tasks of a dead node are taken over: %s", error)
            wait(backoff.delay())
    if not quick:
        settings = ", ".join(f"{name} = {value}" for name, value in QUICK_TAKE_OVER.items())
        log.warning(
            "the scheduler at %s did not notice within %g s that a worker is gone: the tasks of a node that is killed "
            "may wait for 17 minutes. Set in its luigi.cfg under [scheduler]: %s",
            client.url,
            within,
            settings,
        )
    return quick


def in_background(client: SchedulerClient) -> None:
    """A daemon thread: an agent that stops does not wait for it."""
    threading.Thread(target=check_take_over, args=(client,), name="poltergust-take-over", daemon=True).start()
