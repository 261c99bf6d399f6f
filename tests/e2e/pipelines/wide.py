"""One root above many tasks, each of which waits until the test lets it end."""

import os

import luigi

from waits import wait_for


class Leaf(luigi.Task):
    folder = luigi.Parameter()
    number = luigi.IntParameter()

    def output(self):
        return luigi.LocalTarget(os.path.join(self.folder, f"done-{self.number}"))

    def run(self):
        with open(os.path.join(self.folder, f"running-{self.number}"), "w") as file:
            file.write(os.environ["NODE"])
        wait_for(os.path.join(self.folder, "gate"))
        with self.output().open("w") as file:
            file.write(os.environ["NODE"])


class Wide(luigi.WrapperTask):
    folder = luigi.Parameter()
    leaves = luigi.IntParameter()

    def requires(self):
        return [Leaf(folder=self.folder, number=number) for number in range(self.leaves)]
