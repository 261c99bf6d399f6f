"""The reconciler around one attempt: what it leaves in the records, which nodes it takes to be still trying, when the
name is reconciled again. The attempt itself is given, the storage is in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from poltergust import __version__
from poltergust.base.clock import SystemClock
from poltergust.base.reasons import Reason
from poltergust.base.stopping import Stopping
from poltergust.documents import EnvironmentSpec, TaskFile
from poltergust.luigi_run import GraphStatus
from poltergust.path import layout
from poltergust.path.layout import Kind
from poltergust.path.records import NodeRecord, RunRecord, State
from poltergust.path.state import PathState
from poltergust.runs.attempt import Attempts
from poltergust.runs.context import RunContext, RunObserver, SharedScheduler
from poltergust.runs.first_node import Turns
from poltergust.runs.journal import Journal
from poltergust.runs.known_runs import Runs
from poltergust.runs.live_nodes import FRESH_SECONDS
from poltergust.runs.reconciler import Reconciler
from poltergust.runs.retry_policy import FIRST_RETRY_SECONDS, LOOK_CPU_SECONDS, MAX_LOOKS_SHARE
from poltergust.runs.run import Run, Verdict
from poltergust.runs.settings import RunSettings
from poltergust.stores import Entry, NotFound
from poltergust.workqueue import Item, WorkQueue
from tests.emulators.memory import Bucket, Call, Fault, MemoryStore
from tests.emulators.servers import wait_until
from tests.stored_records import record_of

URL = "http://scheduler:8082"
PATH = layout.WatchedPath("gs://bucket/pipeline")
TASK = b"environment: gs://bucket/environment/e.yaml\ntask: {name: T, module: m}\n"


class Scripted:
    """Attempts that end as the test says."""

    def __init__(self) -> None:
        self.verdict = Verdict(Reason.COMPLETE, "the root task is complete")
        self.error: Exception | None = None
        self.meanwhile: Callable[[Run], None] = lambda run: None
        self.made = 0

    def begin(self, run: Run, environment_url: str) -> None:
        """Nothing to ask for."""

    def attempt(self, run: Run, item: Item, task: TaskFile, spec: EnvironmentSpec, locks: None) -> Verdict:
        self.made += 1
        self.meanwhile(run)
        if self.error is not None:
            raise self.error
        return self.verdict


class Observer(RunObserver):
    """Fails when a bug is wanted outside of any attempt."""

    broken = False

    def reconciled(self, verdict: Verdict) -> None:
        if self.broken:
            raise RuntimeError("unforeseen")


class Ahead(SystemClock):
    """The machine's clock, `seconds` later."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.seconds


class Node:
    """One node's reconciler on `bucket`."""

    def __init__(
        self,
        bucket: Bucket,
        name: str,
        retries: int = 0,
        labels: tuple[str, ...] = (),
        journal: Journal | None = None,
    ) -> None:
        self._name = name
        self._labels = labels
        self.clock = Ahead()
        self.calls: list[str] = []  # of the storage: operation and URL
        self.away = False  # the storage does not answer
        store = MemoryStore(bucket, self._gate)
        self.attempts, self.observer = Scripted(), Observer()
        self._state = state = PathState(store, PATH, name, "i")
        self.records = state.records
        scheduler = SharedScheduler(URL, URL, lambda root: GraphStatus(running=1, runnable=False))
        unused = Path("unused")
        context = RunContext(
            RunSettings(retries=retries, labels=labels),
            state,
            scheduler,
            Stopping(),
            unused,
            unused,
            journal=Journal() if journal is None else journal,
            clock=self.clock,
            observer=self.observer,
        )
        self.runs = Runs(context)
        self._queue = WorkQueue()
        turns = Turns(context)
        self.reconciler = Reconciler(context, self.runs, cast(Attempts, self.attempts), turns, lambda url: store)
        self.beat()

    def beat(self, version: str = "0", taking: bool = True, running: tuple[str, ...] = ()) -> None:
        record = NodeRecord(self._name, "i", version, "h", 1, "", False, taking, "ready", running, labels=self._labels)
        self.records.save_node(record)

    def _gate(self, call: Call) -> Fault | None:
        self.calls.append(f"{call.operation} {call.url.removeprefix(PATH.root)}")
        return Fault.UNAVAILABLE if self.away else None

    def reconcile(self, name: str = "x") -> float | None:
        self._queue.add(name)
        item = self._queue.get()
        assert item is not None
        try:
            return self.reconciler.reconcile(item).requeue_after
        finally:
            self._queue.done(item)
            assert self._state.background.flush(60)

    def record(self, generation: str, name: str = "x") -> RunRecord:
        record = record_of(self.records, name, generation, self._name)
        assert record is not None
        return record


@pytest.fixture
def bucket() -> Bucket:
    made = Bucket(time.time)
    made.put("gs://bucket/environment/e.yaml", b"dependencies: []\n")
    return made


@pytest.fixture
def put(bucket: Bucket) -> Callable[..., str]:
    def upload(data: bytes = TASK, name: str = "x") -> str:
        return str(bucket.put(PATH.of(name, Kind.CONFIG), data).generation)

    return upload


FAILED = Verdict(Reason.INSTALL_FAILED, "no compiler")


def test_attempts_that_do_not_count_against_the_node_are_numbered_all_the_same(
    bucket: Bucket, put: Callable[..., str]
) -> None:
    generation, journal = put(), Journal()
    node = Node(bucket, "node", journal=journal)
    node.attempts.verdict = Verdict(Reason.REGISTRY_UNREACHABLE, "Could not resolve host: git.example")
    for number in (1, 2, 3):
        requeue_after = node.reconcile()
        record, now = node.record(generation), node.records.server_time()
        assert (record.state, record.attempts, record.attempts_made) == (State.RETRYING, 0, number)
        assert requeue_after is not None
        assert now is not None
        assert record.retry_at == pytest.approx(now + requeue_after, abs=1.0)
    again = Node(bucket, "node", journal=journal)  # the agent was started again
    again.attempts.verdict = Verdict(Reason.OTHERS_RUN, "other nodes run 1 task(s): T")
    again.reconcile()
    record = again.record(generation)
    assert (record.state, record.attempts_made, record.retry_at) == (State.WAITING, 4, None)


def test_what_is_given_back_while_the_attempt_still_ends_is_not_waited_for(
    bucket: Bucket, put: Callable[..., str]
) -> None:
    put()
    node = Node(bucket, "node")
    node.attempts.verdict = Verdict(Reason.OTHERS_RUN, "other nodes run 1 task(s): T")
    node.attempts.meanwhile = lambda run: run.freed.set()
    assert node.reconcile() == 0.0
    waits = node.reconcile()  # the scheduler was asked since then: others do run it
    assert waits is not None
    assert waits > 0.0


def test_the_last_node_to_give_up_says_error(bucket: Bucket, put: Callable[..., str]) -> None:
    put()
    first, second = Node(bucket, "first"), Node(bucket, "second")
    first.attempts.verdict = second.attempts.verdict = FAILED
    assert first.reconcile() is None
    assert PATH.of("x", Kind.ERROR) not in bucket.objects
    second.reconcile()
    assert PATH.of("x", Kind.ERROR) in bucket.objects


def test_a_node_that_was_stopped_and_started_again_is_still_trying(bucket: Bucket, put: Callable[..., str]) -> None:
    generation = put()
    back, other = Node(bucket, "back"), Node(bucket, "other")
    back.attempts.verdict = Verdict(Reason.DRAINED, "this node was asked to stop")
    assert back.reconcile() is None
    assert back.record(generation).state is State.ENDED
    back.beat()  # its next life says so before it reconciles anything
    other.attempts.verdict = FAILED
    assert other.reconcile() is None
    assert PATH.of("x", Kind.CONFIG) in bucket.objects, "it may yet succeed where the other could not"


def test_a_draining_node_that_still_runs_it_may_yet_succeed(bucket: Bucket, put: Callable[..., str]) -> None:
    put()
    other, drains = Node(bucket, "other"), Node(bucket, "drains")
    drains.beat(taking=False, running=("x",))
    other.attempts.verdict = FAILED
    assert other.reconcile() is None
    assert PATH.of("x", Kind.CONFIG) in bucket.objects
    drains.beat(taking=False)
    other.reconcile()
    assert PATH.of("x", Kind.ERROR) in bucket.objects


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        (Reason.DATA_MISSING, State.WAITING),
        (Reason.OTHERS_RUN, State.WAITING),
        (Reason.REGISTRY_UNREACHABLE, State.RETRYING),
    ],
)
def test_the_record_of_a_run_that_is_replaced_while_it_waits_ends(
    bucket: Bucket, put: Callable[..., str], tmp_path: Path, reason: Reason, state: State
) -> None:
    older, file = put(), tmp_path / "journal"
    node = Node(bucket, "node", journal=Journal(file))
    node.attempts.verdict = Verdict(reason, "not yet")
    node.reconcile()
    assert node.record(older).state is state
    newer = put(TASK + b"# repaired\n")
    node.reconcile()
    assert (node.record(older).state, node.record(older).reason) == (State.ENDED, "newer-generation")
    assert node.record(newer).state is state
    assert Journal(file).load("x", older) is None


@pytest.mark.parametrize("replaced", [True, False])
def test_what_an_earlier_agent_left_ends_as_well(
    bucket: Bucket, put: Callable[..., str], tmp_path: Path, replaced: bool
) -> None:
    older, file = put(), tmp_path / "journal"
    killed = Node(bucket, "node", journal=Journal(file))
    killed.attempts.verdict = Verdict(Reason.DATA_MISSING, "not yet")
    killed.reconcile()
    if replaced:
        put(TASK + b"# repaired\n")
    else:
        bucket.delete(PATH.of("x", Kind.CONFIG))
    journal = Journal(file)
    assert journal.left_names() == ["x"]  # the scan queues it, whether or not there is such a config
    node = Node(bucket, "node", journal=journal)
    node.reconcile()
    ended = node.record(older)
    assert (ended.state, ended.reason) == (State.ENDED, "newer-generation" if replaced else "config-gone")
    assert Journal(file).load("x", older) is None
    assert journal.left_names() == []


def test_another_names_records_are_not_this_runs(bucket: Bucket, put: Callable[..., str]) -> None:
    """The records of `x/<generation>` lie below the same prefix as those of `x` at that generation."""
    generation = put()
    node, other = Node(bucket, "node"), Node(bucket, "other")
    other.records.save_run(RunRecord(f"x/{generation}", "1", "other", state=State.GAVE_UP))
    node.attempts.verdict = FAILED
    assert node.reconcile() is None
    assert PATH.of("x", Kind.CONFIG) in bucket.objects, "the other node has not reconciled x yet"


def test_the_record_of_a_run_ends_when_another_node_brought_it_to_its_outcome(
    bucket: Bucket, put: Callable[..., str]
) -> None:
    generation = put()
    waits, wins = Node(bucket, "waits"), Node(bucket, "wins")
    waits.attempts.verdict = Verdict(Reason.OTHERS_RUN, "other nodes run 1 task(s): T")
    assert waits.reconcile() is not None
    assert waits.record(generation).state is State.WAITING
    wins.reconcile()
    assert waits.reconcile() is None
    assert (waits.record(generation).state, waits.record(generation).reason) == (State.ENDED, "config-gone")
    assert not waits.runs.knows("x")


def test_a_module_that_cannot_be_imported_is_tried_once_on_each_node(bucket: Bucket, put: Callable[..., str]) -> None:
    generation = put()
    first, second = Node(bucket, "first", retries=3), Node(bucket, "second", retries=3)
    for node in (first, second):
        node.attempts.verdict = Verdict(Reason.IMPORT_ERROR, "importing m failed: NameError: x")
    for _ in range(2):  # a scan brings the name back
        assert first.reconcile() is None
        assert (first.record(generation).state, first.record(generation).attempts) == (State.GAVE_UP, 1)
    second.reconcile()
    assert PATH.of("x", Kind.ERROR) in bucket.objects
    assert second.record(generation).text.endswith("import-error: importing m failed: NameError: x")


def test_why_a_node_gave_up_stays_in_its_record(bucket: Bucket, put: Callable[..., str]) -> None:
    generation = put()
    gives_up, wins = Node(bucket, "gives-up"), Node(bucket, "wins")
    gives_up.attempts.verdict = FAILED
    gives_up.reconcile()
    wins.reconcile()
    gives_up.reconcile()
    assert (gives_up.record(generation).state, gives_up.record(generation).text) == (State.GAVE_UP, "no compiler")


def test_a_newer_generation_does_not_inherit_the_delays_of_the_older(bucket: Bucket, put: Callable[..., str]) -> None:
    put()
    node = Node(bucket, "node", retries=100)
    node.attempts.verdict = replace(FAILED)
    for _ in range(8):
        delay = node.reconcile()
    assert delay is not None
    assert delay > FIRST_RETRY_SECONDS
    put(TASK + b"# repaired\n")
    delay = node.reconcile()
    assert delay is not None
    assert delay <= FIRST_RETRY_SECONDS


def test_while_the_storage_does_not_answer_nothing_is_decided_and_the_delays_grow(
    bucket: Bucket, put: Callable[..., str]
) -> None:
    generation = put()
    node = Node(bucket, "node")
    node.away = True
    delays = [node.reconcile() for _ in range(8)]
    assert all(delays)
    assert delays[-1] == max(delay for delay in delays if delay is not None)
    node.away = False
    assert record_of(node.records, "x", generation, "node") is None
    assert node.reconcile() is None
    assert PATH.of("x", Kind.DONE) in bucket.objects


def test_the_record_has_the_first_mistake_of_a_file_and_the_run_log_all(
    bucket: Bucket, put: Callable[..., str]
) -> None:
    generation = put(b"environment: e.yaml\ntask: {name: A, module: a.py}\nretries: many\n")
    node = Node(bucket, "node")
    assert node.reconcile() is None
    assert PATH.of("x", Kind.ERROR) in bucket.objects
    assert node.record(generation).text.endswith("without .py (and 1 more)")
    log = bucket.objects[PATH.log("x", generation, "node")].data.decode()
    assert "without .py\n" in log
    assert 'retries: "many" is not a whole number from 0 to 1,000\n' in log


NEW_KEY = TASK + b"key-of-a-newer-version: 1\n"


def test_while_a_newer_node_lives_an_unknown_key_is_this_nodes_trouble(bucket: Bucket, put: Callable[..., str]) -> None:
    generation = put(NEW_KEY)
    old, new = Node(bucket, "old", retries=3), Node(bucket, "new")
    new.beat(version="999.0")
    assert old.reconcile() is None
    record = old.record(generation)
    assert (record.state, record.reason) == (State.GAVE_UP, "newer-file")
    assert 'unknown key "key-of-a-newer-version"' in record.text
    assert f"new runs Poltergust 999.0, which may know it, and this node {__version__}" in record.text
    assert PATH.of("x", Kind.CONFIG) in bucket.objects


def test_an_unknown_key_of_an_environment_file_as_well(bucket: Bucket, put: Callable[..., str]) -> None:
    generation = put()
    bucket.put("gs://bucket/environment/e.yaml", b"dependencies: []\nkey-of-a-newer-version: 1\n")
    old, new = Node(bucket, "old"), Node(bucket, "new")
    new.beat(version="999.0")
    old.reconcile()
    assert old.record(generation).reason == "newer-file"


@pytest.mark.parametrize("beside", ["e.yaml.bak", None])
def test_a_missing_environment_file_is_waited_for_without_attempts(
    bucket: Bucket, put: Callable[..., str], monkeypatch: pytest.MonkeyPatch, beside: str | None
) -> None:
    """Whatever stands beside it, and where its bucket is missing as well."""
    generation = put()
    if beside is None:
        listed = MemoryStore.list

        def no_bucket(store: MemoryStore, prefix: str, **options: str) -> Iterator[Entry]:
            if prefix.startswith("gs://bucket/environment/"):
                raise NotFound(f"{prefix}: there is no such bucket")
            return listed(store, prefix, **options)

        monkeypatch.setattr(MemoryStore, "list", no_bucket)
    else:
        bucket.put(f"gs://bucket/environment/{beside}", b"dependencies: []\n")
    del bucket.objects["gs://bucket/environment/e.yaml"]
    node = Node(bucket, "node")
    for _ in range(3):
        node.reconcile()
        record = node.record(generation)
        assert (record.state, record.reason, record.attempts_made) == (State.RETRYING, "environment-awaited", 1)
    monkeypatch.undo()
    bucket.put("gs://bucket/environment/e.yaml", b"dependencies: []\n")
    node.reconcile()
    assert node.attempts.made == 1


def test_a_node_that_was_upgraded_tries_what_it_gave_up_as_newer_than_itself(
    bucket: Bucket, put: Callable[..., str]
) -> None:
    generation, journal = put(), Journal()
    bucket.put("gs://bucket/environment/e.yaml", b"dependencies: []\nkey-of-a-newer-version: 1\n")
    node, new = Node(bucket, "node", journal=journal), Node(bucket, "new")
    new.beat(version="999.0")
    node.reconcile()
    assert node.record(generation).state is State.GAVE_UP
    bucket.put("gs://bucket/environment/e.yaml", b"dependencies: []\n")  # as a version that knows the key reads it
    again = Node(bucket, "node", journal=journal)
    again.reconcile()
    assert again.attempts.made == 1
    assert PATH.of("x", Kind.DONE) in bucket.objects


@pytest.mark.parametrize("version", [__version__, "0.0.1", "not a version", ""])
def test_an_unknown_key_is_an_error_where_no_node_is_newer(
    bucket: Bucket, put: Callable[..., str], version: str
) -> None:
    generation = put(NEW_KEY)
    node, other = Node(bucket, "node"), Node(bucket, "other")
    other.beat(version=version)
    assert node.reconcile() is None
    assert node.record(generation).reason == "unknown-key"
    assert PATH.of("x", Kind.ERROR) in bucket.objects


def test_other_mistakes_are_errors_whoever_is_newer(bucket: Bucket, put: Callable[..., str]) -> None:
    put(TASK + b"retries: many\n")
    node, other = Node(bucket, "node"), Node(bucket, "other")
    other.beat(version="999.0")
    assert node.reconcile() is None
    assert PATH.of("x", Kind.ERROR) in bucket.objects


def test_a_bug_that_an_attempt_shows_counts_as_a_failure_of_this_node(
    bucket: Bucket, put: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    generation = put()
    node = Node(bucket, "node", retries=1)
    node.attempts.error = RuntimeError("unforeseen")
    assert node.reconcile()
    record = node.record(generation)
    assert (record.state, record.reason, record.attempts) == (State.RETRYING, "internal-error", 1)
    assert "unexpected; please report this" in caplog.text
    assert node.reconcile() is None
    assert PATH.of("x", Kind.ERROR) in bucket.objects


def test_a_bug_outside_of_any_attempt_is_logged_and_the_name_reconciled_again(
    bucket: Bucket, put: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    put()
    node = Node(bucket, "node", retries=1)
    node.observer.broken = True
    assert node.reconcile()
    assert "unexpected; please report this" in caplog.text
    node.observer.broken = False
    assert node.reconcile() is None
    assert PATH.of("x", Kind.DONE) in bucket.objects


def test_a_generation_that_was_replaced_meanwhile_is_reconciled_again_at_once(
    bucket: Bucket, put: Callable[..., str]
) -> None:
    put()
    node = Node(bucket, "node")
    node.attempts.verdict = Verdict(Reason.NEWER_GENERATION, "stopped: the config is gone or was replaced")
    assert node.reconcile() == 0.0


ON_GPU = b"nodes: [gpu, zone=a]\n" + TASK


def test_a_node_that_does_not_match_leaves_the_config_alone(bucket: Bucket, put: Callable[..., str]) -> None:
    generation = put(ON_GPU)
    plain, matching = Node(bucket, "a"), Node(bucket, "z", labels=("gpu", "zone=a", "big"))
    plain.calls.clear()
    assert plain.reconcile() is None
    assert [call.split()[0] for call in plain.calls] == ["read", "list", "read", "read"]
    assert record_of(plain.records, "x", generation, "a") is None
    plain.calls.clear()
    plain.reconcile()
    assert plain.calls == ["read /x.config.yaml"], "who lives is asked for many configs at once"
    plain.clock.seconds += FRESH_SECONDS
    plain.reconcile()
    assert plain.calls[1:] == [
        "read /x.config.yaml",
        "list .poltergust/nodes/",
    ], "heartbeats that have not changed are not read again"
    assert not plain.attempts.made
    matching.reconcile()
    assert matching.attempts.made == 1


def test_without_a_matching_node_one_node_says_what_is_missing(bucket: Bucket, put: Callable[..., str]) -> None:
    generation = put(ON_GPU)
    first, other = Node(bucket, "a", labels=("gpu",)), Node(bucket, "b")
    assert other.reconcile() is None
    assert record_of(other.records, "x", generation, "b") is None
    assert first.reconcile() is not None
    assert (first.record(generation).state, first.record(generation).text) == (
        State.WAITING,
        "no live node has gpu, zone=a",
    )
    Node(bucket, "z", labels=("zone=a", "gpu"))
    first.clock.seconds += FRESH_SECONDS
    assert first.reconcile() is None
    assert first.record(generation).state is State.ENDED


def test_only_live_nodes_that_match_count_when_every_node_gave_up(bucket: Bucket, put: Callable[..., str]) -> None:
    put(ON_GPU)
    Node(bucket, "plain")
    matching = Node(bucket, "gpu", labels=("gpu", "zone=a"))
    matching.attempts.verdict = FAILED
    matching.reconcile()
    assert PATH.of("x", Kind.ERROR) in bucket.objects


def test_any_node_enforces_the_timeout_of_a_config_that_no_node_matches(
    bucket: Bucket, put: Callable[..., str]
) -> None:
    put(b"timeout: 0.3s\n" + ON_GPU)
    first, other = Node(bucket, "a"), Node(bucket, "b")
    for node in (other, first):
        delay = node.reconcile()
        assert delay is not None
        assert 0 < delay <= 0.3
    wait_until(lambda: other.reconcile() is None, "the timeout")
    assert PATH.of("x", Kind.ERROR) in bucket.objects
    assert first.attempts.made + other.attempts.made == 0


def test_the_more_configs_wait_for_data_the_rarer_each_is_looked_at(bucket: Bucket, put: Callable[..., str]) -> None:
    generation, node = put(), Node(bucket, "node")
    for number in range(9):
        put(name=f"x{number}")
    node.attempts.verdict = Verdict(Reason.DATA_MISSING, "external data is not there yet: D")
    delays = [node.reconcile(name) for name in ("x", *(f"x{number}" for number in range(9)))]
    share = LOOK_CPU_SECONDS / MAX_LOOKS_SHARE
    assert delays[0] == pytest.approx(share)
    assert delays[-1] == pytest.approx(10 * share)
    record, now = node.record(generation), node.records.server_time()
    assert record.retry_at is not None
    assert now is not None
    assert record.retry_at == pytest.approx(now + share, abs=5.0), "people see when the next look is due"
    made = node.attempts.made
    delay = node.reconcile()
    assert (delay or 0.0) < share, "a scan brings the name back, and no look"
    assert node.attempts.made == made
    node.clock.seconds += share
    node.reconcile()
    assert node.attempts.made == made + 1
