"""The work queue against a model of its contract, by a simulated clock; then with real threads and the real clock."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from poltergust.workqueue import Backoff, Item, WorkQueue
from poltergust.workqueue.delays import Delays
from tests.emulators.servers import wait_until


class SimulatedClock:
    """Waiting takes no time: the clock jumps to the end of it. Waiting for ever is an error, as nobody else could end
    it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        assert timeout is not None, "waits for ever with nobody to wake it"
        assert timeout > 0, "a wait that would spin"
        self.now += timeout


def make() -> tuple[WorkQueue, SimulatedClock]:
    clock = SimulatedClock()
    return WorkQueue(clock), clock


def take(queue: WorkQueue, timeout: float = 0) -> Item:
    item = queue.get(timeout)
    assert item is not None
    return item


NAMES = st.sampled_from(["a", "b", "c", "d"])
# Whole numbers, so that the model's sums and the queue's are the same floats; many ties.
SECONDS = st.integers(0, 20).map(float)


class AgainstModel(RuleBasedStateMachine):
    """The model: an ordered list of ready names, due times, and a dirty flag for each name in hand."""

    @initialize()
    def begin(self) -> None:
        self.queue, self.clock = make()
        self.ready: list[str] = []  # in order of adding
        self.ranks: dict[str, int] = {}  # of those in it
        self.later: dict[str, tuple[float, int]] = {}
        self.dirty: dict[str, bool] = {}
        self.hands: dict[str, Item] = {}
        self.count = itertools.count()
        self.stopped = False

    # The model's own moves.

    def model_add(self, name: str) -> None:
        if self.stopped or name in self.ready:
            return
        self.later.pop(name, None)
        if name in self.dirty:
            self.dirty[name] = True
        else:
            self.ready.append(name)

    def model_add_after(self, name: str, delay: float) -> None:
        if delay <= 0:
            self.model_add(name)
        elif not (self.stopped or name in self.ready or self.dirty.get(name)):
            due = self.clock.now + delay
            if name not in self.later or due < self.later[name][0]:
                self.later[name] = (due, next(self.count))

    def model_move_due(self) -> None:
        for name, (due, _) in sorted(self.later.items(), key=lambda each: each[1]):
            if due <= self.clock.now:
                self.model_add(name)

    def model_order(self) -> list[str]:
        """Next first: a sort is stable."""
        return sorted(self.ready, key=lambda name: -self.ranks.get(name, 0))

    def model_done(self, name: str) -> None:
        if self.dirty.pop(name):
            self.model_add(name)

    # The rules.

    @rule(name=NAMES)
    def add(self, name: str) -> None:
        self.queue.add(name)
        self.model_add(name)
        if name in self.hands and not self.stopped:
            assert self.hands[name].wake.is_set()

    @rule(name=NAMES, delay=SECONDS)
    def add_after(self, name: str, delay: float) -> None:
        self.queue.add_after(name, delay)
        self.model_add_after(name, delay)

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(timeout=SECONDS)
    def get(self, timeout: float) -> None:
        self.model_move_due()
        before = self.clock.now
        item = self.queue.get(timeout)
        if self.stopped:
            assert item is None
            assert self.clock.now == before
            return
        self.model_move_due()
        if item is None:
            assert self.clock.now == before + timeout
            assert not self.ready
            return
        assert item.name == self.model_order()[0]
        self.ready.remove(item.name)
        self.ranks.pop(item.name, None)
        assert item.name not in self.dirty, "the same name in two hands"
        assert not item.wake.is_set()
        assert item.due <= self.clock.now
        self.dirty[item.name] = False
        self.hands[item.name] = item

    @rule(name=NAMES, priority=st.integers(-2, 2))
    def rank(self, name: str, priority: int) -> None:
        self.model_move_due()
        self.queue.rank(name, priority)
        if name in self.ready:
            self.ranks[name] = priority

    @rule(timeout=SECONDS)
    def get_unranked(self, timeout: float) -> None:
        found = self.queue.get_unranked(0.0, timeout)
        self.model_move_due()
        assert found == next((name for name in self.ready if name not in self.ranks), None)

    @precondition(lambda self: self.hands)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        item = self.hands.pop(data.draw(st.sampled_from(sorted(self.hands))))
        self.model_move_due()
        self.queue.done(item)
        self.model_done(item.name)
        with pytest.raises(ValueError, match="not being processed"):
            self.queue.done(item)

    @precondition(lambda self: self.hands)
    @rule(data=st.data(), delay=SECONDS)
    def retry(self, data: st.DataObject, delay: float) -> None:
        item = self.hands.pop(data.draw(st.sampled_from(sorted(self.hands))))
        self.model_move_due()
        self.queue.retry(item, delay)
        self.model_done(item.name)
        self.model_add_after(item.name, delay)

    @precondition(lambda self: self.hands)
    @rule(data=st.data())
    def changed(self, data: st.DataObject) -> None:
        item = self.hands[data.draw(st.sampled_from(sorted(self.hands)))]
        self.model_move_due()
        item.wake.clear()
        assert item.changed() == self.dirty[item.name]
        assert not item.changed()
        self.dirty[item.name] = False

    @precondition(lambda self: len(self.hands) > 1)
    @rule()
    def shutdown(self) -> None:
        self.queue.shutdown()
        self.stopped = True
        self.ready.clear()
        self.ranks.clear()
        self.later.clear()
        assert all(item.wake.is_set() for item in self.hands.values())

    @rule(timeout=SECONDS)
    def drain(self, timeout: float) -> None:
        end = self.clock.now + timeout
        assert self.queue.drain(timeout) is not bool(self.dirty)
        if self.dirty:
            assert self.clock.now == end

    @invariant()
    def same_as_model(self) -> None:
        if not hasattr(self, "queue"):
            return
        self.model_move_due()
        assert list(self.queue.waiting()) == self.model_order()
        assert len(self.queue) == len(self.ready)
        assert set(self.queue.processing()) == set(self.dirty)
        assert self.queue.delayed() == {name: due - self.clock.now for name, (due, _) in self.later.items()}
        assert self.queue.stopped == self.stopped


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_a_changed_name_comes_back_after_the_others() -> None:
    queue, _ = make()
    for name in "ab":
        queue.add(name)
    first = take(queue)
    queue.add("a")
    queue.done(first)
    assert queue.waiting() == ("b", "a")


def test_a_higher_priority_goes_first_and_equal_ones_in_order_of_arrival() -> None:
    queue, _ = make()
    for name in "abcde":
        queue.add(name)
    for name, priority in (("e", 5), ("d", -1), ("c", 5)):
        queue.rank(name, priority)
    assert queue.waiting() == ("c", "e", "a", "b", "d")
    assert [take(queue).name for _ in "abcde"] == ["c", "e", "a", "b", "d"]


def test_a_priority_ends_when_the_name_is_handed_out() -> None:
    queue, _ = make()
    queue.add("a")
    queue.rank("a", 9)
    item = take(queue)
    queue.add("b")
    queue.retry(item, 0)
    assert queue.waiting() == ("b", "a"), "the file may say something else by now"


def test_a_name_that_was_taken_soon_is_not_asked_for_its_priority() -> None:
    queue, clock = make()
    queue.add("a")
    assert queue.get_unranked(after=2.0, timeout=1.0) is None
    take(queue)
    queue.add("b")
    began = clock.now
    assert queue.get_unranked(after=2.0, timeout=60.0) == "b"
    assert clock.now == began + 2.0
    queue.rank("b", 0)
    assert queue.get_unranked(after=0.0, timeout=60.0) is None


def test_back_off_does_not_starve_others() -> None:
    """A name that fails at once and whose delay is always over already still waits for its turn."""
    queue, clock = make()
    for name in ("failing", "good0", "good1", "good2"):
        queue.add(name)
    order = []
    for _ in range(8):
        item = take(queue)
        order.append(item.name)
        queue.retry(item, 0.5)
        clock.now += 1
    assert order == ["failing", "good0", "good1", "good2"] * 2


def test_an_add_beats_a_delay_and_ends_it() -> None:
    queue, clock = make()
    queue.add_after("a", 60)
    queue.add("a")
    item = take(queue)
    clock.now += 100
    assert not item.changed(), "the delay outlived the add"


def test_a_delay_that_is_over_while_processing_counts_as_an_add() -> None:
    queue, clock = make()
    queue.add("a")
    item = take(queue)
    queue.add_after("a", 5)
    clock.now += 5
    assert queue.get(0) is None
    assert item.wake.is_set()
    queue.done(item)
    assert queue.waiting() == ("a",)


def test_not_a_number_is_due_at_once() -> None:
    queue, _ = make()
    queue.add_after("a", float("nan"))
    queue.add_after("b", -1)
    assert queue.waiting() == ("a", "b")


def test_for_ever_is_possible_with_the_real_clock() -> None:
    queue = WorkQueue()
    queue.add_after("never", float("inf"))
    threading.Timer(0.05, queue.add, ["now"]).start()
    item = queue.get(60)
    assert item is not None
    assert item.name == "now"


def test_delays_stay_bounded() -> None:
    """Names put again and again, earlier each time or after an add, leave no more behind than there are names."""
    delays = Delays()
    for round_ in range(10_000):
        delays.put(f"name{round_ % 10}", 20_000.0 - round_)
        if round_ % 7 == 0:
            delays.discard(f"name{round_ % 10}")
    assert len(delays._heap) <= 2 * len(delays) + 64
    names = []
    while (found := delays.pop(30_000)) is not None:
        names.append(found[0])
    assert len(names) == len(set(names))
    assert len(delays._heap) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.booleans()), max_size=400))
def test_delays_agree_with_a_dict(moves: list[tuple[str, int, bool]]) -> None:
    delays, model = Delays(), dict[str, int]()
    for name, due, discard in moves:
        if discard:
            delays.discard(name)
            model.pop(name, None)
        else:
            assert delays.put(name, due) is (name not in model or due < model[name])
            model[name] = min(due, model.get(name, due))
        assert delays.due() == model
        assert delays.next() == min(model.values(), default=None)
    out = []
    while (found := delays.pop(10)) is not None:
        out.append(found)
    assert [due for _, due in out] == sorted(model.values())
    assert dict(out) == model


@given(
    first=st.floats(0.01, 100),
    factor=st.floats(1, 1000),
    jitter=st.floats(0, 0.5),
    seed=st.integers(),
    failures=st.integers(1, 80),
)
def test_back_off_grows_to_its_limit(first: float, factor: float, jitter: float, seed: int, failures: int) -> None:
    limit = first * factor
    backoff = Backoff(first, limit, jitter, random.Random(seed).random)
    delays = [backoff.delay("a") for _ in range(failures)]
    assert backoff.failures("a") == failures
    assert backoff.failures("b") == 0
    for number, delay in enumerate(delays):
        step = min(limit, first * 2**number)
        assert step * (1 - jitter) <= delay <= step
    growing = [delay for number, delay in enumerate(delays) if first * 2**number <= limit]
    assert all(b >= a * (1 - 1e-9) for a, b in itertools.pairwise(growing))
    backoff.forget("a")
    assert backoff.failures("a") == 0
    assert backoff.delay("a") <= first


def test_back_off_never_overflows() -> None:
    backoff = Backoff(1, 60, 0)
    assert [backoff.delay("a") for _ in range(3000)][-1] == 60


@pytest.mark.parametrize(("first", "limit", "jitter"), [(0, 1, 0.5), (2, 1, 0.5), (1, 2, 1.5), (1, 2, -0.1)])
def test_back_off_refuses_nonsense(first: float, limit: float, jitter: float) -> None:
    with pytest.raises(ValueError, match="back-off"):
        Backoff(first, limit, jitter)


def test_real_threads_nothing_lost_and_never_in_two_hands() -> None:
    """Four workers, four producers: after its last add every name is processed once more, by one worker at a time."""
    queue = WorkQueue()
    names = [f"name{number}" for number in range(40)]
    truth = dict.fromkeys(names, 0)  # the "bucket": a version of each name
    seen = dict.fromkeys(names, 0)
    hands: Counter[str] = Counter()
    lock = threading.Lock()
    trouble: list[str] = []

    def work(seed: int) -> None:
        draw = random.Random(seed)
        while (item := queue.get()) is not None:
            with lock:
                hands[item.name] += 1
                if hands[item.name] > 1:
                    trouble.append(item.name)
                version = truth[item.name]
            if draw.random() < 0.3:
                item.wake.wait(0.002)
                item.wake.clear()
                if item.changed():
                    with lock:
                        version = truth[item.name]
            with lock:
                seen[item.name] = version
                hands[item.name] -= 1
            if draw.random() < 0.2:
                queue.retry(item, draw.random() * 0.01)
            else:
                queue.done(item)

    def produce(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(1500):
            name = draw.choice(names)
            with lock:
                truth[name] += 1
            if draw.random() < 0.5:
                queue.add(name)
            else:
                queue.add_after(name, draw.random() * 0.02)

    workers = [threading.Thread(target=work, args=[seed]) for seed in range(4)]
    producers = [threading.Thread(target=produce, args=[seed + 100]) for seed in range(4)]
    for thread in workers + producers:
        thread.start()
    for thread in producers:
        thread.join(60)

    wait_until(lambda: seen == truth, "every name to be seen in its last version")
    assert not trouble
    queue.shutdown()
    assert queue.drain(60)
    for thread in workers:
        thread.join(60)
        assert not thread.is_alive()


def test_every_waiter_is_used_for_delays() -> None:
    """Two waiters, two delays: the second name is taken at its time although the first waiter is busy by then."""
    queue = WorkQueue()
    taken: list[str] = []
    both = threading.Barrier(2)

    def work() -> None:
        item = queue.get(120)
        assert item is not None
        taken.append(item.name)
        both.wait(60)  # busy until the other has got one too

    threads = [threading.Thread(target=work) for _ in range(2)]
    queue.add_after("far", 10_000)
    for thread in threads:
        thread.start()
    queue.add_after("a", 0.05)
    queue.add_after("b", 0.06)
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert sorted(taken) == ["a", "b"]


def test_ten_thousand_names() -> None:
    queue, clock = make()
    names = [f"name{number}" for number in range(10_000)]
    for name in names:
        queue.add(name)
        queue.add(name)
    taken = [take(queue) for _ in names]
    assert [item.name for item in taken] == names
    for number, item in enumerate(taken):
        queue.retry(item, 10_000 - number)
    clock.now += 20_000
    assert [take(queue).name for _ in names] == names[::-1]
