"""Start: load this folder as the package `poltergust_inside` without ever putting it on sys.path, then run, or be the
fork server if the agent asks for one.

Python puts a script's folder at sys.path[0] (PYTHONSAFEPATH, 3.11 on, may have left it out): it is taken away. Modules
of a pipeline may stand in the working directory, as after `PYTHONPATH=. luigi`; it comes last, because what earlier
runs left there must not stand before the standard library or what is installed.
"""

import importlib.util
import os
import sys
from typing import Any

NAME = "poltergust_inside"


def load(module: str) -> Any:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here] + [os.getcwd()]
    spec = importlib.util.spec_from_file_location(
        NAME, os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    if spec is None or spec.loader is None:
        raise ImportError("cannot load " + here)
    package = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = package
    spec.loader.exec_module(package)
    return importlib.import_module(NAME + "." + module)


if __name__ == "__main__":
    sys.exit(load("fork_server" if "POLTERGUST_FORK_SERVER" in os.environ else "process").main())
