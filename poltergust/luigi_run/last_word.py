"""What a supervisor says to the scheduler when its agent is dead: the tasks of its Luigi process can run elsewhere.

Started by the supervisor once everything below it has ended. What to say comes on standard input, so that nothing of it
is on a command line; see `processes.LastWord`.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from poltergust.base.errors import PoltergustError
from poltergust.luigi_run.give_back import give_back
from poltergust.luigi_run.scheduler import SchedulerClient
from poltergust.processes import LastWord

CALL_SECONDS = 5.0
"""For each call: nobody waits for this process, and nobody else ends it."""

_BOOT = "import sys; sys.path.append(sys.argv[1]); from poltergust.luigi_run.last_word import main; main()"


def last_word(scheduler_url: str, worker: str, budget: int) -> LastWord:
    """That `worker` is dead. `budget` is how often its tasks may fail."""
    package = str(Path(__file__).parents[2])
    said = json.dumps({"url": scheduler_url, "worker": worker, "budget": budget})
    return LastWord((sys.executable, "-c", _BOOT, package), said)


def main() -> None:
    """Nothing is written anywhere: nobody is left to read it."""
    logging.disable()
    said = json.load(sys.stdin)
    try:
        give_back(SchedulerClient(said["url"], CALL_SECONDS), said["worker"], said["budget"])
    except PoltergustError:
        sys.exit(1)
