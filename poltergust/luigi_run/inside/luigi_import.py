"""Import luigi without the configuration that stands in the working directory.

Luigi reads luigi.cfg, client.cfg and luigi.toml of the current directory when it is imported and at each reload. That
directory lasts and is shared by all runs of a path: what one of them left there must not configure the others.
"""

# mypy: allow-untyped-calls
import os
from typing import Any

PATH = "LUIGI_CONFIG_PATH"


def import_luigi() -> None:
    """Raises ImportError. Threads that use the current directory must not run yet: it is another one meanwhile."""
    if os.environ.get(PATH):
        os.environ[PATH] = os.path.abspath(os.environ[PATH])
    back = os.getcwd()
    try:
        os.chdir(os.path.dirname(os.path.abspath(__file__)))  # holds no configuration
        import luigi.configuration
        import luigi.interface
        import luigi.rpc
    finally:
        os.chdir(back)
    for name in ("LuigiConfigParser", "LuigiTomlParser"):
        parser: Any = getattr(luigi.configuration, name, None)
        if parser is not None:
            parser._config_paths[:] = [path for path in parser._config_paths if os.path.isabs(path)]
