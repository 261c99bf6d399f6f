"""Two classes of one family."""

# mypy: ignore-errors
import luigi


class Other(luigi.Task):
    pass


def make():
    class Twice(luigi.Task):
        pass

    return Twice


FIRST, SECOND = make(), make()
