"""The pipeline whose screens docs/commands.md shows: Load, then Report, then Nightly."""

import os
import time

import luigi


class Load(luigi.Task):
    folder = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(os.path.join(self.folder, type(self).__name__))

    def run(self):
        with self.output().open("w") as file:
            file.write("amount")


class Report(Load):
    """Waits while `closed` exists, and fails while `broken` does."""

    def requires(self):
        return Load(folder=self.folder)

    def run(self):
        time.sleep(2.5)
        while os.path.exists(os.path.join(self.folder, "closed")):
            time.sleep(0.05)
        if os.path.exists(os.path.join(self.folder, "broken")):
            raise KeyError("amount")
        super().run()


class Nightly(Load):
    def requires(self):
        return Report(folder=self.folder)
