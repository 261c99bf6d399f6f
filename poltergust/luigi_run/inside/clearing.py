"""Which outputs stand in the way of running a family of tasks again, and their removal once that is asked for.

In the way stand the outputs of the family's tasks, and of all that is made from them: with those there, the root task
is complete and nothing runs. One conversation with whoever started this process:

    <- {"standing": [{"task": ..., "output": ..., "problem": "" or why it stays}]}
    -> {"remove": true}, or the end of the pipe
    <- {"removed": n, "left": [the same], "stopped": true where one failed, "complete": [tasks that still are]}

or, instead of any of it, {"result": {"reason": ..., "detail": ...}}. Nothing is removed that the pipeline could not
make again: no external data, no output that also belongs to a task that is not cleared.
"""

# mypy: allow-untyped-calls
import os
import posixpath
import traceback
from typing import Any, Dict, Iterator, List, NamedTuple, Set, Tuple

from . import circles, logs
from .channel import Channel
from .ending import Ended, describe, did_you_mean
from .loading import load_luigi, load_root
from .targets import shown_target, shown_task

MAX_OUTPUTS = 10000  # that one report names


class Output(NamedTuple):
    """One that is there. `problem` says why it cannot or must not be removed; empty where it can."""

    task: str
    name: str
    target: Any
    problem: str

    def shown(self) -> Dict[str, str]:
        return {"task": self.task, "output": self.name, "problem": self.problem}


def converse(channel: Channel, request: Dict[str, Any], family: str, known: List[Dict[str, Any]], log: int) -> None:
    """`known` are tasks by their records, for those that others yield while they run: ``{"task_id", "family",
    "parameters", "dependencies"}``."""
    try:
        load_luigi()
        graph = PipelineGraph(load_root(request)[0], known)
        chosen = graph.above(family)
        standing = graph.standing(chosen)
        channel.send({"standing": [output.shown() for output in standing[:MAX_OUTPUTS]]})
        answer = channel.receive()
        if answer is None or not answer.get("remove"):
            return
        left, stopped = remove(standing)
        complete = [shown_task(graph.tasks[task_id]) for task_id in chosen if says_complete(graph.tasks[task_id])]
        about: Dict[str, Any] = {"removed": len(standing) - len(left), "stopped": stopped}
        about.update(left=[output.shown() for output in left[:MAX_OUTPUTS]], complete=complete[:MAX_OUTPUTS])
        channel.send(about)
    except Ended as ended:
        if ended.__cause__ is not None:
            logs.write_line(log, "".join(traceback.format_exception(None, ended.__cause__, None)))
        channel.send({"result": {"reason": ended.code, "detail": ended.detail}})
    except Exception as error:  # noqa: BLE001 - whatever the pipeline's output(), exists() or remove() raises
        logs.write_line(log, traceback.format_exc())
        channel.send({"result": {"reason": "scheduling-failed", "detail": describe(error)}})


def remove(standing: List[Output]) -> Tuple[List[Output], bool]:
    """What is left, each with why; and whether it stopped at one that its `remove()` did not remove: what was made from
    an output goes before it."""
    left: List[Output] = []
    for number, output in enumerate(standing):
        if output.problem:
            left.append(output)
            continue
        try:
            output.target.remove()
            problem = "it is still there after its remove()" if output.target.exists() else ""
        except Exception as error:  # noqa: BLE001 - whatever the target's class raises
            problem = describe(error)
        if problem:
            rest = [each._replace(problem=each.problem or "not tried any more") for each in standing[number + 1 :]]
            return [*left, output._replace(problem=problem), *rest], True
    return left, False


def says_complete(task: Any) -> bool:
    """False as well where it cannot say it: the next run tells why."""
    try:
        return bool(task.complete())
    except Exception:  # noqa: BLE001 - whatever complete() raises
        return False


class PipelineGraph:
    """All tasks below the root, by id, and what each requires. Those of `known` that nothing requires statically are
    made again from their records when they are needed."""

    def __init__(self, root: Any, known: List[Dict[str, Any]]) -> None:
        self.tasks: Dict[str, Any] = {root.task_id: root}
        self.requires: Dict[str, List[str]] = {}
        waiting = [root]
        while waiting:
            task = waiting.pop()
            needs = task.deps()
            self.requires[task.task_id] = [each.task_id for each in needs]
            for each in needs:
                if each.task_id not in self.tasks:
                    self.tasks[each.task_id] = each
                    waiting.append(each)
        circles.refuse(self.requires, self.tasks)
        self.unknown: List[str] = []  # why tasks cannot be made from their records
        self._known = {str(one["task_id"]): one for one in known}
        for task_id, one in self._known.items():
            self.requires[task_id] = self.requires.get(task_id, []) + [str(each) for each in one["dependencies"]]

    def family(self, task_id: str) -> str:
        task = self.tasks.get(task_id)
        return str(task.task_family if task is not None else self._known.get(task_id, {}).get("family", ""))

    def above(self, family: str) -> List[str]:
        """The tasks of that family and all that is made from them, what is made last first. Raises `Ended`."""
        found = [task_id for task_id in self.requires if self.family(task_id) == family]
        if not found:
            families = {self.family(task_id) for task_id in self.requires} - {""}
            hint = did_you_mean(family, families) or "; it has " + ", ".join(sorted(families)[:10])
            raise Ended("unknown-task", f"no task of the pipeline is a {family}{hint}")
        makes: Dict[str, List[str]] = {}
        for task_id, needs in self.requires.items():
            for need in needs:
                makes.setdefault(need, []).append(task_id)
        order = [task_id for task_id in downwards(found, makes) if self._made(task_id)]
        outside = [task for task in map(self.tasks.get, found) if task is not None and external(task)]
        if outside:
            text = f"{shown_task(outside[0])} is external: no run would make its output again, so it is not removed"
            raise Ended("invalid-parameter", text)
        return order

    def _made(self, task_id: str) -> bool:
        """Whether the task is there; one that only a record tells of is made from it. False too for a class that the
        pipeline no longer has."""
        from luigi.task_register import Register, TaskClassException

        if task_id in self.tasks:
            return True
        record = self._known[task_id]
        what = "a {} that another task yields cannot be made from its record: ".format(record["family"])
        try:
            task = Register.get_task_cls(record["family"]).from_str_params(record["parameters"])
        except TaskClassException:
            return False
        except Exception as error:  # noqa: BLE001 - whatever a parameter's class raises
            self.unknown.append(what + describe(error))
            return False
        if task.task_id != task_id:
            self.unknown.append(what + "a value was masked or cut there")
            return False
        self.tasks[task_id] = task
        return True

    def standing(self, chosen: List[str]) -> List[Output]:
        """The outputs of `chosen` that are there, in this order, each once; and what is not known."""
        kept: Dict[str, str] = {}  # name of an output, or of a folder that holds one, to the task that keeps it
        among = set(chosen)
        for task_id, task in self.tasks.items():
            if task_id not in among or external(task):
                for target in outputs(task):
                    for place in with_folders(place_of(target)):
                        kept.setdefault(place, shown_task(task))
        found: Dict[str, Output] = {}
        for task_id in chosen:
            task = self.tasks[task_id]
            for target in outputs(task):
                place = place_of(target)
                if (not place or place not in found) and target.exists():
                    owner = kept.get(place)
                    problem = f"it is or holds an output of {owner} as well" if owner else unremovable(target, place)
                    found[place or str(len(found))] = Output(shown_task(task), shown_target(target), target, problem)
        return [*found.values(), *(Output("", "", None, problem) for problem in self.unknown)]


def downwards(found: List[str], makes: Dict[str, List[str]]) -> Iterator[str]:
    """`found` and everything that is made from them; nothing before all that is made from it, so that what an
    interrupted removal leaves is never older than what it was made from."""
    seen: Set[str] = set()
    stack = [(task_id, False) for task_id in found]
    while stack:
        task_id, leaving = stack.pop()
        if leaving:
            yield task_id
        elif task_id not in seen:
            seen.add(task_id)
            stack.append((task_id, True))
            stack.extend((each, False) for each in makes.get(task_id, ()))


def external(task: Any) -> bool:
    """Whether something else makes its output (luigi/worker.py, `_is_external`)."""
    return task.run is None or task.run == NotImplemented


def outputs(task: Any) -> List[Any]:
    from luigi.task import flatten

    return list(flatten(task.output()))


def place_of(target: Any) -> str:
    """Its whole path, the same for all that are the same; empty for one without a path, such as a table."""
    path = str(getattr(target, "path", None) or "")
    return path.rstrip("/") if "://" in path or not path else os.path.abspath(path)


def unremovable(target: Any, place: str) -> str:
    if not callable(getattr(target, "remove", None)):
        return f"Luigi cannot remove a {type(target).__name__}"
    return "" if place else f"a {type(target).__name__} has no path to tell it from other tasks' outputs"


def with_folders(place: str) -> Iterator[str]:
    """The place, and those of all folders that it lies in."""
    while place:
        yield place
        above = posixpath.dirname(place)
        place = "" if above == place else above
