"""Wrong inputs beyond the text of the files: what they name. Each with its reason and the whole message: it is product.

In texts and messages: `{config}` and `{environment}` are the files' paths, `{folder}` is where environment files stand,
`{index}` a package index, `{pipelines}` the modules' folder, `{any}` what differs between machines.
"""

# ruff: noqa: E501 - a message stands on one line, as people search for it

from __future__ import annotations

from dataclasses import dataclass

from poltergust.base.reasons import Reason

TYPED = "module: mistakes\nname: Typed\n"


@dataclass(frozen=True)
class Wrong:
    """`task` are the lines below `task:`, `environment` is the environment file. For a reason that is this node's own,
    the run ends as `gave-up` and says so before the message."""

    reason: Reason
    message: str
    task: str = "module: outcomes\nname: NoOutput\nmark: /dev/null\n"
    environment: str = "dependencies: []\n"
    reference: str = ""  # how the task file names its environment file, if not as usual


def module(reason: Reason, message: str, name: str, more: str = "name: NoOutput\nmark: /dev/null\n") -> Wrong:
    return Wrong(reason, message, f"module: {name}\n{more}")


def argument(reason: Reason, message: str, lines: str, task: str = TYPED) -> Wrong:
    return Wrong(reason, message, task + lines)


def packages(reason: Reason, message: str, *lines: str) -> Wrong:
    entries = "".join(f"- {line!r}\n" for line in ("--index-url {index}", *lines))
    return Wrong(reason, message, environment=f"dependencies:\n{entries}")


def virtualenv(reason: Reason, message: str, options: str) -> Wrong:
    return Wrong(reason, message, environment=f"virtualenv: {options}\n")


R = Reason
MODULES = {
    "module-typo": module(
        R.UNKNOWN_MODULE,
        "module outcome is not in the environment nor on PYTHONPATH; did you mean outcomes?",
        "outcome",
    ),
    "module-part": module(
        R.UNKNOWN_MODULE,
        "module nopackage.part (nopackage) is not in the environment nor on PYTHONPATH",
        "nopackage.part",
    ),
    "module-breaks": module(
        R.IMPORT_ERROR,
        "importing breaks failed: OSError: libmoon.so.5: cannot open shared object file ({pipelines}/breaks.py:3)",
        "breaks",
    ),
    "module-syntax": module(
        R.IMPORT_ERROR, "importing syntax failed: SyntaxError: expected ':' (syntax.py, line 3)", "syntax"
    ),
    "module-needs-other": module(
        R.IMPORT_ERROR,
        "importing needs_other failed: ModuleNotFoundError: No module named 'library_of_nobody' ({pipelines}/needs_other.py:3)",
        "needs_other",
    ),
    "module-leaves": module(
        R.IMPORT_ERROR, "importing leaves failed: SystemExit: not today ({pipelines}/leaves.py:5)", "leaves"
    ),
    "preload-unknown": Wrong(
        R.UNKNOWN_MODULE,
        "module library_of_nobody is not in the environment nor on PYTHONPATH",
        environment="preload: [library_of_nobody]\n",
    ),
    "task-typo": module(
        R.UNKNOWN_TASK, "module outcomes has no task NoOutptu; did you mean NoOutput?", "outcomes", "name: NoOutptu\n"
    ),
    "task-case": module(
        R.UNKNOWN_TASK, "module mistakes has no task typed; did you mean Typed?", "mistakes", "name: typed\n"
    ),
    "task-none-there": module(
        R.UNKNOWN_TASK, "module no_tasks has no task Xyzzy; it has no tasks", "no_tasks", "name: Xyzzy\n"
    ),
}
PARAMETERS = {
    "parameter-typo": argument(
        R.UNKNOWN_PARAMETER,
        "task Typed has no parameter cuont, nor has luigi such an option; did you mean count?",
        "cuont: 1\n",
    ),
    "parameter-strange": argument(
        R.UNKNOWN_PARAMETER,
        "task Typed has no parameter xyzzy, nor has luigi such an option; it has colour, count, day, flag, hidden, names, share, size, table, wait",
        "xyzzy: 1\n",
    ),
    "parameter-missing": argument(
        R.MISSING_PARAMETER, "task Needy needs parameter source", "", "module: mistakes\nname: Needy\n"
    ),
    "parameters-missing": argument(
        R.MISSING_PARAMETER, "task Needier needs parameters source, sink", "", "module: mistakes\nname: Needier\n"
    ),
    "parameter-int": argument(
        R.INVALID_PARAMETER,
        "parameter count of task Typed: 'many' is not a whole number (ValueError: invalid literal for int() with base 10: 'many')",
        "count: many\n",
    ),
    "parameter-int-fraction": argument(
        R.INVALID_PARAMETER,
        "parameter count of task Typed: '1.5' is not a whole number (ValueError: invalid literal for int() with base 10: '1.5')",
        "count: 1.5\n",
    ),
    "parameter-float": argument(
        R.INVALID_PARAMETER,
        "parameter share of task Typed: 'half' is not a number (ValueError: could not convert string to float: 'half')",
        "share: half\n",
    ),
    "parameter-date": argument(
        R.INVALID_PARAMETER,
        "parameter day of task Typed: '31.01.2024' is not a date such as 2024-01-31 (ValueError: time data '31.01.2024' does not match format '%Y-%m-%d')",
        "day: 31.01.2024\n",
    ),
    "parameter-bool": argument(
        R.INVALID_PARAMETER,
        "parameter flag of task Typed: 'perhaps' is not true or false (ValueError: cannot interpret 'perhaps' as boolean)",
        "flag: perhaps\n",
    ),
    "parameter-choice": argument(
        R.INVALID_PARAMETER,
        "parameter size of task Typed: 'huge' is not one of its choices: large, small (ValueError: huge is not a valid choice from {any})",
        "size: huge\n",
    ),
    "parameter-enum": argument(
        R.INVALID_PARAMETER,
        "parameter colour of task Typed: 'GREEN' is not one of its names: BLUE, RED (ValueError: Invalid enum value - could not be parsed)",
        "colour: GREEN\n",
    ),
    "parameter-list": argument(
        R.INVALID_PARAMETER,
        "parameter names of task Typed: 'a, b' is not a list (JSONDecodeError: Expecting value: line 1 column 1 (char 0))",
        "names: 'a, b'\n",
    ),
    "parameter-dict": argument(
        R.INVALID_PARAMETER,
        "parameter table of task Typed: 'a: b' is not a mapping (JSONDecodeError: Expecting value: line 1 column 1 (char 0))",
        "table: 'a: b'\n",
    ),
    "parameter-duration": argument(
        R.INVALID_PARAMETER,
        "parameter wait of task Typed: 'soon' is not a duration such as 2 hours (ParameterException: Invalid time delta - could not parse soon)",
        "wait: soon\n",
    ),
    "parameter-hidden": argument(
        R.INVALID_PARAMETER,
        "parameter hidden of task Typed: the value is not a whole number (ValueError)",
        "hidden: swordfish\n",
    ),
    "parameter-of-another-task": argument(
        R.INVALID_PARAMETER,
        "parameter count of task Typed: 'many' is not a whole number (ValueError: invalid literal for int() with base 10: 'many')",
        "Typed-count: many\n",
        "module: mistakes\nname: BadRun\n",
    ),
    "parameter-of-luigi": argument(
        R.INVALID_PARAMETER,
        "parameter workers of task core: 'many' is not a whole number (ValueError: invalid literal for int() with base 10: 'many')",
        "workers: many\n",
    ),
}
TASKS = {
    "task-unmakable": module(
        R.SCHEDULING_FAILED, "making task Unmakable failed: ValueError: not with me", "mistakes", "name: Unmakable\n"
    ),
    "task-complete-raises": module(
        R.SCHEDULING_FAILED,
        "complete() of BadComplete raised OSError: the warehouse does not answer",
        "mistakes",
        "name: BadComplete\n",
    ),
    "task-requires-raises": module(
        R.SCHEDULING_FAILED,
        "complete() or requires() raised in BadRequires: KeyError: 'partition'",
        "mistakes",
        "name: BadRequires\n",
    ),
    "task-run-raises": module(
        R.TASK_FAILED,
        "BadRun failed as often as it may: ZeroDivisionError: division by zero",
        "mistakes",
        "name: BadRun\n",
    ),
}
INTERPRETERS = {
    "python-missing": virtualenv(
        R.INTERPRETER_MISSING,
        "{environment}: virtualenv: python: python3.99 is not on this node; here are: {any}; install it (apt-get install python3.X, pyenv install 3.X), start the node with --install-pythons, or ask for one of these",
        "{{python: python3.99}}",
    ),
    "python-range-missing": virtualenv(
        R.INTERPRETER_MISSING,
        "{environment}: virtualenv: python: >=3.99 is not on this node; here are: {any}; install it (apt-get install python3.X, pyenv install 3.X), start the node with --install-pythons, or ask for one of these",
        "{{python: '>=3.99'}}",
    ),
    "python-range-wrong": virtualenv(
        R.INVALID_VALUE,
        "{environment}: virtualenv: python: '>=banana' is not a version range; write it like '>=3.10,<3.13'",
        "{{python: '>=banana'}}",
    ),
    "python-path-missing": virtualenv(
        R.INTERPRETER_MISSING,
        "{environment}: virtualenv: python: ./nopython is not on this node; here are: {any}; install it (apt-get install python3.X, pyenv install 3.X), start the node with --install-pythons, or ask for one of these",
        "{{python: ./nopython}}",
    ),
    "python-not-one": virtualenv(
        R.INTERPRETER_MISSING,
        "{environment}: virtualenv: python: /bin/sh is not on this node; here are: {any}; install it (apt-get install python3.X, pyenv install 3.X), start the node with --install-pythons, or ask for one of these",
        "{{python: /bin/sh}}",
    ),
    "python-name-missing": virtualenv(
        R.INTERPRETER_MISSING,
        "{environment}: virtualenv: python: snake is not on this node; here are: {any}; install it (apt-get install python3.X, pyenv install 3.X), start the node with --install-pythons, or ask for one of these",
        "{{python: snake}}",
    ),
    "virtualenv-creator": virtualenv(
        R.INSTALL_FAILED,
        "environment {environment}: virtualenv failed (exit code 2): virtualenv: error: argument --creator: invalid choice: 'nothing' {any}",
        "{{creator: nothing}}",
    ),
}
PACKAGES = {
    "package-unknown": packages(
        R.PACKAGE_NOT_FOUND,
        "environment {environment}: line 3 (nothing-of-the-kind): No solution found when resolving dependencies: Because nothing-of-the-kind was not found in the package registry and you require nothing-of-the-kind, we can conclude that your requirements are unsatisfiable.",
        "nothing-of-the-kind",
    ),
    "package-version-unknown": packages(
        R.PACKAGE_NOT_FOUND,
        "environment {environment}: line 3 (alpha==9.0): No solution found when resolving dependencies: Because there is no version of alpha==9.0 and you require alpha==9.0, we can conclude that your requirements are unsatisfiable.",
        "alpha==9.0",
    ),
    "package-luigi-version": packages(
        R.PACKAGE_NOT_FOUND,
        "environment {environment}: line 3 (luigi==99): No solution found when resolving dependencies: Because there is no version of luigi==99 and you require luigi==99, we can conclude that your requirements are unsatisfiable.",
        "luigi==99",
    ),
    "package-conflict": packages(
        R.RESOLUTION_IMPOSSIBLE,
        "environment {environment}: line 4 (alpha==1.1): No solution found when resolving dependencies: Because you require alpha==1.0 and alpha==1.1, we can conclude that your requirements are unsatisfiable.",
        "alpha==1.0",
        "alpha==1.1",
    ),
    "package-conflict-below": packages(
        R.RESOLUTION_IMPOSSIBLE,
        "environment {environment}: line 3 (alpha==1.1): No solution found when resolving dependencies: Because all versions of needs-old-alpha depend on {any}, we can conclude that your requirements and all versions of needs-old-alpha are incompatible.: And because you require needs-old-alpha, we can conclude that your requirements are unsatisfiable.",
        "alpha==1.1",
        "needs-old-alpha",
    ),
    "package-single-equals": packages(
        R.DEPENDENCY_INVALID,
        "{environment}: dependencies, line 3: Expected semicolon (after name with no version specifier) or end: 'alpha=1.0' is not a line of a requirements file that pip or uv can install",
        "alpha=1.0",
    ),
    "package-strange-operator": packages(
        R.DEPENDENCY_INVALID,
        "{environment}: dependencies, line 3: Expected semicolon (after name with no version specifier) or end: 'alpha>>1' is not a line of a requirements file that pip or uv can install",
        "alpha>>1",
    ),
    "package-no-name": packages(
        R.DEPENDENCY_INVALID,
        "{environment}: dependencies, line 3: Expected package name at the start of dependency specifier: '???' is not a line of a requirements file that pip or uv can install",
        "???",
    ),
    "package-two-names": packages(
        R.DEPENDENCY_INVALID,
        "{environment}: dependencies, line 3: Expected semicolon (after name with no version specifier) or end: 'alpha beta' is not a line of a requirements file that pip or uv can install",
        "alpha beta",
    ),
    "package-option-unknown": packages(
        R.DEPENDENCY_INVALID,
        "{environment}: dependencies, line 3: unknown option --frobnicate: '--frobnicate' is not a line of a requirements file that pip or uv can install",
        "--frobnicate",
    ),
    "package-option-empty": packages(
        R.DEPENDENCY_INVALID,
        "{environment}: dependencies, line 3: --extra-index-url needs a value: '--extra-index-url' is not a line of a requirements file that pip or uv can install",
        "--extra-index-url",
    ),
    "package-option-misplaced": packages(
        R.DEPENDENCY_INVALID,
        "{environment}: dependencies, line 3: --index-url stands on a line of its own: 'alpha --index-url https://example.com' is not a line of a requirements file that pip or uv can install",
        "alpha --index-url https://example.com",
    ),
    "package-quote-open": packages(
        R.DEPENDENCY_INVALID,
        '{environment}: dependencies, line 3: No closing quotation: "--find-links \'x" is not a line of a requirements file that pip or uv can install',
        "--find-links 'x",
    ),
    "package-folder-missing": packages(
        R.PACKAGE_NOT_FOUND,
        "{environment}: dependencies, line 3: {folder}/nothing: there is no such file or folder, 60 s after the config was seen",
        "./nothing",
    ),
    "package-file-missing": packages(
        R.PACKAGE_NOT_FOUND,
        "{environment}: dependencies, line 3: {folder}/nothing.txt: there is no such file or folder, 60 s after the config was seen",
        "-r nothing.txt",
    ),
    "package-files-in-a-circle": packages(
        R.DEPENDENCY_INVALID,
        "{environment}: dependencies, line 3, circle.txt, circle.txt, circle.txt, circle.txt, circle.txt, circle.txt, circle.txt, circle.txt: -r files include each other more than 8 deep",
        "-r circle.txt",
    ),
    "package-line-in-a-file": packages(
        R.DEPENDENCY_INVALID,
        "{environment}: dependencies, line 3, wrong.txt: Expected semicolon (after name with no version specifier) or end: 'alpha=1.0' is not a line of a requirements file that pip or uv can install",
        "-r wrong.txt",
    ),
    "package-no-project": packages(
        R.DEPENDENCY_INVALID,
        "{environment}: dependencies, line 3: {folder}/noproject: this folder has no pyproject.toml or setup.py",
        "./noproject",
    ),
    "package-not-a-wheel": packages(
        R.INSTALL_FAILED,
        "environment {environment}: the installer failed (exit code 1): Failed to read `broken @ file://{folder}/broken-1.0-py3-none-any.whl`: Failed to extract archive: broken-1.0-py3-none-any.whl: Invalid zip file structure: Encountered an unexpected header {any}.",
        "./broken-1.0-py3-none-any.whl",
    ),
    "package-other-platform": packages(
        R.PACKAGE_NOT_FOUND,
        "environment {environment}: No solution found when resolving dependencies: Because only alpha==1.0 is available and alpha==1.0 h{any}, we can conclude that all versions of alpha cannot be used.: And because you require alpha, we can conclude that your requirements are unsatisfiable.",
        "./alpha-1.0-cp27-cp27m-win32.whl",
    ),
    "package-unbuildable": packages(
        R.INSTALL_FAILED,
        "environment {environment}: line 3: a package could not be built (unbuildable @ file://{folder}/unbuildable): error: command 'gcc' failed: No such file",
        "./unbuildable",
    ),
    "package-hash-wrong": packages(
        R.INSTALL_FAILED,
        "environment {environment}: the installer failed (exit code 1): Failed to download `alpha==1.0`: Hash mismatch for `alpha==1.0`: Expected: sha256:0000000000000000000000000000000000000000000000000000000000000000: Computed: sha256:{any}",
        "alpha==1.0 --hash=sha256:" + "0" * 64,
    ),
    "package-git-missing": packages(
        R.INSTALL_FAILED,
        "environment {environment}: the installer failed (exit code 1): Git operation failed: failed to clone into: {any}",
        "git+{index}nothing.git",
    ),
    "package-variable-missing": packages(
        R.VARIABLE_MISSING,
        "{environment}: dependencies, line 3: the variable MOON_HOST is not set in this node's environment; set it where the agent is started",
        "beta @ https://${{MOON_HOST}}/beta-1.0-py3-none-any.whl",
    ),
    "package-python-too-old": packages(
        R.PACKAGE_NOT_FOUND,
        "environment {environment}: line 3 (for-python-four): No solution found when resolving dependencies: Because for-python-four was not found in the package registry and you require for-python-four, we can conclude that your requirements are unsatisfiable.",
        "for-python-four",
    ),
    "package-yanked-marker": packages(
        R.DEPENDENCY_INVALID,
        "{environment}: dependencies, line 3: Expected a marker variable or quoted string: \"alpha; python_versoin > '3'\" is not a line of a requirements file that pip or uv can install",
        "alpha; python_versoin > '3'",
    ),
}
NO_CREDENTIALS = "{config}: no Google credentials for gs:// ({any}); on this node run `gcloud auth application-default login` or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
ENVIRONMENTS = {
    "environment-in-a-bucket": Wrong(R.ENVIRONMENT_DENIED, NO_CREDENTIALS, reference="gs://nobody/environment.yaml"),
    "package-in-a-bucket": packages(R.ENVIRONMENT_DENIED, NO_CREDENTIALS, "gs://nobody/alpha-1.0-py3-none-any.whl"),
}
WRONG = {**ENVIRONMENTS, **MODULES, **PARAMETERS, **TASKS, **INTERPRETERS, **PACKAGES}
