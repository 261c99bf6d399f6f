"""A root made of two days, each made of a day's load, which reads data from outside; and a task that another yields."""

import os

import luigi


class Place(luigi.LocalTarget):
    def remove(self) -> None:
        if os.environ.get("STUBBORN") == os.path.basename(self.path):
            raise PermissionError("not this one")
        super().remove()


def place(name: str) -> luigi.LocalTarget:
    return Place(os.path.join(os.environ["SHARED"], name))


class Given(luigi.ExternalTask):
    def output(self) -> luigi.LocalTarget:
        return place("given")


class Written(luigi.Task):
    """Appends a line to its output's log for each time that it ran."""

    def note(self) -> None:
        with open(os.path.join(os.environ["SHARED"], "ran"), "a") as ran:
            ran.write(self.task_family + "\n")

    def run(self) -> None:
        self.note()
        with self.output().open("w") as out:
            out.write(self.task_id)


class Load(Written):
    day = luigi.IntParameter()

    def requires(self) -> luigi.Task:
        return Given()

    def output(self) -> luigi.LocalTarget:
        return place(f"load-{self.day}")


class Seen(luigi.WrapperTask):
    """Passes on what was given, as its own output."""

    def requires(self) -> list:
        return [Given(), Load(day=1)]

    def output(self) -> luigi.LocalTarget:
        return place("given")


class Stored(luigi.Target):
    """A row of a table: Luigi cannot remove it."""

    def exists(self) -> bool:
        return os.path.exists(os.path.join(os.environ["SHARED"], "row"))


class Insert(Written):
    def requires(self) -> luigi.Task:
        return Load(day=2)

    def output(self) -> Stored:
        return Stored()

    def run(self) -> None:
        self.note()
        open(os.path.join(os.environ["SHARED"], "row"), "w").close()


class Detail(Written):
    """Yielded while `Report` runs."""

    def output(self) -> luigi.LocalTarget:
        return place("detail")


class Other(Written):
    def output(self) -> luigi.LocalTarget:
        return place("other")


class Report(Written):
    access_key = luigi.Parameter(default="", significant=False)

    def requires(self) -> list:
        return [Load(day=1), Load(day=2), Other(), Seen(), Insert()]

    def output(self) -> luigi.LocalTarget:
        return place("report")

    def run(self):
        yield Detail()
        super().run()
