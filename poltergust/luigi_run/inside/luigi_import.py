"""Import luigi without the configuration that stands in the working directory.

Luigi reads luigi.cfg, client.cfg and luigi.toml of the current directory when it is imported and at each reload. That
directory lasts and is shared by all runs of a path: what one of them left there must not configure the others.
"""

# mypy: allow-untyped-calls
import contextlib
import os
import tempfile
from typing import Any

PATH, PARSER = "LUIGI_CONFIG_PATH", "LUIGI_CONFIG_PARSER"


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


def configure_again() -> None:
    """In a process that imported Luigi with other variables: read the configuration that they name now. Raises
    ImportError where Luigi would, and where it would have imported something else."""
    import luigi.configuration
    import luigi.interface

    options: Any = luigi.interface.core
    options.lock_pid_dir._default = os.path.join(tempfile.gettempdir(), "luigi")
    core: Any = luigi.configuration.core
    if hasattr(core, "PARSER") and os.environ.get(PARSER, core.DEFAULT_PARSER) != core.PARSER:
        raise ImportError("this Luigi takes " + PARSER + " when it is imported")
    for parser in set(core.PARSERS.values()):
        parser._instance = None
        parser._config_paths[:] = [path for path in parser._config_paths if path.startswith("/etc/")]
    if os.environ.get(PATH):
        os.environ[PATH] = os.path.abspath(os.environ[PATH])
    if PATH in os.environ:
        core.add_config_path(os.environ[PATH])
    config = core.get_config()
    with contextlib.suppress(ModuleNotFoundError):  # Luigi before 2.8.3
        from luigi.setup_logging import BaseLogging

        logging: Any = BaseLogging
        logging.config = config
    if config.has_option("core", "autoload_range"):
        raise ImportError("[core] autoload_range decides what is imported")
