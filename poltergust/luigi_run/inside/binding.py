"""The arguments of the task file as Luigi parameters.

Parameters of the root task go through the parameter objects themselves, `parse(text)`: right for dates, enums, both
kinds of booleans, lists, dicts and values that begin with dashes, none of which survive a command line unharmed.
Parameters of other tasks (`OtherTask-param`, the root's own name included) and Luigi's options (`workers`) are put
where Luigi looks for its parsed command line. Empty text, which Luigi drops there, goes through its configuration.
"""

# mypy: allow-untyped-calls
import argparse
import json
from typing import Any, Dict, List, Optional, Tuple

from .ending import Ended, describe, did_you_mean

KINDS = {
    "IntParameter": "a whole number",
    "FloatParameter": "a number",
    "NumericalParameter": "a number in its range",
    "BoolParameter": "true or false",
    "DateParameter": "a date such as 2024-01-31",
    "MonthParameter": "a month such as 2024-01",
    "YearParameter": "a year such as 2024",
    "DateHourParameter": "an hour such as 2024-01-31T13",
    "DateMinuteParameter": "a minute such as 2024-01-31T1305",
    "DateSecondParameter": "a second such as 2024-01-31T130559",
    "DateIntervalParameter": "a date interval such as 2024-W05 or 2024-01",
    "TimeDeltaParameter": "a duration such as 2 hours",
    "TaskParameter": "the name of a task",
    "EnumParameter": "one of its names",
    "EnumListParameter": "a list of its names",
    "DictParameter": "a mapping",
    "ListParameter": "a list",
    "TupleParameter": "a list",
    "ChoiceParameter": "one of its choices",
    "ChoiceListParameter": "a list of its choices",
}
MAX_VALUE_CHARACTERS = 60
OF_LUIGID = ("address", "background", "logdir", "pidfile", "port", "state-path", "unix-socket")  # luigi/cmdline.py


class LuigiOptions:
    """Stands where Luigi keeps its parsed command line: parameters look their values up in `known_args`
    (`Parameter._value_iterator`), by ``<family>_<parameter>``."""

    def __init__(self, scheduler_url: str) -> None:
        # As after `--scheduler-url`: a `luigi.build` in a task goes to the scheduler that the run has.
        self.known_args = argparse.Namespace(core_scheduler_url=scheduler_url)


def bind(cls: Any, arguments: List[Dict[str, Any]], scheduler_url: str) -> Tuple[Any, LuigiOptions]:
    """The root task and the options in force from now on.

    Raises `Ended`: unknown-parameter, missing-parameter, invalid-parameter, scheduling-failed.
    """
    import luigi.configuration
    from luigi.cmdline_parser import CmdlineParser

    own = {dashed(name): (name, param) for name, param in cls.get_params()}
    others = {} if all(dashed(a["name"]) in own for a in arguments) else other_flags()
    values, options = {}, LuigiOptions(scheduler_url)
    for argument in arguments:
        key = dashed(argument["name"])
        if argument["text"] is None:
            if key not in own and key not in others:
                raise unknown(cls, argument["name"], own, others)
        elif key in own:
            name, param = own[key]
            values[name] = parsed(cls.task_family, name, param, argument)
        elif key in others:
            family, name, param = others[key]
            parsed(family, name, param, argument)
            text = as_text(param, argument)
            if text:
                setattr(options.known_args, family + "_" + name, text)
            else:
                luigi.configuration.get_config().set(family, name, "")
        else:
            raise unknown(cls, argument["name"], own, others)
    vars_of_parser: Any = CmdlineParser
    vars_of_parser._instance = options
    return instance(cls, values), options


def dashed(name: str) -> str:
    return name.replace("_", "-")


def other_flags() -> Dict[str, Tuple[str, str, Any]]:
    """Every long option of the luigi command, without its dashes."""
    from luigi.task_register import Register

    return {
        dashed(name if without_section else family + "_" + name): (family, name, param)
        for family, without_section, name, param in Register.get_all_params()
    }


def as_text(param: Any, argument: Dict[str, Any]) -> str:
    """What `param.parse` takes. JSON lists for the two kinds that want commas are joined, numbers as they stand."""
    import luigi.parameter

    text = str(argument["text"])
    comma_kinds = tuple(
        getattr(luigi.parameter, kind)
        for kind in ("EnumListParameter", "ChoiceListParameter")
        if hasattr(luigi.parameter, kind)
    )
    if argument.get("json") and isinstance(param, comma_kinds):
        value = json.loads(text, parse_int=str, parse_float=str)
        if isinstance(value, list) and all(isinstance(item, (str, bool)) for item in value):
            return ",".join(item if isinstance(item, str) else json.dumps(item) for item in value)
    return text


def parsed(family: str, name: str, param: Any, argument: Dict[str, Any]) -> Any:
    try:
        value = param.parse(as_text(param, argument))
        param.normalize(value)
    except Exception as error:  # noqa: BLE001 - whatever the parameter's class raises
        raise invalid(family, name, param, str(argument["text"]), error) from None
    return value


def invalid(family: str, name: str, param: Any, text: Optional[str], error: Exception) -> Ended:
    """`text` is None for a value that the task file did not give. Private values are never shown."""
    from luigi.parameter import ParameterVisibility

    public = getattr(param, "visibility", ParameterVisibility.PUBLIC) == ParameterVisibility.PUBLIC
    if text is None:
        shown = "what luigi's configuration or options say"
    elif public:
        shown = repr(text if len(text) <= MAX_VALUE_CHARACTERS else text[: MAX_VALUE_CHARACTERS - 1] + "…")
    else:
        shown = "the value"
    why = describe(error) if public else type(error).__name__  # an error's text may quote the value
    return Ended(
        "invalid-parameter", f"parameter {dashed(name)} of task {family}: {shown} is not {kind_of(param)} ({why})"
    )


def kind_of(param: Any) -> str:
    for cls in type(param).__mro__:
        if cls.__name__ in KINDS:
            choices = getattr(param, "_choices", None) or getattr(param, "_enum", None)
            names = [getattr(c, "name", str(c)) for c in choices] if choices is not None else []
            return KINDS[cls.__name__] + (": " + ", ".join(sorted(names)[:10]) if names else "")
    return f"a valid {type(param).__name__}"


def unknown(cls: Any, name: str, own: Dict[str, Any], others: Dict[str, Any]) -> Ended:
    if dashed(name) in OF_LUIGID:
        text = f"task {cls.task_family} has no parameter {dashed(name)}, and it is an option of luigid, not of luigi"
        return Ended("unknown-parameter", text)
    hint = did_you_mean(dashed(name), own) or did_you_mean(dashed(name), others)
    if not hint:
        hint = "; it has " + ", ".join(sorted(own)[:10]) if own else "; it has none"
    message = f"task {cls.task_family} has no parameter {dashed(name)}, nor has luigi such an option{hint}"
    return Ended("unknown-parameter", message)


def instance(cls: Any, values: Dict[str, Any]) -> Any:
    missing: List[str] = []
    for name, param in cls.get_params():
        if name not in values:
            try:
                if not param.has_task_value(cls.task_family, name):
                    missing.append(dashed(name))
            except Exception as error:  # noqa: BLE001 - whatever the parameter's class raises
                raise invalid(cls.task_family, name, param, None, error) from None
    if missing:
        what = "parameter " + missing[0] if len(missing) == 1 else "parameters " + ", ".join(missing)
        raise Ended("missing-parameter", f"task {cls.task_family} needs {what}")
    try:
        return cls(**values)
    except Exception as error:
        raise Ended("scheduling-failed", f"making task {cls.task_family} failed: {describe(error)}") from error


def check_workers() -> None:
    """Raises `Ended`, invalid-parameter: with fewer than one Luigi schedules and never runs anything."""
    import luigi.interface

    workers = luigi.interface.core().workers
    if workers < 1:
        raise Ended("invalid-parameter", f"workers is {workers}: nothing would ever run; write 1 or more")


def given(options: LuigiOptions, family: str, name: str) -> Any:
    """The text of an option if the task file or Luigi's configuration sets it."""
    import luigi.configuration

    value = getattr(options.known_args, family + "_" + name, None)
    return value if value is not None else luigi.configuration.get_config().get(family, name, None)
