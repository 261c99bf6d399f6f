"""One pipeline for each thing that Luigi can do, and the examples that Luigi's own documentation begins with.

Everything is written below $SHARED, which all nodes see; `<name>.runs` has a line for each start of a run().
"""

import os
import random
import time
from collections import Counter

import luigi
from luigi.tools import range as ranges  # noqa: F401 - RangeDaily is found by its name

SHARED = os.environ.get("SHARED", "")


def note(name, text=""):
    with open(os.path.join(SHARED, name + ".runs"), "a") as file:
        file.write(f"{text or os.environ.get('NODE', '')}\n")


class Written(luigi.Task):
    """Writes `text()` to a file that is called like the task and its parameters."""

    def output(self):
        parts = [self.task_family, *self.to_str_params(only_significant=True).values()]
        return luigi.LocalTarget(os.path.join(SHARED, "-".join(parts)))

    def run(self):
        note(self.task_family)
        with self.output().open("w") as file:
            file.write(self.text())

    def text(self):
        return "".join(target.open().read() for target in luigi.task.flatten(self.input()))


class Part(Written):
    number = luigi.IntParameter()

    def text(self):
        return f"{self.number}\n"


# dynamic dependencies


class Dynamic(Written):
    """Finds out in run() what it needs, twice."""

    def run(self):
        first = yield Part(number=1)
        more = yield [Part(number=10 + int(first.open().read())), Part(number=12)]
        with self.output().open("w") as file:
            file.write("".join(target.open().read() for target in more))


# external tasks that come later


class Delivery(luigi.ExternalTask):
    def output(self):
        return luigi.LocalTarget(os.path.join(SHARED, "delivery"))


class NeedsDelivery(Written):
    def requires(self):
        return Delivery()


# ranges


class Daily(Written):
    date = luigi.DateParameter()

    def text(self):
        return f"{self.date}\n"


# batches


class Batched(luigi.Task):
    """Several names in one run()."""

    names = luigi.Parameter(batch_method=",".join)
    max_batch_size = 10

    def output(self):
        return [luigi.LocalTarget(os.path.join(SHARED, "batched-" + name)) for name in self.names.split(",")]

    def run(self):
        note("Batched", self.names)
        for target in self.output():
            with target.open("w") as file:
                file.write("batched\n")


class NeedsBatches(Written):
    def requires(self):
        return [Batched(names=name) for name in "abcd"]


# resources


class Licensed(Written):
    """One at a time in the whole cluster."""

    number = luigi.IntParameter()

    @property
    def resources(self):
        return {"licence": 1}

    def text(self):
        lock = os.path.join(SHARED, "licence")
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
        time.sleep(0.05)
        os.unlink(lock)
        return "licensed\n"


class NeedsLicence(Written):
    def requires(self):
        return [Licensed(number=number) for number in range(4)]


# priorities


class Urgent(Written):
    urgency = luigi.IntParameter()

    @property
    def priority(self):
        return self.urgency

    def text(self):
        note("order", str(self.urgency))
        time.sleep(0.05)
        return "urgent\n"


class NeedsUrgent(Written):
    def requires(self):
        return [Urgent(urgency=urgency) for urgency in (30, 90, 10, 50, 70)]


# namespaces


class Report(Written):
    task_namespace = "shop"

    def text(self):
        return "namespace\n"


# configuration files


class greeting(luigi.Config):
    word = luigi.Parameter(default="default")


class Configured(Written):
    times = luigi.IntParameter(default=1)

    def text(self):
        return f"{greeting().word} {self.times}\n"


# events


class Eventful(Written):
    def text(self):
        return "event\n"


@Eventful.event_handler(luigi.Event.SUCCESS)
def celebrate(task):
    note("success", task.task_family)


class EventfulFailure(Written):
    def text(self):
        raise ValueError("no such file: " + os.fsdecode(b"caf\xe9"))


@EventfulFailure.event_handler(luigi.Event.FAILURE)
def mourn(task, exception):
    note("failure", type(exception).__name__)


# what Luigi's documentation begins with: streams of artists, their counts, the top of them; and counting words


class Streams(Written):
    date = luigi.DateParameter()

    def text(self):
        artists = random.Random(str(self.date)).choices(["Ada", "Bela", "Cleo"], k=50)
        return "".join(f"{artist}\n" for artist in artists)


class AggregateArtists(Written):
    date_interval = luigi.DateIntervalParameter()

    def requires(self):
        return [Streams(date=date) for date in self.date_interval]

    def text(self):
        counts = Counter(line.strip() for target in self.input() for line in target.open())
        return "".join(f"{artist}\t{count}\n" for artist, count in sorted(counts.items()))


class TopArtists(Written):
    date_interval = luigi.DateIntervalParameter()

    def requires(self):
        return AggregateArtists(date_interval=self.date_interval)

    def text(self):
        rows = [line.split("\t") for line in self.input().open()]
        return "".join(f"{artist}\n" for artist, count in sorted(rows, key=lambda row: -int(row[1]))[:2])


class WordCount(Written):
    date_interval = luigi.DateIntervalParameter()

    def requires(self):
        return [Daily(date=date) for date in self.date_interval]

    def text(self):
        return f"{sum(len(target.open().read().split()) for target in self.input())}\n"


class Everything(luigi.WrapperTask):
    """A wrapper has no output of its own."""

    def requires(self):
        return [Part(number=number) for number in range(20, 24)]
