"""Every key and option the two files know, as data: the parsers and the JSON Schemas are made of it.

The options are those of virtualenv 20.26 to 21 (`virtualenv --help`); a test holds the list against the installed one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType


class Shape(Enum):
    """What a key's value looks like, in words that a message can use."""

    TEXT = "text"
    MAPPING = "a mapping"
    LIST = "a list"


@dataclass(frozen=True)
class Key:
    """One key of a file. `description` is one sentence without a full stop, `example` is YAML for its value."""

    name: str
    shape: Shape
    description: str
    example: str
    required: bool = False


@dataclass(frozen=True)
class FileKind:
    """One of the two files: what it is called, its top-level keys, and keys that belong further down in it."""

    title: str
    article: str
    description: str
    keys: tuple[Key, ...]
    below: Mapping[str, str]
    """A key that people write at the top level, to the top-level key it belongs below."""
    synonyms: Mapping[str, str]
    """Other people's words for a top-level key."""
    former: Mapping[str, str] = field(default_factory=dict)
    """A top-level key of the first Poltergust to what is written instead, a sentence's end."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(key.name for key in self.keys)


_VARIABLES = "Environment variables, each value verbatim text"
_LUIGI_CONFIG = "The luigi.cfg of the run: sections with their options, each value verbatim text"

TASK_KEYS = (
    Key("name", Shape.TEXT, "Luigi's root task, with its namespace if it has one", "SomeTask", required=True),
    Key("module", Shape.TEXT, "The module to import for the root task", "some_luigi_pipeline_module", required=True),
)
"""Keys below `task:` with a meaning of their own; every other one is an argument of the luigi command."""

TASK_FILE = FileKind(
    "task file",
    "a",
    "Which environment, which root task with which arguments, which variables",
    (
        Key(
            "environment",
            Shape.TEXT,
            "The environment file, as a gs:// path or a path relative to the file that names it",
            "gs://mybucket/environment/myenv.yaml",
            required=True,
        ),
        Key(
            "task",
            Shape.MAPPING,
            "Luigi's root task with its name and module, and arguments of the luigi command without their dashes",
            "{name: SomeTask, module: some_luigi_pipeline_module, some-task-argument: some-value}",
            required=True,
        ),
        Key(
            "variables",
            Shape.MAPPING,
            f"{_VARIABLES}; stronger than the environment file's",
            "{DB_HOST: database.com}",
        ),
        Key("timeout", Shape.TEXT, "Wall clock of the whole run: 45s, 90m, 1h30m, 2d, or a number of seconds", "90m"),
        Key("retries", Shape.TEXT, "How often a task is tried again in the whole cluster before it has failed", "3"),
        Key("nodes", Shape.LIST, "Labels that a node must have, all of them, to run this", "[gpu]"),
        Key(
            "priority",
            Shape.TEXT,
            "Place in the queue of each node, a whole number: higher first, then in order of arrival; 0 by default",
            "10",
        ),
        Key(
            "luigi-config",
            Shape.MAPPING,
            f"{_LUIGI_CONFIG}; stronger than the environment file's",
            "{SomeTask: {some_parameter: some-value}}",
        ),
    ),
    MappingProxyType({"name": "task", "module": "task"}),
    MappingProxyType(
        {
            "env": "variables",
            "vars": "variables",
            "arguments": "task",
            "parameters": "task",
            "labels": "nodes",
            "luigi": "luigi-config",
            "luigi.cfg": "luigi-config",
        }
    ),
    MappingProxyType(
        {
            "command": 'luigi alone is run: write name and module below "task:", and beside them what else luigi was '
            "given"
        }
    ),
)

ENVIRONMENT_FILE = FileKind(
    "environment file",
    "an",
    "Options of virtualenv, what to install, which variables",
    (
        Key(
            "virtualenv",
            Shape.MAPPING,
            "Options of the virtualenv command without their dashes; true is a bare flag, false leaves it out",
            "{python: python3.8}",
        ),
        Key(
            "dependencies",
            Shape.LIST,
            "What to install, each entry one line of a requirements file, all of them in one resolution with luigi",
            "[pandas, 'requests>=2,<3']",
        ),
        Key(
            "variables",
            Shape.MAPPING,
            f"{_VARIABLES}; stronger than the node's own",
            "{PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION: python}",
        ),
        Key("installer", Shape.TEXT, "What installs the dependencies: uv, the default, or pip", "uv"),
        Key(
            "preload", Shape.LIST, "Modules to import before a run asks for them, so that it begins sooner", "[pandas]"
        ),
        Key(
            "code",
            Shape.LIST,
            "The pipeline's own source, to go on PYTHONPATH: .py files, .zip files and folders, each a gs:// path or a "
            "path relative to this file",
            "[../code/, gs://mybucket/code/helpers.py]",
        ),
        Key("luigi-config", Shape.MAPPING, _LUIGI_CONFIG, "{core: {log_level: DEBUG}}"),
    ),
    MappingProxyType({"python": "virtualenv", "system-site-packages": "virtualenv"}),
    MappingProxyType(
        {
            "env": "variables",
            "vars": "variables",
            "packages": "dependencies",
            "requirements": "dependencies",
            "pythonpath": "code",
            "source": "code",
            "luigi": "luigi-config",
            "luigi.cfg": "luigi-config",
        }
    ),
)

INSTALLERS = ("uv", "pip")

# Names as regular expressions that the parsers and JSON Schema take alike, not anchored.
VARIABLE_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
MODULE_NAME = r"(?!.*\.py$)\w[\w-]*(\.\w[\w-]*)*"
"""As after `import`; dashes are allowed, because Luigi imports by name."""
TASK_NAME = r"[^\W\d][\w.-]*"
ARGUMENT_NAME = r"[^\W\d][\w-]*(\.[\w-]+)*"
LABEL = r"[A-Za-z0-9][A-Za-z0-9._=/-]{0,99}"
"""A label of a node, such as ``gpu`` or ``zone=europe-west1``."""
SECTION_NAME = r"\w[^\[\]\r\n]*"
OPTION_NAME = r"\w[\w.-]*"
"""Of luigi.cfg, as configparser reads them back."""

MAX_TIMEOUT_SECONDS = 365 * 24 * 3600
"""A longer one is taken for a mistake."""

MAX_RETRIES = 1000

MAX_PRIORITY = 1_000_000
"""Either way from 0."""

PACKAGE_SUFFIXES = (".whl", ".tar.gz", ".tgz", ".tar.bz2", ".egg")
"""Of what is installed and does not go on PYTHONPATH as it is."""

MAX_CODE_PLACES = 20
"""Entries of `code`: each is listed by every node for every run."""

REFUSED_ARGUMENTS: Mapping[str, str] = MappingProxyType(
    {
        "local-scheduler": "all nodes share one scheduler, named to poltergust listen",
        "scheduler-url": "all nodes share one scheduler, named to poltergust listen --scheduler-url",
        "scheduler-host": "all nodes share one scheduler, named to poltergust listen --scheduler-url",
        "scheduler-port": "all nodes share one scheduler, named to poltergust listen --scheduler-url",
        "worker-id": "Poltergust names Luigi's workers, so that a dead node's tasks can be taken over",
        "assistant": "an assistant has no root task to complete",
        "take-lock": "Poltergust runs Luigi without its lock, many pipelines side by side",
        "lock-size": "Poltergust runs Luigi without its lock, many pipelines side by side",
        "lock-pid-dir": "Poltergust runs Luigi without its lock, many pipelines side by side",
        **dict.fromkeys(
            (
                "retcode-already-running",
                "retcode-missing-data",
                "retcode-not-run",
                "retcode-task-failed",
                "retcode-scheduling-error",
                "retcode-unhandled-exception",
            ),
            "nothing reads luigi's exit code, the root task itself is asked whether it is complete",
        ),
        "help": "it would print a help text and run nothing",
        "help-all": "it would print a help text and run nothing",
    }
)
"""Arguments of the luigi command that would defeat the run, and why. None of them can be a parameter of a root task
on Luigi's own command line either: its parser would meet the flag twice (luigi/cmdline_parser.py, `_build_parser`)."""


class Takes(Enum):
    """What an option of virtualenv takes."""

    FLAG = "true or false"
    VALUE = "one value"
    VALUES = "one value or a list of them"


@dataclass(frozen=True)
class Option:
    """One option of virtualenv that an environment file may set."""

    name: str
    takes: Takes
    description: str


OPTIONS = (
    Option("python", Takes.VALUES, "The interpreter: python3.8, 3.11, >=3.10,<3.13 or a path; the first found wins"),
    Option("try-first-with", Takes.VALUES, "Interpreters to try before any other is looked for"),
    Option("discovery", Takes.VALUE, "How an interpreter is looked for"),
    Option("creator", Takes.VALUE, "How the environment is made: builtin, venv, cpython3-posix"),
    Option("system-site-packages", Takes.FLAG, "Let the environment see the packages of the interpreter it is made of"),
    Option("symlinks", Takes.FLAG, "Symbolic links rather than copies"),
    Option("copies", Takes.FLAG, "Copies rather than symbolic links"),
    Option("always-copy", Takes.FLAG, "Another name of copies"),
    Option("no-vcs-ignore", Takes.FLAG, "Write no .gitignore into the environment"),
    Option("seeder", Takes.VALUE, "How seed packages are installed: app-data or pip"),
    Option("no-seed", Takes.FLAG, "Install no seed packages"),
    Option("without-pip", Takes.FLAG, "Another name of no-seed"),
    Option("download", Takes.FLAG, "Download the newest seed packages"),
    Option("no-download", Takes.FLAG, "Use the seed packages that virtualenv brings"),
    Option("never-download", Takes.FLAG, "Another name of no-download"),
    Option("extra-search-dir", Takes.VALUES, "Folders with wheels of seed packages"),
    Option("pip", Takes.VALUE, "The version of pip to seed: 24.0, bundle, embed or none"),
    Option("setuptools", Takes.VALUE, "The version of setuptools to seed: 75.0, bundle, embed or none"),
    Option("wheel", Takes.VALUE, "The version of wheel to seed, where virtualenv still knows it"),
    Option("no-pip", Takes.FLAG, "Seed no pip"),
    Option("no-setuptools", Takes.FLAG, "Seed no setuptools"),
    Option("no-wheel", Takes.FLAG, "Seed no wheel, where virtualenv still knows the option"),
    Option("no-periodic-update", Takes.FLAG, "Do not look for newer seed packages now and then"),
    Option("symlink-app-data", Takes.FLAG, "Link seed packages from virtualenv's cache"),
    Option("activators", Takes.VALUE, "Activation scripts to write, separated by commas"),
    Option("prompt", Takes.VALUE, "The prompt of the activated environment"),
    Option("verbose", Takes.FLAG, "More output of virtualenv in the log"),
    Option("quiet", Takes.FLAG, "Less output of virtualenv in the log"),
    Option("with-traceback", Takes.FLAG, "Tracebacks of virtualenv in the log"),
)

_CACHE = "every node keeps virtualenv's own cache as its administrator set it up"
_FOLDER = "Poltergust chooses the folder and keeps it in its cache"

REFUSED_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "dest": _FOLDER,
        "clear": _FOLDER,
        "venv-redirect": _FOLDER,
        "no-venv-redirect": _FOLDER,
        "app-data": _CACHE,
        "reset-app-data": _CACHE,
        "read-only-app-data": _CACHE,
        "upgrade-embed-wheels": _CACHE,
        "help": "it would print a text and make no environment",
        "version": "it would print a text and make no environment",
    }
)
"""Options of virtualenv that an environment file cannot set, and why."""

SHORT_OPTIONS: Mapping[str, str] = MappingProxyType({"p": "python", "v": "verbose", "q": "quiet", "h": "help"})
