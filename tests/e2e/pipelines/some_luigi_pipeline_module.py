"""The module that the specification's example task file names."""

import json
import os
import sys

import luigi


class SomeTask(luigi.Task):
    some_task_argument = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(os.path.join(os.environ["OUTPUT"], "some-task.json"))

    def run(self):
        import pandas

        facts = {
            "argument": self.some_task_argument,
            "python": list(sys.version_info[:2]),
            "pandas": pandas.__version__,
            "DB_HOST": os.environ.get("DB_HOST"),
            "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": os.environ.get("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"),
        }
        with self.output().open("w") as file:
            json.dump(facts, file)
