"""Each way a Luigi run can end, by a small real pipeline: the reason and what is said."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import pytest

from poltergust.base.progress import Progress
from poltergust.base.reasons import Reason, ReasonKind
from poltergust.luigi_run import Report
from poltergust.luigi_run.scheduler import SchedulerClient
from tests.emulators.servers import free_port, wait_until
from tests.integration.luigi_run.conftest import Node


def said(report: Report) -> tuple[Reason, str]:
    return report.reason, report.detail


def test_a_tree_is_completed(node: Node) -> None:
    report = node.report("Tree")
    assert said(report) == (Reason.COMPLETE, "the root task is complete")
    assert report.progress == Progress(done=5)
    assert report.root_task_id.startswith("Tree_")
    assert node.executions("Leaf") == 4
    assert (node.shared / "Tree").exists()


def test_two_task_processes_at_once(node: Node) -> None:
    report = node.report("Tree", arguments={"workers": "2", "leaves": "6"})
    assert report.reason is Reason.COMPLETE
    assert node.executions("Leaf") == 6


def test_what_is_complete_already_is_not_run_nor_needs_a_scheduler(node: Node) -> None:
    (node.shared / "Tree").touch()
    report = node.report("Tree", scheduler_url=f"http://127.0.0.1:{free_port()}")
    assert said(report) == (Reason.COMPLETE, "the root task was complete already")
    assert node.executions("Leaf") == 0


def test_a_root_without_outputs_counts_when_this_run_executed_it(node: Node) -> None:
    report = node.report("NoOutput")
    assert said(report) == (
        Reason.EXECUTED_ROOT,
        "this run executed the root task, whose complete() stays false",
    )
    assert node.executions("NoOutput") == 1


def test_a_summary_that_luigi_cannot_make_takes_nothing_from_a_success(node: Node) -> None:
    started = node.start("NeedsText")
    assert started.report().reason is Reason.EXECUTED_ROOT, started.report().detail
    assert node.executions("NoOutput") == 1
    assert "TypeError: can only concatenate str" in started.log
    assert "poltergust: Luigi could not make its summary, which changes nothing else" in started.log


WRONG: list[tuple[str, dict[str, object], Reason, str]] = [
    (
        "Tree",
        {"module": "pipelin"},
        Reason.UNKNOWN_MODULE,
        "module pipelin is not in the environment nor on PYTHONPATH; did you mean pipeline?",
    ),
    (
        "Tree",
        {"module": "pipeline.py"},
        Reason.UNKNOWN_MODULE,
        "module pipeline.py is not in the environment nor on PYTHONPATH",
    ),
    (
        "Tree",
        {"module": "./pipeline"},
        Reason.UNKNOWN_MODULE,
        "module './pipeline' is not a module name: write it as Python imports it, such as package.module",
    ),
    (
        "Tree",
        {"module": "package.nothing"},
        Reason.UNKNOWN_MODULE,
        "module package.nothing is not in the environment nor on PYTHONPATH",
    ),
    (
        "Tree",
        {"module": "nopackage.sub"},
        Reason.UNKNOWN_MODULE,
        "module nopackage.sub (nopackage) is not in the environment nor on PYTHONPATH; did you mean package?",
    ),
    (
        "Tree",
        {"preload": ("nothing_of_the_kind_here",)},
        Reason.UNKNOWN_MODULE,
        "module nothing_of_the_kind_here is not in the environment nor on PYTHONPATH",
    ),
    (
        "Tree",
        {"module": "package.needs_other"},
        Reason.IMPORT_ERROR,
        "importing package.needs_other failed: ModuleNotFoundError: No module named 'no_such_library'"
        " ({pipelines}/package/needs_other.py:4)",
    ),
    (
        "Tree",
        {"module": "package.needs_own_part"},
        Reason.IMPORT_ERROR,
        "importing package.needs_own_part failed: ModuleNotFoundError: No module named 'package.gone'"
        " ({pipelines}/package/needs_own_part.py:4)",
    ),
    (
        "Tree",
        {"module": "package.exits"},
        Reason.IMPORT_ERROR,
        "importing package.exits failed: SystemExit: not today ({pipelines}/package/exits.py:5)",
    ),
    ("Tre", {}, Reason.UNKNOWN_TASK, "module pipeline has no task Tre; did you mean Tree?"),
    ("tree", {}, Reason.UNKNOWN_TASK, "module pipeline has no task tree; did you mean Tree?"),
    ("Spaced", {}, Reason.UNKNOWN_TASK, "module pipeline has no task Spaced; did you mean space.Spaced?"),
    (
        "Xyzzy",
        {"module": "package.twice"},
        Reason.UNKNOWN_TASK,
        "module package.twice has no task Xyzzy; it has Other",
    ),
    (
        "Twice",
        {"module": "package.twice"},
        Reason.UNKNOWN_TASK,
        "task Twice is ambiguous: more than one class of that name is loaded; give one a task_namespace",
    ),
    (
        "Tree",
        {"arguments": {"leafs": "3"}},
        Reason.UNKNOWN_PARAMETER,
        "task Tree has no parameter leafs, nor has luigi such an option; did you mean leaves?",
    ),
    (
        "Tree",
        {"arguments": {"Setings_word": "a"}},
        Reason.UNKNOWN_PARAMETER,
        "task Tree has no parameter Setings-word, nor has luigi such an option; did you mean Settings-word?",
    ),
    (
        "Tree",
        {"arguments": {"zzzzzzzz": None}},
        Reason.UNKNOWN_PARAMETER,
        "task Tree has no parameter zzzzzzzz, nor has luigi such an option; it has leaves, mark, seconds",
    ),
    (
        "Tree",
        {"arguments": {"background": "true"}},
        Reason.UNKNOWN_PARAMETER,
        "task Tree has no parameter background, and it is an option of luigid, not of luigi",
    ),
    ("Needy", {"arguments": {"count": "1"}}, Reason.MISSING_PARAMETER, "task Needy needs parameter when"),
    ("Needy", {}, Reason.MISSING_PARAMETER, "task Needy needs parameters count, when"),
    (
        "Needy",
        {"arguments": {"count": "many", "when": "2024-01-01"}},
        Reason.INVALID_PARAMETER,
        "parameter count of task Needy: 'many' is not a whole number"
        " (ValueError: invalid literal for int() with base 10: 'many')",
    ),
    (
        "Needy",
        {"arguments": {"count": "1", "when": "tomorrow"}},
        Reason.INVALID_PARAMETER,
        "parameter when of task Needy: 'tomorrow' is not a date such as 2024-01-31"
        " (ValueError: time data 'tomorrow' does not match format '%Y-%m-%d')",
    ),
    (
        "Needy",
        {"arguments": {"count": "1", "when": "2024-01-01", "switch": "yes"}},
        Reason.INVALID_PARAMETER,
        "parameter switch of task Needy: 'yes' is not true or false (ValueError: cannot interpret 'yes' as boolean)",
    ),
    (
        "Needy",
        {"arguments": {"count": "1", "when": "2024-01-01", "secret": "hunter2"}},
        Reason.INVALID_PARAMETER,
        "parameter secret of task Needy: the value is not a whole number (ValueError)",
    ),
    (
        "Tree",
        {"arguments": {"workers": "two"}},
        Reason.INVALID_PARAMETER,
        "parameter workers of task core: 'two' is not a whole number"
        " (ValueError: invalid literal for int() with base 10: 'two')",
    ),
    (
        "Needy",
        {"files": {"run.cfg": "[Needy]\ncount = many\nwhen = 2024-01-01\n"}, "env": {"LUIGI_CONFIG_PATH": "run.cfg"}},
        Reason.INVALID_PARAMETER,
        "parameter count of task Needy: what luigi's configuration or options say is not a whole number"
        " (ValueError: invalid literal for int() with base 10: 'many')",
    ),
    (
        "BrokenInit",
        {},
        Reason.SCHEDULING_FAILED,
        "making task BrokenInit failed: RuntimeError: cannot be made",
    ),
    (
        "BrokenComplete",
        {},
        Reason.SCHEDULING_FAILED,
        "complete() of BrokenComplete raised OSError: cannot look",
    ),
    (
        "BrokenDependency",
        {},
        Reason.SCHEDULING_FAILED,
        "complete() or requires() raised in BrokenComplete: OSError: cannot look",
    ),
    (
        "NeedsData",
        {},
        Reason.DATA_MISSING,
        "external data is not there yet: Data(mark={mark}): {shared}/data",
    ),
    (
        "ForgetsOutput",
        {},
        Reason.OUTPUT_MISSING,
        "ForgetsOutput(mark={mark}) ran to its end without an error, and what it declares as its output is not there:"
        " {shared}/ForgetsOutput",
    ),
    ("Late", {}, Reason.COMPLETE, "the root task is complete"),
    (
        "NeedsForgetful",
        {},
        Reason.TASK_FAILED,
        "NeedsForgetful failed as often as it may: RuntimeError: ForgetsOutput(mark={mark}) ran to its end without an"
        " error, and its output is not there: {shared}/ForgetsOutput",
    ),
    ("FailsAtLength", {}, Reason.TASK_FAILED, "FailsAtLength failed as often as it may: ValueError: no such row"),
    (
        "RequiresItself",
        {},
        Reason.CIRCULAR_REQUIREMENT,
        "tasks require each other in a circle: RequiresItself(mark={mark}) → RequiresItself(mark={mark})",
    ),
    (
        "CircleA",
        {},
        Reason.CIRCULAR_REQUIREMENT,
        "tasks require each other in a circle: CircleA(mark={mark}) → CircleB(mark={mark}) → CircleA(mark={mark})",
    ),
    (
        "CircleOfWrappers",
        {},
        Reason.CIRCULAR_REQUIREMENT,
        "tasks require each other in a circle: CircleOfWrappers → CircleOfWrappers",
    ),
    (
        "Tree",
        {"arguments": {"workers": "0"}},
        Reason.INVALID_PARAMETER,
        "workers is 0: nothing would ever run; write 1 or more",
    ),
    (
        "Tree",
        {"files": {"run.cfg": "[core]\nworkers = -1\n"}, "env": {"LUIGI_CONFIG_PATH": "run.cfg"}},
        Reason.INVALID_PARAMETER,
        "workers is -1: nothing would ever run; write 1 or more",
    ),
    ("Odd", {}, Reason.TASK_FAILED, r"Odd failed as often as it may: ValueError: no such file: caf\udce9"),
    (
        "RaisesUnprintable",
        {},
        Reason.SCHEDULING_FAILED,
        "complete() of RaisesUnprintable raised Unprintable: (its text cannot be made)",
    ),
    (
        "External",
        {},
        Reason.TASK_FAILED,
        "External failed as often as it may: luigi.contrib.external_program.ExternalProgramRunError: Program failed"
        " with return code=3: COMMAND: sh -c echo no such table >&2; exit 3 STDERR: no such table",
    ),
    (
        "ReturnsBytes",
        {},
        Reason.SCHEDULING_FAILED,
        "luigi ended with TypeError: Object of type bytes is not JSON serializable",
    ),
    (
        "Tree",
        {"arguments": {"leaves": "4", "worker-task-limit": "3"}},
        Reason.SCHEDULING_FAILED,
        "2 task(s) cannot be scheduled: they are more than worker-task-limit, or their complete() or requires() raised"
        " on another node",
    ),
    ("NeedsSwitchedOff", {}, Reason.TASK_DISABLED, "SwitchedOff is disabled in its code"),
    ("NeedsFailing", {}, Reason.TASK_FAILED, "Failing failed as often as it may: ValueError: the data is bad"),
    ("FailsToTell", {}, Reason.TASK_FAILED, "FailsToTell failed as often as it may: ValueError: the data is bad"),
    (
        "FailsToTell",
        {"arguments": {"workers": "2"}},
        Reason.TASK_FAILED,
        "FailsToTell failed as often as it may: ValueError: the data is bad",
    ),
    (
        "FailsWithOwner",
        {"files": {"run.cfg": "[email]\nmethod = sendgrid\n"}, "env": {"LUIGI_CONFIG_PATH": "run.cfg"}},
        Reason.TASK_FAILED,
        "FailsWithOwner failed as often as it may: ValueError: the data is bad",
    ),
    ("NeedsTextAndFailing", {}, Reason.TASK_FAILED, "Failing failed as often as it may: ValueError: the data is bad"),
    (
        "NeedsFailing",
        {"budget": 2},
        Reason.TASK_RETRY,
        "Failing failed and will be tried again: ValueError: the data is bad",
    ),
    ("SysExit", {}, Reason.TASK_FAILED, "SysExit failed as often as it may: SystemExit: enough"),
    (
        "ExitsAtOnce",
        {},
        Reason.CHILD_DIED,
        "the Luigi process ended with exit code 0 and without a result (a crash, a kill, or os._exit in a task);"
        " it ran ExitsAtOnce(mark={mark}, code=0)",
    ),
    (
        "Killed",
        {},
        Reason.CHILD_DIED,
        "the Luigi process ended with signal 9 and without a result (a crash, a kill, or os._exit in a task);"
        " it ran Killed(mark={mark})",
    ),
    (
        "Killed",
        {"arguments": {"workers": "2"}},
        Reason.TASK_FAILED,
        "Killed failed as often as it may: Task {root} died unexpectedly with exit code -9",
    ),
    (
        "ExitsAtOnce",
        {"arguments": {"workers": "2"}},
        Reason.TASK_FAILED,
        "ExitsAtOnce failed as often as it may:"
        " Task {root} ended its process with exit code 0 and no result (os._exit?)",
    ),
]


@pytest.mark.parametrize(
    ("task", "request_", "reason", "detail"),
    WRONG,
    ids=[f"{row[2].code}-{row[0]}-{number}" for number, row in enumerate(WRONG)],
)
def test_reason_and_message(node: Node, task: str, request_: dict[str, object], reason: Reason, detail: str) -> None:
    started = node.start(task, **request_)  # type: ignore[arg-type]
    report = started.report()
    pipelines = os.path.join(os.path.dirname(__file__), "pipelines")
    expected = detail.replace("{pipelines}", pipelines).replace("{root}", report.root_task_id)
    expected = expected.replace("{mark}", node.shared.name).replace("{shared}", str(node.shared))
    assert said(report) == (reason, expected), started.log
    assert "hunter2" not in started.log


def test_a_luigi_that_cannot_be_imported_is_named(node: Node) -> None:
    """Such as Luigi 2.8 in Python 3.11."""
    luigi = node.scratch / "path" / "luigi.py"
    luigi.parent.mkdir()
    luigi.write_text("import inspect\ninspect.no_longer_there\n")
    report = node.report("Tree", env={"PYTHONPATH": str(luigi.parent)})
    assert report.reason is Reason.IMPORT_ERROR
    assert report.detail.startswith("importing luigi failed: AttributeError: module 'inspect' has no attribute ")


def test_the_members_of_a_batch_ran_where_it_ran(node: Node) -> None:
    started = node.start("NeedsForgetfulBatch")
    report = started.report()
    (failure,) = report.failures
    assert failure.error.count(" ran to its end without an error, ") == 2, failure.error
    assert "* 2 ran successfully" in started.log


def test_a_syntax_error_in_the_module_is_the_nodes_import_error(node: Node) -> None:
    report = node.report("Tree", module="broken", files={"broken.py": "import luigi\n\ndef (:\n"})
    assert report.reason is Reason.IMPORT_ERROR
    assert report.detail.startswith("importing broken failed: SyntaxError: ")
    assert "broken.py, line 3" in report.detail


@pytest.mark.parametrize("call", ["luigi.run()", "luigi.build([Mine()], local_scheduler=True)"])
def test_a_module_that_runs_luigi_while_it_is_imported_is_named(node: Node, call: str) -> None:
    text = f"import luigi\n\nclass Mine(luigi.Task):\n    pass\n\n{call}\n"
    report = node.report("Mine", module="unguarded", files={"unguarded.py": text})
    assert report.reason is Reason.IMPORT_ERROR
    what = 'while it is imported; write it below: if __name__ == "__main__":'
    assert report.detail.endswith(f"/unguarded.py:6 calls {call.partition('(')[0]}() {what}")


def test_what_a_task_runs_by_itself_later_is_its_own_affair(node: Node) -> None:
    text = "from luigi import build\nimport pipeline\nclass Inner(pipeline.Marked):\n    pass\n"
    text += "class Mine(pipeline.Marked):\n    def work(self):\n"
    text += "        assert build([Inner()], local_scheduler=True, log_level='ERROR')\n"
    report = node.report("Mine", module="nested", files={"nested.py": text})
    assert report.reason is Reason.COMPLETE
    assert node.executions("Inner") == 1


FOREIGN = {
    "sqlalchemy": (
        "import sqlalchemy",
        "sqlalchemy.create_engine('sqlite://').connect().execute(sqlalchemy.text('select secret from nowhere'))",
        "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) no such table: nowhere",
    ),
    "pydantic": (
        "import pydantic\nclass Order(pydantic.BaseModel):\n    count: int",
        "Order(count='many')",
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for Order count Input should be a valid"
        " integer, unable to parse string as an integer [type=int_parsing, input_value='many', input_type=str]",
    ),
    "exception-group": (
        "import asyncio",
        "raise ExceptionGroup('two things', [ValueError('a'), KeyError('b')])",
        "ExceptionGroup: two things (2 sub-exceptions)",
    ),
    "cause": (
        "",
        "\n".join(["try:", "            {}['key']", "        except KeyError as error:"])
        + "\n            raise RuntimeError('no such key\\nsecond line') from error",
        "RuntimeError: no such key",
    ),
}


@pytest.mark.parametrize("name", list(FOREIGN))
def test_the_type_and_first_line_of_other_peoples_exceptions(node: Node, name: str) -> None:
    if name == "exception-group" and sys.version_info < (3, 11):
        pytest.skip("groups came with Python 3.11")
    head, call, said_first = FOREIGN[name]
    text = f"import pipeline\n{head}\nclass Mine(pipeline.Marked):\n    def work(self):\n        {call}\n"
    report = node.report("Mine", module="foreign", files={"foreign.py": text})
    assert said(report) == (Reason.TASK_FAILED, f"Mine failed as often as it may: {said_first}")


def test_our_own_questions_leave_no_warnings_in_the_log(node: Node) -> None:
    text = "import luigi\nclass Plain(luigi.Task):\n    def run(self):\n        pass\n"
    started = node.start("Plain", module="plain", files={"plain.py": text}, env={"PYTHONWARNINGS": "default"})
    assert started.report().reason is Reason.EXECUTED_ROOT
    assert not [line for line in started.lines if "poltergust" in line and "Warning" in line], started.log


@pytest.mark.parametrize("name", ["my-pipeline", "2026_pipeline"])
def test_a_module_that_can_be_imported_by_name_only(node: Node, name: str) -> None:
    text = "import pipeline\nclass Mine(pipeline.Marked):\n    pass\n"
    assert node.report("Mine", module=name, files={f"{name}.py": text}).reason is Reason.COMPLETE


def test_a_tasks_own_number_of_tries_counts_beside_one_that_failed_for_good(node: Node) -> None:
    reasons = [node.report("NeedsSettlesAndFailing").reason for _ in range(4)]
    assert reasons == [Reason.TASK_RETRY] * 3 + [Reason.TASK_FAILED]
    assert node.executions("Settles") == 4
    assert node.executions("Failing") == 1


def test_a_failure_tells_the_task_and_its_traceback(node: Node) -> None:
    report = node.report("NeedsFailing")
    (failure,) = report.failures
    assert failure.family == "Failing"
    assert failure.task_id.startswith("Failing_")
    assert 'raise ValueError("the data is bad")' in failure.error
    assert report.progress == Progress(done=1, failed=1, pending=1)


def test_the_rest_of_the_pipeline_runs_although_one_task_fails(node: Node) -> None:
    node.report("NeedsFailing")
    assert node.executions("Leaf") == 1


def test_missing_data_holds_up_only_what_needs_it_and_appears_later(node: Node) -> None:
    assert node.report("NeedsData").reason.kind is ReasonKind.WAITING
    assert node.executions("Leaf") == 1
    (node.shared / "data").touch()
    assert node.report("NeedsData").reason is Reason.COMPLETE


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "http://user:secret@127.0.0.1:{port}"])
def test_no_scheduler(node: Node, url: str) -> None:
    port = free_port()
    started = node.start("Tree", scheduler_url=url.format(port=port))
    report = started.report()
    assert report.reason is Reason.SCHEDULER_UNREACHABLE
    assert report.detail.startswith(f"the scheduler at http://127.0.0.1:{port} does not answer: ")
    assert "secret" not in report.detail + started.log


def test_killed_from_outside(node: Node) -> None:
    started = node.start("Held")
    wait_until((node.shared / "held").exists, "the task to run")
    os.kill(started.run.pid, signal.SIGKILL)
    report = started.report()
    assert report.reason is Reason.CHILD_DIED
    assert report.detail.endswith(f"; it ran Held(mark={node.shared.name})")


def test_what_a_dead_process_ran_goes_back_to_the_others_at_once(make_node: Callable[[], Node]) -> None:
    """The scheduler would take the worker for gone after a minute."""
    first, second = make_node(), make_node()
    started = first.start("NeedsHeld", budget=2)
    wait_until((first.shared / "held").exists, "the task to run")
    waiting = second.start("NeedsHeld", budget=2, idle=60)
    wait_until(lambda: waiting.run.progress().running == 1, "the second node to see it running")
    os.kill(started.run.pid, signal.SIGKILL)
    started.report()
    tasks = SchedulerClient(first.scheduler_url).graph(waiting.run.root_task_id()).tasks.values()
    assert started.worker not in [task.running_on for task in tasks if task.status == "RUNNING"]
    (first.shared / "go").touch()
    assert waiting.report().reason is Reason.COMPLETE
    assert first.executions("Held") == 2
