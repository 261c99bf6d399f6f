"""Forty tasks: one fails at its first attempt, one fails for good, the others do what they are asked for."""

import os
import time

import luigi


class Leaf(luigi.Task):
    number = luigi.IntParameter()
    access_key = luigi.Parameter(default="not-for-records", significant=False)

    def output(self):
        return luigi.LocalTarget(os.path.join(os.environ["SHARED"], f"leaf-{self.number}"))

    def run(self):
        time.sleep(0.05)
        tried = os.path.join(os.environ["SHARED"], f"tried-{self.number}")
        if self.number == 7 and not os.path.exists(tried):
            open(tried, "w").close()
            raise RuntimeError("the first attempt fails")
        if self.number == 13:
            raise ValueError("this one never works")
        with self.output().open("w") as file:
            file.write(os.environ["NODE"])


class Forty(luigi.WrapperTask):
    def requires(self):
        return [Leaf(number=number) for number in range(39)]
