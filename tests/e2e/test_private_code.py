"""The team's own code from the bucket: a pipeline in a wheel, what it needs in an sdist and in a folder of wheels, all
fetched by the node itself; a new upload of the same name is a new environment.
"""

from __future__ import annotations

from pathlib import Path

from tests.e2e.paths import BUCKET, Bucket
from tests.emulators.gcs import strict_gcs
from tests.integration.environments import packages

PIPELINE = """\
import luigi
import private_helper
import private_words


class Say(luigi.Task):
    target = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(self.target)

    def run(self):
        with self.output().open("w") as file:
            file.write(" ".join(({greeting!r}, private_helper.word, private_words.word)))
"""

ENVIRONMENT = f"""\
dependencies:
  - gs://{BUCKET}/code/private_pipeline-1.0-py3-none-any.whl
  - gs://{BUCKET}/code/private_helper-1.0.tar.gz
  - --find-links gs://{BUCKET}/wheels/
  - private-words>=2
"""


def test_wheel_sdist_and_a_folder_of_wheels_from_the_bucket(tmp_path: Path, scheduler: str) -> None:
    with strict_gcs() as server:
        place = Bucket(server, tmp_path / "scratch")

        def upload(greeting: str) -> None:
            wheel = packages.wheel(tmp_path, "private-pipeline", "1.0", body=PIPELINE.format(greeting=greeting))
            place.write(f"code/{wheel.name}", wheel.read_bytes())

        upload("hello")
        sdist = packages.sdist(tmp_path, "private-helper", "1.0", body="word = 'private'\n")
        place.write(f"code/{sdist.name}", sdist.read_bytes())
        for version in ("1.0", "2.0"):
            words = packages.wheel(tmp_path, "private-words", version, body=f"word = 'words {version}'\n")
            place.write(f"wheels/{words.name}", words.read_bytes())
        environment = place.environment("private", ENVIRONMENT)
        with place.agent("here", tmp_path / "cache", "--scheduler-url", scheduler):
            for greeting in ("hello", "goodbye"):
                upload(greeting)
                said = place.scratch / f"{greeting}.txt"
                task = f"  module: private_pipeline\n  name: Say\n  target: {said}\n"
                place.put(greeting, task, environment=environment)
                place.until(greeting, "done", timeout=180)
                assert said.read_text() == f"{greeting} private words 2.0"
