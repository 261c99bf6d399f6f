"""The first node that imports this hangs: before Luigi has said anything to the scheduler."""

import os
import time

import luigi

if os.environ.get("HANGING"):
    try:
        with open(os.environ["HANGING"], "x") as file:
            file.write(os.environ["NODE"])
    except FileExistsError:
        pass
    else:
        time.sleep(600)


class Target(luigi.Task):
    target = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(self.target)

    def run(self):
        with self.output().open("w") as file:
            file.write("done")
