"""A small Luigi pipeline: a few greetings that any node can write, and one task that puts them together."""

import os

import luigi


class Greeting(luigi.Task):
    """One greeting. A task is done when its output exists, so each writes a file of its own."""

    folder = luigi.Parameter()
    who = luigi.Parameter()
    number = luigi.IntParameter()

    def output(self):
        return luigi.LocalTarget(os.path.join(self.folder, f"{self.who}-{self.number}.txt"))

    def run(self):
        # What is printed goes to the log of the run.
        print(f"greeting {self.who}, number {self.number}")
        with self.output().open("w") as file:
            file.write(f"{os.environ.get('GREETING', 'Hi')}, {self.who}!\n")


class Hello(luigi.Task):
    """The root task: needs every greeting. On several nodes, a folder they share or a bucket in place of `folder`."""

    folder = luigi.Parameter()
    who = luigi.Parameter(default="world")
    times = luigi.IntParameter(default=3)

    def requires(self):
        return [Greeting(folder=self.folder, who=self.who, number=number) for number in range(self.times)]

    def output(self):
        return luigi.LocalTarget(os.path.join(self.folder, f"{self.who}.txt"))

    def run(self):
        with self.output().open("w") as together:
            for greeting in self.input():
                with greeting.open() as file:
                    together.write(file.read())
