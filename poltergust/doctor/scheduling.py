"""The Luigi scheduler: is it there, is it one, and does it notice a dead node soon?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from poltergust.base.checks import Check, fail, ok, warn
from poltergust.base.errors import Temporary
from poltergust.luigi_run import QUICK_TAKE_OVER
from poltergust.luigi_run.own_state import with_own_password
from poltergust.luigi_run.scheduler import SchedulerClient
from poltergust.luigi_run.takeover import MAX_NOTICE_SECONDS

_TIMEOUT_SECONDS = 5.0


def scheduler(url: str | None, environ: Mapping[str, str]) -> Iterator[Check]:
    """Reachable, and a luigid that takes our password. One of this user's on this machine needs none to be named."""
    if url is None:
        yield ok("scheduler", "none named: listen runs a luigid of its own, which is right for one node only")
        return
    client = SchedulerClient(with_own_password(url, environ), _TIMEOUT_SECONDS)
    try:
        workers = client.workers()
    except Temporary as error:
        remedy = "start poltergust scheduler there, or correct --scheduler-url; the port must be open to this node"
        yield fail("scheduler", str(error), remedy)
        return
    yield ok("scheduler", f"{client.url} answers; it counts {len(workers)} live Luigi workers")


def take_over(url: str | None) -> Iterator[Check]:
    """Slow: waits until the scheduler forgets a worker that was announced and never pings."""
    if url is None:
        return
    client = SchedulerClient(url, _TIMEOUT_SECONDS)
    if not client.healthy():
        return  # `scheduler` reported it
    if client.takes_over_within(MAX_NOTICE_SECONDS):
        yield ok("take-over", f"a dead node is noticed within {MAX_NOTICE_SECONDS:.0f} s")
        return
    settings = ", ".join(f"{name} = {value}" for name, value in QUICK_TAKE_OVER.items())
    yield warn(
        "take-over",
        f"a dead node is not noticed within {MAX_NOTICE_SECONDS:.0f} s; with Luigi's defaults others have its tasks "
        "in 17 min",
        f"in the [scheduler] section of luigid's luigi.cfg: {settings}",
    )
