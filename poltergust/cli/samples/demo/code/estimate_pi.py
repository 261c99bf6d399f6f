"""Estimate pi by throwing darts: a few samples that can run anywhere, and one task that puts them together."""

import json
import os
import random

import luigi
from tabulate import tabulate


class Sample(luigi.Task):
    """Throw `points` darts at a square; count those in the circle."""

    folder = luigi.Parameter()
    number = luigi.IntParameter()
    points = luigi.IntParameter()

    def output(self):
        return luigi.LocalTarget(os.path.join(self.folder, f"sample-{self.number}.json"))

    def run(self):
        dice = random.Random(self.number)
        inside = sum(dice.random() ** 2 + dice.random() ** 2 < 1 for _ in range(self.points))
        print(f"sample {self.number}: {inside} of {self.points} darts hit the circle")
        with self.output().open("w") as file:
            json.dump({"sample": self.number, "points": self.points, "inside": inside}, file)


class Estimate(luigi.Task):
    """The root: needs every sample, writes a table."""

    folder = luigi.Parameter()
    samples = luigi.IntParameter(default=6)
    points = luigi.IntParameter(default=100_000)

    def requires(self):
        return [Sample(folder=self.folder, number=number, points=self.points) for number in range(self.samples)]

    def output(self):
        return luigi.LocalTarget(os.path.join(self.folder, "pi.txt"))

    def run(self):
        rows = []
        for target in self.input():
            with target.open() as file:
                rows.append(json.load(file))
        inside, points = (sum(row[key] for row in rows) for key in ("inside", "points"))
        table = tabulate(rows, headers="keys")
        with self.output().open("w") as file:
            file.write(f"{table}\n\npi is about {4 * inside / points:.5f}\n")
