"""Pipelines that end in each way, and tell how often they ran: a line in `mark` for each start of run()."""

import os

import luigi

from waits import Gate, Touch  # noqa: F401 - tasks are found by the module that is named


def note(path):
    with open(path, "a") as file:
        file.write(f"{os.environ.get('NODE', '')}\n")


class Once(luigi.Task):
    """Writes its output."""

    target = luigi.Parameter()
    mark = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(self.target)

    def run(self):
        note(self.mark)
        with self.output().open("w") as file:
            file.write("done")


class NoOutput(luigi.Task):
    """Its complete() is never true."""

    mark = luigi.Parameter()

    def run(self):
        note(self.mark)


class Fails(luigi.Task):
    mark = luigi.Parameter()

    def run(self):
        note(self.mark)
        raise RuntimeError("the moon is in the wrong house")


class BelowFails(luigi.Task):
    """Cannot go on: what it needs fails."""

    mark = luigi.Parameter()

    def requires(self):
        return Fails(mark=self.mark)

    def run(self):
        note(self.mark + ".root")


class Disabled(luigi.Task):
    disabled = True
    mark = luigi.Parameter()

    def run(self):
        note(self.mark)


class Data(luigi.ExternalTask):
    """Somebody else makes it."""

    target = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(self.target)


class NeedsData(luigi.Task):
    data = luigi.Parameter()
    target = luigi.Parameter()

    def requires(self):
        return Data(target=self.data)

    def output(self):
        return luigi.LocalTarget(self.target)

    def run(self):
        with self.output().open("w") as file:
            file.write("done")
