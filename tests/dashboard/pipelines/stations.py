"""A pipeline with a shape worth drawing: stations are fetched, cleaned, joined by region, and one report is made."""

import os
import time

import luigi


class Step(luigi.Task):
    """Writes a file of its own in `folder`; takes `seconds`, and waits while a file `gate` is there."""

    folder = luigi.Parameter()
    seconds = luigi.FloatParameter(default=0.1, significant=False)
    gate = luigi.Parameter(default="", significant=False)

    def output(self):
        return luigi.LocalTarget(os.path.join(self.folder, self.task_id))

    def run(self):
        print(f"\x1b[32m{self.task_family}\x1b[0m begins")
        time.sleep(self.seconds)
        while self.gate and os.path.exists(self.gate):
            time.sleep(0.05)
        with self.output().open("w") as file:
            file.write("done")

    def below(self, task, **params):
        return self.clone(task, **params)


class FetchStation(Step):
    station = luigi.IntParameter()


class CleanStation(Step):
    station = luigi.IntParameter()
    broken = luigi.IntParameter(default=-1, significant=False)

    def requires(self):
        return self.below(FetchStation, station=self.station)

    def run(self):
        if self.station == self.broken and not os.path.exists(os.path.join(self.folder, "repaired")):
            raise ValueError(f"station {self.station} reports 413.2 °C, warmer than air can be")
        super().run()


class RegionMean(Step):
    region = luigi.Parameter()
    first = luigi.IntParameter()
    stations = luigi.IntParameter()
    broken = luigi.IntParameter(default=-1, significant=False)

    def requires(self):
        return [self.below(CleanStation, station=self.first + i) for i in range(self.stations)]


class DailyReport(Step):
    day = luigi.Parameter(default="2026-02-03")
    stations = luigi.IntParameter(default=4)
    broken = luigi.IntParameter(default=-1, significant=False)

    def requires(self):
        regions = ("north", "east", "south", "west")
        return [
            self.below(RegionMean, region=region, first=100 * i, stations=self.stations)
            for i, region in enumerate(regions)
        ]
