"""Says everything it knows: its environment in several shapes, terminal codes; then fails with all of it."""

import json
import os
import sys
import urllib.parse

import luigi


class Leak(luigi.Task):
    mark = luigi.Parameter()

    def run(self):
        with open(self.mark, "a") as file:
            file.write("ran\n")
        said = []
        for name, value in sorted(os.environ.items()):
            said += [
                f"{name}={value}",
                f"{name}={value!r}",
                json.dumps({name: value}),
                urllib.parse.quote(value, safe=""),
            ]
        for text in said:
            print(text)
            print(text, file=sys.stderr)
        raise RuntimeError("\n".join(said))


class LeakAtTheCut(luigi.Task):
    """A message is cut somewhere; whatever its length, no secret is cut in two and half of it shown."""

    mark = luigi.Parameter()
    length = luigi.IntParameter()

    def run(self):
        raise RuntimeError("x" * self.length + os.environ["TASK_SECRET"])


class Colours(luigi.Task):
    """Clears the screen, sets the window's title, rings, goes back over what it wrote."""

    mark = luigi.Parameter()

    def run(self):
        codes = "\x1b[2J\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b31m back\x08\x08 \x07 \u202eside"
        sys.stdout.buffer.write(codes.encode() + b" \x9b\xff\n")
        print(codes, file=sys.stderr)
        print("over\rwritten")
        raise RuntimeError("failed " + codes)
