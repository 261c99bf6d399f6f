"""The pipeline whose screens docs/commands.md shows: Load, then Report and Audit side by side, then Nightly."""

import os
import time

import luigi

SECONDS = 3.0 if os.environ.get("REGION") else 2.5  # two runs that are compared differ in how long they took


class Load(luigi.Task):
    folder = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(os.path.join(self.folder, type(self).__name__))

    def run(self):
        with self.output().open("w") as file:
            file.write("amount")


class Audit(Load):
    """Waits while `closed` exists."""

    def requires(self):
        return Load(folder=self.folder)

    def run(self):
        time.sleep(SECONDS)
        while os.path.exists(os.path.join(self.folder, "closed")):
            time.sleep(0.05)
        super().run()


class Report(Audit):
    """Fails while `broken` exists."""

    def run(self):
        if os.path.exists(os.path.join(self.folder, "broken")):
            time.sleep(SECONDS + 0.5)  # longer than Audit: families are shown in this order
            raise KeyError("amount")
        super().run()


class Nightly(Load):
    def requires(self):
        return [Report(folder=self.folder), Audit(folder=self.folder)]
