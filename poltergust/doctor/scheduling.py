"""The Luigi scheduler: is it there, and is it one?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from poltergust.base.checks import Check, fail, ok
from poltergust.base.errors import Temporary
from poltergust.luigi_run.own_state import with_own_password
from poltergust.luigi_run.scheduler import SchedulerClient, SchedulerRefuses

_TIMEOUT_SECONDS = 5.0


def scheduler(url: str | None, environ: Mapping[str, str]) -> Iterator[Check]:
    """Reachable, and a luigid that takes our password. One of this user's on this machine needs none to be named."""
    if url is None:
        yield ok("scheduler", "none named: listen runs a luigid of its own, which is right for one node only")
        return
    client = SchedulerClient(with_own_password(url, environ), _TIMEOUT_SECONDS)
    try:
        workers = client.workers()
    except SchedulerRefuses as error:
        yield fail("scheduler", error.why, error.remedy)
        return
    except Temporary as error:
        remedy = "start poltergust scheduler there, or correct --scheduler-url; the port must be open to this node"
        yield fail("scheduler", str(error), remedy)
        return
    yield ok("scheduler", f"{client.url} answers; it counts {len(workers)} live Luigi workers")
