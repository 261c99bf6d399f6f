"""Clear a family: ask the pipeline, in its environment on this machine, which outputs stand in the way of running the
family's tasks again, and have them removed. `inside/clearing.py` is the other end of the conversation.
"""

from __future__ import annotations

import dataclasses
import queue
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from poltergust.base.errors import PoltergustError
from poltergust.luigi_run import Request
from poltergust.luigi_run.launch import INSIDE, mapping, report
from poltergust.processes import Spawn


@dataclass(frozen=True)
class KnownTask:
    """A task by the records of an earlier run. `parameters` are texts, as Luigi writes them."""

    task_id: str
    family: str
    parameters: Mapping[str, str]
    dependencies: tuple[str, ...]


@dataclass(frozen=True)
class StandingOutput:
    """An output that is there. `problem` says why it cannot be removed; empty where it can."""

    task: str
    output: str
    problem: str


@dataclass(frozen=True)
class Cleared:
    """How many outputs were `removed`, which are `left`, and which of the tasks still say that they are `complete`.
    `stopped`: one could not be removed that Luigi should have, and nothing was tried after it."""

    removed: int = 0
    left: tuple[StandingOutput, ...] = ()
    complete: tuple[str, ...] = ()
    stopped: bool = False


class Clearing:
    """One conversation, while the context is open. `standing` comes first, `remove` may follow, each once."""

    def __init__(
        self,
        spawn: Spawn,
        request: Request,
        family: str,
        known: Sequence[KnownTask],
        *,
        python: Path,
        env: Mapping[str, str],
        workdir: Path,
        on_line: Callable[[str], None],
    ) -> None:
        """Starts the process. Raises what `spawn` raises. `on_line` gets what the pipeline prints."""
        self._messages: queue.SimpleQueue[Mapping[str, object] | None] = queue.SimpleQueue()
        self._child = spawn(
            [str(python), str(INSIDE)],
            env=env,
            cwd=workdir,
            on_line=on_line,
            on_message=self._messages.put,
            on_exit=lambda: self._messages.put(None),
        )
        clear = {"family": family, "known": [dataclasses.asdict(one) for one in known]}
        self._child.send({"request": dataclasses.asdict(request), "clear": clear})

    def __enter__(self) -> Clearing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.kill()

    def standing(self) -> tuple[StandingOutput, ...]:
        """What stands in the way. Raises `PoltergustError` where the pipeline cannot say it. Blocks."""
        return _outputs(self._next("standing")["standing"])

    def remove(self) -> Cleared:
        """Remove what can be of it. Raises `PoltergustError`. Blocks."""
        self._child.send({"remove": True})
        answer = self._next("removed")
        removed, complete = answer["removed"], answer.get("complete")
        return Cleared(
            removed if isinstance(removed, int) else 0,
            _outputs(answer.get("left")),
            tuple(map(str, complete)) if isinstance(complete, list) else (),
            stopped=answer.get("stopped") is True,
        )

    def _next(self, key: str) -> Mapping[str, object]:
        """The message that has this key; anything else a task wrote to the pipe is passed over."""
        while (message := self._messages.get()) is not None:
            if key in message:
                return message
            failed = report(mapping(message.get("result")))
            if failed is not None:
                raise PoltergustError(f"{failed.reason.code}: {failed.detail}")
        end = self._child.wait(0)
        raise PoltergustError(f"the pipeline's process ended with {end} and said nothing; it printed what stands above")


def _outputs(value: object) -> tuple[StandingOutput, ...]:
    if not isinstance(value, list):
        return ()
    texts = ([str(mapping(each).get(key, "")) for key in ("task", "output", "problem")] for each in value)
    return tuple(StandingOutput(*each) for each in texts)
