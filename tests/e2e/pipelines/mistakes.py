"""A task with a parameter of each kind that a task file can get wrong, and tasks that raise where they should not."""

import enum

import luigi
from luigi.parameter import ParameterVisibility


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Typed(luigi.Task):
    count = luigi.IntParameter(default=1)
    share = luigi.FloatParameter(default=0.5)
    day = luigi.DateParameter(default=None)
    flag = luigi.BoolParameter(parsing=luigi.BoolParameter.EXPLICIT_PARSING)
    size = luigi.ChoiceParameter(choices=["small", "large"], default="small")
    colour = luigi.EnumParameter(enum=Colour, default=Colour.RED)
    names = luigi.ListParameter(default=[])
    table = luigi.DictParameter(default={})
    wait = luigi.TimeDeltaParameter(default=None)
    hidden = luigi.IntParameter(default=1, visibility=ParameterVisibility.PRIVATE)


class Needy(luigi.Task):
    source = luigi.Parameter()


class Needier(luigi.Task):
    source = luigi.Parameter()
    sink = luigi.Parameter()


class Unmakable(luigi.Task):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        raise ValueError("not with me")


class BadComplete(luigi.Task):
    def complete(self):
        raise OSError("the warehouse does not answer")


class BadRequires(luigi.Task):
    def requires(self):
        raise KeyError("partition")


class BadRun(luigi.Task):
    def run(self):
        raise ZeroDivisionError("division by zero")
