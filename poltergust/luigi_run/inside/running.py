"""One run from start to result: find the task, bind its arguments, work with the other nodes, judge how it ended."""

# mypy: allow-untyped-calls
import signal
import sys
import threading
import time
import traceback
import warnings
from typing import Any, Dict, Optional

from . import binding, circles, finding, logs
from .channel import Channel
from .ending import Ended, describe
from .loading import load_luigi, load_root
from .root import differing, executed
from .targets import listed, shown_task
from .task_events import TaskEvents
from .watching import watch

MAX_SCHEDULINGS = 3  # again where the scheduler forgot the pipeline or has work left for this node
RPC_ATTEMPTS, RPC_WAIT_SECONDS = 15, 2  # once work has begun: a scheduler may restart


class PipelineRun:
    """The state that the main thread, the control thread and the watching thread (`watching.py`) share."""

    def __init__(self, channel: Channel, request: Dict[str, Any], log: int) -> None:
        self.channel = channel
        self.request = request
        self.log = log
        self.modules_before = frozenset(sys.modules)  # those that the pipeline did not bring
        self.root: Any = None
        self.options: Any = None
        self.scheduler: Any = None
        self.worker: Any = None
        self.progress: Dict[str, int] = {}
        self.events = TaskEvents(lambda batch: channel.send({"tasks": batch}))
        self.elsewhere = ""  # what other nodes ran when that was last asked
        self.draining = threading.Event()
        self.over = threading.Event()
        self.look_now = threading.Event()  # tasks are announced, or it is over
        self.told = False  # the scheduler, of tasks
        self.workers = 1  # of the whole run, when that was last asked
        self.said: Dict[str, Any] = {}  # to the other nodes
        self._moving, self._asked, self._took = True, 0.0, 0.0

    def write_line(self, text: str) -> None:
        logs.write_line(self.log, "poltergust: " + text)

    # what the control thread calls

    def drain(self) -> None:
        self.draining.set()
        if self.worker is not None:
            self.worker.drain()

    # the main thread

    def result(self) -> Dict[str, Any]:
        try:
            ended = self.execute()
        except Ended as early:
            ended = early
            if early.__cause__ is not None and early.code == "import-error":
                logs.write_line(self.log, "".join(finding.formatted(early.__cause__)))
        except KeyboardInterrupt:
            ended = self.interrupted()
        except BaseException as error:  # noqa: BLE001 - the result must name whatever Luigi let through
            logs.write_line(self.log, traceback.format_exc())
            ended = Ended("scheduling-failed", f"luigi ended with {describe(error)}")
        self.over.set()
        self.look_now.set()
        self.events.flush()
        return {
            "reason": ended.code,
            "detail": ended.detail,
            "failures": ended.failures,
            "root_task_id": str(getattr(self.root, "task_id", "")),
            "progress": self.progress,
        }

    def execute(self) -> Ended:
        self.unless_draining()
        load_luigi()
        self.modules_before = frozenset(sys.modules)
        self.root, self.options = load_root(self.request)
        if self.complete():
            self.progress = {"done": 1}
            return Ended("complete", "the root task was complete already")
        self.unless_draining()
        import luigi.rpc

        try:
            ended = self.work()
            ended.detail += differing(self.scheduler, self.root, self.request["run"])
            return ended
        except luigi.rpc.RPCError as error:
            from .connections import without_credentials

            where = without_credentials(self.request["scheduler_url"])
            why = describe(getattr(error, "sub_exception", None) or error)
            raise Ended("scheduler-unreachable", f"the scheduler at {where} does not answer: {why}") from None

    def work(self) -> Ended:
        from .connections import decode_credentials

        decode_credentials()
        self.scheduler = self.remote()
        self.scheduler.events = self.events
        if self.request["reset_failures"]:
            self.reset_failures()
        else:
            self.scheduler.ping(worker=self.request["worker"])  # does it answer at all
        self.scheduler.set_retries(RPC_ATTEMPTS, RPC_WAIT_SECONDS)
        threading.Thread(target=watch, args=(self,), name="poltergust-watch", daemon=True).start()
        logs.install(self.log)
        for number in range(1, MAX_SCHEDULINGS + 1):
            self.scheduler.scheduling_failures = []
            self.build()
            ended = self.judged(last=number == MAX_SCHEDULINGS)
            if ended is not None:
                return ended
            time.sleep(0.1 * 2**number)
        raise AssertionError("unreachable: the last scheduling is always judged")

    def build(self) -> None:
        import luigi

        from .connections import without_credentials

        where = without_credentials(self.request["scheduler_url"])
        settings = {"no_lock": True, "local_scheduler": False, "scheduler_url": where}
        if binding.given(self.options, "core", "log_level") is None:
            settings["log_level"] = "INFO"
        before = self.worker
        try:
            luigi.build([self.root], worker_scheduler_factory=self, **settings)
        except Exception:
            if self.worker is before or not self.worker.ended:
                raise
            # Only the summary was left to make. It fails at a task with a value that its parameter's class cannot count
            # on from, such as the text "2" for a whole number; what the tasks did is no less done.
            logs.write_line(self.log, traceback.format_exc())
            self.write_line("Luigi could not make its summary, which changes nothing else")

    # the factory that luigi.build asks

    def create_remote_scheduler(self, url: str) -> Any:
        return self.scheduler

    def create_worker(self, scheduler: Any, worker_processes: int, assistant: bool = False) -> Any:
        from .working import SharedWorker

        known = {} if self.worker is None else self.worker.reached()
        worker = SharedWorker(
            scheduler,
            self.request["worker"],
            worker_processes,
            self.useful,
            self.request["idle"],
            known,
            self.refused,
            joins=self.request["joins"] and self.worker is None,  # again: the scheduler may have forgotten the others'
            announced=self.announced,
        )
        if self.request["reset_failures"]:
            worker.before_run = self.reset_failures  # now that every task of the graph is known to the scheduler
        self.worker = worker
        if self.draining.is_set():
            worker.drain()
        return worker

    # how the pipeline stands

    def complete(self) -> bool:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Task .* without outputs has no custom complete")  # we ask, not they
                return bool(self.root.complete())
        except Exception as error:
            if isinstance(error, RecursionError):
                circles.refuse_below(self.root)
            logs.write_line(self.log, traceback.format_exc())
            text = "complete() of {} raised {}".format(self.request["task"], describe(error))
            raise Ended("scheduling-failed", text) from error

    def judged(self, last: bool) -> Optional[Ended]:
        """None: schedule the pipeline again."""
        from .judging import GraphState, verdict

        if self.complete():
            self.update_progress()
            return Ended("complete", "the root task is complete")
        if self.scheduler.root_executed:
            self.update_progress()
            return executed(self.root, self.complete)
        self.unless_draining()
        standing = GraphState(self.scheduler.graph(self.root.task_id), self.root.task_id)
        self.progress = standing.progress()
        mine = any(self.request["worker"] in standing.graph[task]["workers"] for task in standing.runnable)
        left_early = mine and not (self.worker.waited_enough or standing.running or standing.root_done)
        if not last and (left_early or (standing.forgotten and not self.scheduler.scheduling_failures)):
            return None
        if any("RecursionError" in each for each in self.scheduler.scheduling_failures):
            circles.refuse_below(self.root)
        circles.refuse(self.worker.requirements, self.worker.tasks)  # those found while they ran, too
        return verdict(self.scheduler, standing, self.scheduler.scheduling_failures, self.worker.tasks)

    def update_progress(self) -> None:
        """The last counts, for the record only: a scheduler that is gone by now takes nothing from a success. Who did
        everything need not ask, and of many that joined all would ask for the whole graph at once."""
        from luigi.rpc import RPCError

        from .judging import GraphState

        if self.worker.did_everything:
            self.progress = {"done": len(self.worker.tasks)}
            return
        if self.request["joins"] and self.progress and not self.scheduler.root_executed:
            failed = self.progress.get("failed", 0)
            self.progress = {"done": sum(self.progress.values()) - failed, "failed": failed}
            return
        try:
            self.scheduler.set_retries(1, 0)
            self.progress = GraphState(self.scheduler.graph(self.root.task_id), self.root.task_id).progress()
        except RPCError:
            self.progress = self.progress or {"done": 1}

    def useful(self) -> bool:
        """Whether anything of the pipeline runs or could run; asked at most three times a second, and by all workers
        together never for more than a twentieth of the time."""
        from .judging import GraphState

        now = time.monotonic()
        if now - self._asked > max(0.3, 20 * self.workers * self._took):
            self._moving = GraphState(self.scheduler.graph(self.root.task_id), self.root.task_id).moving
            self._asked = time.monotonic()
            self._took = self._asked - now
        return self._moving

    def announced(self) -> None:
        """Every task is, or of a process that joins those that it begins with. The other nodes wait to hear of what is
        left for them."""
        self.told = True
        if not self.request["joins"] and len(self.worker.tasks) > self.worker.about_to_take:
            self.look_now.set()

    def refused(self, task_id: str) -> None:
        self.write_line(f"the scheduler handed out {task_id}, which is no part of this run: it is not run here")

    def unless_draining(self) -> None:
        if self.draining.is_set():
            raise Ended("drained", "drained: what ran was finished, nothing more was taken")

    # calls that change the scheduler

    def remote(self, attempts: int = 3) -> Any:
        from .remote import Remote

        budget, root_id = self.request["budget"], self.root.task_id
        return Remote(self.request["scheduler_url"], budget, root_id, attempts=attempts)

    def reset_failures(self) -> None:
        """Before the tasks are announced, which makes failed ones pending, and again when the scheduler knows what else
        belongs to the graph."""
        if self.worker is None or len(self.worker.tasks) > 1:
            for task_id in self.scheduler.reset_failures(self.root.task_id, self.request["worker"]):
                self.write_line(f"earlier failures of {task_id} are cleared")
        if self.worker is not None:
            self.request["reset_failures"] = False
            self.worker.before_run = None
            self.channel.send({"failures_reset": True})

    def interrupted(self) -> Ended:
        """SIGINT or SIGTERM: the tasks that ran are RUNNING for the scheduler until the agent says otherwise."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        ran = [] if self.worker is None else [shown_task(task) for task in self.worker.running]
        if self.scheduler is not None and self.scheduler.root_executed:
            try:
                return executed(self.root, self.complete)
            except Ended as early:
                return early
        return Ended("drained", f"it ran {listed(ran)}" if ran else self.elsewhere or "nothing of it ran on this node")
