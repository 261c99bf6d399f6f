"""Paths as people write them: relative to where `luigi` is typed."""

import os
import tempfile

import luigi


class Common(luigi.Task):
    """What several configs need, made once."""

    def output(self):
        return luigi.LocalTarget("data/common.txt")

    def run(self):
        with self.output().open("w") as file:
            file.write(os.getcwd())


class Report(luigi.Task):
    """Its output says where it lay and where temporary files go; it leaves one there."""

    number = luigi.IntParameter()

    def requires(self):
        return Common()

    def output(self):
        return luigi.LocalTarget("data/report-{}.txt".format(self.number))

    def run(self):
        os.close(tempfile.mkstemp(prefix="left-")[0])
        with self.input().open() as common, self.output().open("w") as file:
            file.write(common.read() + "\n" + tempfile.gettempdir())


class Options(luigi.Config):
    word = luigi.Parameter(default="as in the source")


class Leaves(luigi.Task):
    """Leaves a configuration and a module of luigi's name where it works, as an unlucky task might."""

    number = luigi.IntParameter()

    def output(self):
        return luigi.LocalTarget("word-{}.txt".format(self.number))

    def run(self):
        with open("luigi.cfg", "w") as file:
            file.write("[Options]\nword = left behind\n")
        with open("luigi.py", "w") as file:
            file.write("raise SystemExit('not luigi')\n")
        with self.output().open("w") as file:
            file.write(Options().word)
