"""From a request to the pipeline's root task: Luigi, the modules, the task with its arguments."""

# mypy: allow-untyped-calls
import multiprocessing
import sys
from typing import Any, Dict, Tuple

from . import binding, finding, guards, luigi_import


def load_luigi() -> None:
    """Raises `Ended`."""
    try:
        luigi_import.import_luigi()
    except Exception as error:  # an old Luigi in a new Python may raise anything
        raise finding.broken_import("luigi", error) from error


def load_root(request: Dict[str, Any]) -> Tuple[Any, Any]:
    """The root task, and Luigi's options as its arguments set them. Raises `Ended`."""
    if "fork" in multiprocessing.get_all_start_methods():
        # What Luigi assumes, as the default: a pipeline's module may set another one, and Python lets it do so once.
        default: Any = multiprocessing.context
        default._default_context._default_context = multiprocessing.get_context("fork")
    sys.argv[:] = ["luigi", request["task"]]
    guards.hide_environment()
    guards.keep_failures()
    with guards.no_run_while_importing():
        for name in request["preload"]:
            finding.load_module(name)
        module = finding.load_module(request["module"])
    cls = finding.find_task(request["task"], module)
    root, options = binding.bind(cls, request["arguments"], request["scheduler_url"])
    binding.check_workers()
    return root, options
