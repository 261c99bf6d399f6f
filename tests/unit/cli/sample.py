"""One path as it could stand at noon, the same every time: what the recorded screens show."""

from __future__ import annotations

from poltergust.base.progress import Progress, TaskFailure
from poltergust.observe.scheduler_view import Now, RunningTask
from poltergust.path.layout import Kind
from poltergust.path.reading import summary
from poltergust.path.reading.model import By, ConfigView, Detail, NodeView, PathView, TaskFileSummary
from poltergust.path.records import NodeRecord, PhaseTimings, RunEnvironment, RunRecord, Seen, State

NOW = 1_750_000_000.0
PATH = "gs://mybucket/pipeline"
GENERATION = "1749999000123456"
ESCAPES = "\x1b[31mred\x1b[0m \x1b]0;title\x07bell\x07 \u202eback"


def node(name: str, age: float, running: tuple[str, ...] = (), **more: object) -> NodeView:
    fields = {"taking": True, "state": "ready", "waiting": 0, "slots": 2, **more}
    record = NodeRecord(
        name,
        "i",
        "0.1.0",
        f"{name}.local",
        7,
        "http://head:8082",
        False,
        running=running,
        **fields,  # type: ignore[arg-type]
    )
    return summary.node(Seen(record, NOW - age), NOW)


def nodes() -> tuple[NodeView, ...]:
    return (
        node("node-1", 3, ("nightly", "reports/march")),
        node("node-2", 40, ("nightly",), state="draining"),
        node("node-3", 725, ("nightly",), waiting=2),
        node(
            "node-4",
            8,
            problems=("node-1 is alive on this path too, and this agent runs a scheduler of its own",),
            taking=False,
        ),
    )


def run(node: str, state: State, age: float, **more: object) -> Seen[RunRecord]:
    fields: dict[str, object] = {
        "attempts": 1,
        "started": NOW - 250,
        "scheduler": "http://head:8082",
        "environment": RunEnvironment("gs://mybucket/environment/myenv.yaml", python="3.8.20", built=True),
        **more,
    }
    return Seen(RunRecord("nightly", GENERATION, node, state=state, **fields), NOW - age)  # type: ignore[arg-type]


def config(name: str, kind: Kind, age: float, *records: Seen[RunRecord]) -> ConfigView:
    url = f"{PATH}/{name}{kind.suffix}"
    found = summary.runs(records, nodes(), NOW)
    return summary.config(name, url, NOW - age, NOW, kind=kind, generation=GENERATION, found=found)


def running() -> ConfigView:
    counts = Progress(done=12, running=3, pending=24, failed=1)
    return config(
        "nightly",
        Kind.CONFIG,
        252,
        run("node-1", State.RUNNING, 4, progress=counts, timings=PhaseTimings(12.34)),
        run("node-2", State.PREPARING, 9),
        run("node-3", State.RUNNING, 725, timings=PhaseTimings(11.0)),
    )


def failed(
    text: str = "Report failed as often as it may: KeyError: 'amount'",
    task: str = "Report_2025_06_15_9b1c",
    name: str = "Report(date=2025-06-15)",
) -> ConfigView:
    error = 'Traceback (most recent call last):\n  File "reports.py", line 31, in run\n'
    error += "    row['amount']\nKeyError: 'amount'\n"
    return config(
        "weekly",
        Kind.ERROR,
        7300,
        run(
            "node-1",
            State.ENDED,
            7300,
            outcome="error",
            renamed=False,
            reason="task-failed",
            text=text,
            started=NOW - 7331,
            timings=PhaseTimings(0.02, 28.1),
        ),
        run(
            "node-2",
            State.ENDED,
            7300,
            outcome="error",
            renamed=True,
            reason="task-failed",
            text=text,
            started=NOW - 7330,
            timings=PhaseTimings(1.5, 27.9),
            failures=(TaskFailure(task, "Report", error, name),),
            progress=Progress(done=1, pending=1, failed=1),
        ),
    )


def waiting() -> ConfigView:
    text = "waiting for external data: Table_sales_2025_06_15 is not there yet"
    return config("reports/march", Kind.CONFIG, 95, run("node-1", State.WAITING, 90, reason="data-missing", text=text))


def done() -> ConfigView:
    end = run(
        "node-1",
        State.ENDED,
        720,
        outcome="done",
        renamed=True,
        reason="complete",
        text="the root task is complete",
        started=NOW - 723,
        progress=Progress(done=5),
    )
    return config("hourly", Kind.DONE, 720, end)


def retrying() -> ConfigView:
    text = "gs://mybucket/environment/myenv.yaml: the package registry cannot be reached: Connection refused"
    more = {"reason": "registry-unreachable", "text": text, "attempts": 0, "attempts_made": 4, "retry_at": NOW + 38}
    return config("hourly-load", Kind.CONFIG, 300, run("node-1", State.RETRYING, 2, **more))


def looking() -> ConfigView:
    more = {"reason": "data-missing", "text": "external data is not there yet: Sales()", "retry_at": NOW + 38}
    return config("sales", Kind.CONFIG, 300, run("node-1", State.WAITING, 2, **more))


def queued() -> ConfigView:
    return config("a-config-with-quite-a-long-name-2025-06-15", Kind.CONFIG, 1)


def path() -> PathView:
    configs = (running(), waiting(), queued(), failed(), done())
    counts = {"running": 1, "waiting": 1, "queued": 1, "error": 1, "done": 15}
    return PathView(PATH, NOW, configs, nodes(), counts, hidden=14)


def all_waiting() -> PathView:
    full = tuple(node(name, 3, ("nightly", "hourly"), queue=("a", "b", queued().name)) for name in ("node-1", "node-2"))
    return PathView(PATH, NOW, (waiting(), retrying(), queued()), full)


LONG_NODE = "gke-pool-production-europe-west1-b-0123456789ab-poltergust-worker-7f9c"


def long_names() -> PathView:
    counts = Progress(done=12_000, running=3_000, pending=24_000, failed=1)
    name = "reports/2025/06/15/nightly-sales-by-country-and-product-group"
    view = config(name, Kind.CONFIG, 252, run(LONG_NODE, State.RUNNING, 4, progress=counts))
    return PathView(PATH, NOW, (view,), (node(LONG_NODE, 3, (name, "b", "c", "d")),), {"running": 1})


def detail(view: ConfigView) -> Detail:
    document = TaskFileSummary(task="reports.Nightly", environment="../environment/myenv.yaml")
    return Detail(view, document, By("anna@desk", NOW - 252), nodes=nodes())


def now() -> Now:
    tasks = (RunningTask("Report_1", "Report", "node-1"), RunningTask("Load_1", "Load", ""))
    return Now(Progress(done=14, running=2, pending=23, failed=1), tasks)


def hostile() -> PathView:
    """Everything a bucket's writer can put in, with terminal codes in it."""
    text = f"{ESCAPES}\nsecond line"
    end = run(
        "n",
        State.ENDED,
        5,
        outcome="error",
        renamed=True,
        reason=ESCAPES,
        text=text,
        scheduler=ESCAPES,
        environment=RunEnvironment(ESCAPES, python=ESCAPES),
        timings=PhaseTimings(1.0),
        failures=(TaskFailure(ESCAPES, "", text),),
    )
    bad = config(f"x{ESCAPES}", Kind.ERROR, 5, end)
    heart = node(ESCAPES, 5, (ESCAPES,), problems=(text,))
    return PathView(PATH, NOW, (bad,), (heart,), {"error": 1})
