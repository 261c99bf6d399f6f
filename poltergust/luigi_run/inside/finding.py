"""Modules and the task: a name that does not exist is the file's mistake, one that exists and breaks is the node's.

A module that cannot be found at all, or whose parent cannot, is `unknown-module`. Anything raised while it is imported
(a missing shared library, another module missing, a syntax error, sys.exit at the top) is `import-error`: another node,
or this one with another installation, may well import it.
"""

# mypy: allow-untyped-calls
import importlib
import pkgutil
import re
import sys
import traceback
from typing import Any, List

from .ending import Ended, describe, did_you_mean

NAME = re.compile(r"\w[\w-]*")  # what can be imported by name, as Luigi does it: more than can be after `import`


def load_module(name: str) -> Any:
    """Raises `Ended`: unknown-module, import-error."""
    if not all(NAME.fullmatch(part) for part in name.split(".")):
        hint = ": write it as Python imports it, such as package.module"
        raise Ended("unknown-module", f"module {name!r} is not a module name{hint}")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise Ended("unknown-module", unknown_module(name, error.name)) from None
        raise broken_import(name, error) from error
    except (KeyboardInterrupt, Ended):
        raise
    except BaseException as error:
        raise broken_import(name, error) from error


def unknown_module(name: str, missing: str) -> str:
    parent, _, last = missing.rpartition(".")
    try:
        where = list(getattr(sys.modules[parent], "__path__", [])) if parent else None
        near = did_you_mean(last, (found.name for found in pkgutil.iter_modules(where)))
    except (KeyError, OSError, ImportError):
        near = ""
    what = f"module {name}" + ("" if missing == name else f" ({missing})")
    return f"{what} is not in the environment nor on PYTHONPATH{near}"


def broken_import(name: str, error: BaseException) -> Ended:
    where = ""
    if not isinstance(error, SyntaxError):
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame[0]]
        if len(frames) > 1:
            where = f" ({frames[-1][0]}:{frames[-1][1]})"
    return Ended("import-error", f"importing {name} failed: {describe(error)}{where}")


def formatted(error: BaseException) -> List[str]:
    return traceback.format_exception(type(error), error, error.__traceback__)


def find_task(family: str, module: Any) -> Any:
    """The task class of that family. Raises `Ended`: unknown-task."""
    from luigi.task_register import Register, TaskClassException

    try:
        return Register.get_task_cls(family)
    except TaskClassException as error:
        if "mbig" in type(error).__name__:
            message = "task {} is ambiguous: more than one class of that name is loaded; give one a task_namespace"
            raise Ended("unknown-task", message.format(family)) from None
    own = tasks_of(module.__name__)
    near = [name for name in own if name.rpartition(".")[2] == family]
    hint = f"; did you mean {near[0]}?" if near else did_you_mean(family, own)
    if not hint:
        hint = "; it has " + ", ".join(own[:10]) if own else "; it has no tasks"
    raise Ended("unknown-task", f"module {module.__name__} has no task {family}{hint}")


def tasks_of(module: str) -> List[str]:
    """Families that the module defines itself or, if none, that anything but luigi defines."""
    from luigi.task_register import Register

    classes = {name: cls for name, cls in Register._get_reg().items() if hasattr(cls, "task_family")}
    own = sorted(name for name, cls in classes.items() if cls.__module__ == module)
    return own or sorted(name for name, cls in classes.items() if cls.__module__.split(".")[0] != "luigi")
