"""What a task finds around it."""

import json
import os

import luigi


class Surroundings(luigi.Task):
    """Writes its environment down."""

    target = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(self.target)

    def run(self):
        with self.output().open("w") as file:
            json.dump(dict(os.environ), file)
