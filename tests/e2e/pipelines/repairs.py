"""A pipeline that is broken until somebody repairs it."""

import os

import luigi


class Part(luigi.Task):
    """Fails as long as `broken` exists."""

    target = luigi.Parameter()
    broken = luigi.Parameter()
    number = luigi.IntParameter()

    def output(self):
        return luigi.LocalTarget("{}.{}".format(self.target, self.number))

    def run(self):
        print("part", self.number, "\x1b[31mred\x1b[0m")
        if self.number == 2 and os.path.exists(self.broken):
            raise ValueError("part 2 is broken: remove " + self.broken)
        with self.output().open("w") as file:
            file.write("done")


class Whole(luigi.Task):
    """Three parts, the second of which may be broken."""

    target = luigi.Parameter()
    broken = luigi.Parameter()

    def requires(self):
        return [Part(target=self.target, broken=self.broken, number=number) for number in (1, 2, 3)]

    def output(self):
        return luigi.LocalTarget(self.target)

    def run(self):
        with self.output().open("w") as file:
            file.write("done")
