"""Pipelines that wait, so that tests decide what happens meanwhile."""

import json
import os
import time
import urllib.parse
import urllib.request

import luigi


def wait_for(path, timeout=600):
    """Until the test makes that file."""
    end = time.monotonic() + timeout
    while not os.path.exists(path):
        if time.monotonic() > end:
            raise TimeoutError(path)
        time.sleep(0.05)


class Touch(luigi.Task):
    """Done at once."""

    target = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(self.target)

    def run(self):
        with self.output().open("w") as file:
            file.write("done")


class Gate(luigi.Task):
    """Says that it runs (`<target>.running`), then waits for `gate`."""

    target = luigi.Parameter()
    gate = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(self.target)

    def run(self):
        with open(self.target + ".running", "a") as file:
            file.write(f"{os.getpid()}\n")
        wait_for(self.gate)
        with self.output().open("w") as file:
            file.write("done")


class Gates(luigi.WrapperTask):
    """One task more than the node that begins takes."""

    target = luigi.Parameter()
    gate = luigi.Parameter()

    def requires(self):
        return [Gate(target=self.target, gate=self.gate), Gate(target=self.target + ".second", gate=self.gate)]


class Present(luigi.Task):
    """Complete once the scheduler has seen workers of `nodes` different nodes."""

    target = luigi.Parameter()
    scheduler = luigi.Parameter()
    nodes = luigi.IntParameter()

    def output(self):
        return luigi.LocalTarget(self.target)

    def run(self):
        end = time.monotonic() + 120
        while True:
            with urllib.request.urlopen(self.scheduler + "/api/worker_list?data={}", timeout=10) as answer:
                workers = json.load(answer)["response"]
            names = [worker["name"] for worker in workers if "-probe-" not in worker["name"]]
            seen = sorted({name.rsplit("-", 3)[0] for name in names})
            if len(seen) >= self.nodes:
                break
            if time.monotonic() > end:
                raise TimeoutError(f"only {seen}")
            time.sleep(0.2)
        with self.output().open("w") as file:
            file.write("\n".join(seen))


class Barrier(luigi.WrapperTask):
    """A task for each of `nodes`, complete once all of them are at it."""

    target = luigi.Parameter()
    scheduler = luigi.Parameter()
    nodes = luigi.IntParameter()

    def requires(self):
        return [
            Present(target=f"{self.target}-{number}", scheduler=self.scheduler, nodes=self.nodes)
            for number in range(self.nodes)
        ]
