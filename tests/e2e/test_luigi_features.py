"""What Luigi can do, done by two nodes on a folder and on a bucket; every config is dropped at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.paths import Place
from tests.emulators.luigid import luigid
from tests.emulators.servers import wait_until


@dataclass(frozen=True)
class Pipeline:
    """A config `name`: its root task, what else the file says, and the files it leaves with what is in them."""

    name: str
    task: str
    arguments: Mapping[str, str]
    more: str = ""
    files: Mapping[str, str] | None = None


PIPELINES = (
    Pipeline("dynamic", "Dynamic", {}, files={"Dynamic": "11\n12\n"}),
    Pipeline(
        "range",
        "RangeDaily",
        {"of": "Daily", "start": "2026-05-01", "stop": "2026-05-04", "days-back": "36500"},
        files={f"Daily-2026-05-0{day}": f"2026-05-0{day}\n" for day in (1, 2, 3)},
    ),
    Pipeline("batches", "NeedsBatches", {}, files={"NeedsBatches": "batched\n" * 4}),
    Pipeline("resources", "NeedsLicence", {"workers": "2"}, files={"NeedsLicence": "licensed\n" * 4}),
    Pipeline("priorities", "NeedsUrgent", {}, files={"NeedsUrgent": "urgent\n" * 5}),
    Pipeline("namespace", "shop.Report", {}, files={"shop.Report": "namespace\n"}),
    Pipeline(
        "configuration",
        "Configured",
        {},
        more="luigi-config:\n  greeting:\n    word: hello\n  Configured:\n    times: 3\n",
        files={"Configured-3": "hello 3\n"},
    ),
    Pipeline("events", "Eventful", {}, files={"Eventful": "event\n", "success.runs": "Eventful\n"}),
    Pipeline(
        "wrapper", "Everything", {"workers": "2"}, files={f"Part-{number}": f"{number}\n" for number in range(20, 24)}
    ),
    Pipeline("top-artists", "TopArtists", {"date-interval": "2026-W20"}, files={}),
    Pipeline("word-count", "WordCount", {"date-interval": "2026-06"}, files={"WordCount-2026-06": "30\n"}),
)


@pytest.fixture(scope="module")
def shared(place: Place, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two nodes at work on all pipelines; the folder that both see."""
    shared = place.scratch / "shared"
    shared.mkdir()
    # A scheduler of their own: on the one that all tests share the two kinds of path would share these tasks, too.
    with luigid(tmp_path_factory.mktemp("luigid")) as scheduler, contextlib.ExitStack() as stack:
        for node in ("one", "two"):
            options = ["--retries", "0", "--scheduler-url", scheduler, "--parallel", "32"]
            stack.enter_context(place.agent(node, shared_cache, *options, SHARED=str(shared)))
        for each in (*PIPELINES, Pipeline("external", "NeedsDelivery", {}), Pipeline("failure", "EventfulFailure", {})):
            arguments = "".join(f"  {name}: {value}\n" for name, value in each.arguments.items())
            place.put(each.name, f"  module: features\n  name: {each.task}\n{arguments}", more=each.more)
        yield shared


def lines(path: Path) -> list[str]:
    return path.read_text().split()


def test_external_data_comes_later(place: Place, shared: Path) -> None:
    waiting = place.until_records("external", "a node to wait for the data", reason="data-missing")
    assert waiting["text"] == f"external data is not there yet: Delivery: {shared}/delivery"
    (shared / "delivery").write_text("delivered")
    place.until("external", "done")
    assert (shared / "NeedsDelivery").read_text() == "delivered"


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda pipeline: pipeline.name)
def test_it_is_done_and_leaves_what_it_should(place: Place, shared: Path, pipeline: Pipeline) -> None:
    place.until(pipeline.name, "done")
    for name, text in (pipeline.files or {}).items():
        assert (shared / name).read_text() == text
    winner = place.until_records(pipeline.name, "the winner's record", renamed=True)
    assert winner["reason"] in ("complete", "executed-root")


def test_each_task_ran_once_on_whichever_node(place: Place, shared: Path) -> None:
    for pipeline in PIPELINES:
        place.until(pipeline.name, "done")
    # Those of the dynamic pipeline and of the wrapper; the days of the range and of June.
    assert (len(lines(shared / "Part.runs")), len(lines(shared / "Daily.runs"))) == (3 + 4, 3 + 30)
    assert len(lines(shared / "Streams.runs")) == 7
    assert set(lines(shared / "Daily.runs")) <= {"one", "two"}


def test_batches_take_several_at_once(place: Place, shared: Path) -> None:
    place.until("batches", "done")
    taken = lines(shared / "Batched.runs")
    assert sorted(",".join(taken).split(",")) == ["a", "b", "c", "d"]
    assert len(taken) < 4


def test_the_urgent_come_first(place: Place, shared: Path) -> None:
    place.until("priorities", "done")
    order = [int(urgency) for urgency in lines(shared / "order.runs")]
    assert sorted(order) == [10, 30, 50, 70, 90]
    assert 90 in order[:2], "two nodes take the first two"
    assert 10 in order[-2:]


def test_a_failure_has_its_event_and_a_reason_whatever_its_text_is(place: Place, shared: Path) -> None:
    place.until("failure", "error")
    record = place.until_records("failure", "the winner's record", renamed=True)
    assert (record["reason"], record["text"]) == (
        "task-failed",
        r"EventfulFailure failed as often as it may: ValueError: no such file: caf\udce9",
    )
    assert lines(shared / "failure.runs") == ["ValueError"]
    wait_until(lambda: r"caf\udce9" in place.log("failure"), "the text in the log")
