"""One parameter of every kind; the task writes what it was given."""

# mypy: ignore-errors
import datetime
import enum

import luigi
from pipeline import Marked, Settings, Tree, path


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


CHOICE_LIST = (  # Luigi 3.3 and newer
    luigi.ChoiceListParameter(choices=["1.1", "1.10", "1e3", "007", "true"], default=("1.1",))
    if hasattr(luigi, "ChoiceListParameter")
    else luigi.ListParameter(default=("1.1",))
)


class Palette(luigi.Config):
    colours = luigi.EnumListParameter(enum=Colour, default=(Colour.RED,))


class Kinds(Marked):
    plain = luigi.Parameter(default="default")
    whole = luigi.IntParameter(default=0)
    real = luigi.FloatParameter(default=0.0)
    implicit = luigi.BoolParameter()
    implicit_on = luigi.BoolParameter(default=True)
    explicit = luigi.BoolParameter(parsing=luigi.BoolParameter.EXPLICIT_PARSING)
    explicit_on = luigi.BoolParameter(default=True, parsing=luigi.BoolParameter.EXPLICIT_PARSING)
    day = luigi.DateParameter(default=None)
    month = luigi.MonthParameter(default=None)
    year = luigi.YearParameter(default=None)
    hour = luigi.DateHourParameter(default=None)
    minute = luigi.DateMinuteParameter(default=None)
    second = luigi.DateSecondParameter(default=None)
    interval = luigi.DateIntervalParameter(default=None)
    duration = luigi.TimeDeltaParameter(default=datetime.timedelta(0))
    enum = luigi.EnumParameter(enum=Colour, default=Colour.BLUE)
    enums = luigi.EnumListParameter(enum=Colour, default=())
    versions = CHOICE_LIST
    things = luigi.ListParameter(default=())
    mapping = luigi.DictParameter(default={})
    pair = luigi.TupleParameter(default=())
    bounded = luigi.NumericalParameter(default=1, min_value=0, max_value=10, var_type=int)
    choice = luigi.ChoiceParameter(choices=["one", "two"], default="one")
    optional = luigi.OptionalParameter(default="set")
    task = luigi.TaskParameter(default=Tree)
    under_score = luigi.IntParameter(default=0)

    def work(self):
        values = {name: plain(getattr(self, name)) for name, _ in self.get_params()}
        settings = Settings()
        values.update(Settings_word=settings.word, Settings_flag=settings.flag)
        values.update(Palette_colours=plain(Palette().colours))
        with open(path("values"), "w", encoding="utf-8") as file:
            file.write(repr(values))


def plain(value):
    """What literal_eval reads again."""
    if isinstance(value, (str, int, float)) or value is None:
        return value if not isinstance(value, enum.Enum) else str(value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "items"):
        return {key: plain(item) for key, item in value.items()}
    return value.task_family if isinstance(value, type) else str(value)
