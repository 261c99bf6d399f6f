"""Wrong environment files: the file, its reason, and the whole message, which is product."""

from __future__ import annotations

from poltergust.base.reasons import Reason

ENVIRONMENT_FILES: tuple[tuple[str | bytes, Reason, str], ...] = (
    (
        "",
        Reason.MISSING_KEY,
        "f.yaml: the file is empty; an environment file holds {} at least, for luigi alone",
    ),
    (
        "- pandas\n",
        Reason.WRONG_TYPE,
        'f.yaml:1:1: an environment file is a mapping, lines of "key: value"; this is a list',
    ),
    (
        "foo: 1",
        Reason.UNKNOWN_KEY,
        (
            'f.yaml:1:1: unknown key "foo"; an environment file has "virtualenv", "dependencies", "variables", '
            '"installer", "preload", "code" and "luigi-config", keys of your own begin with "x-"'
        ),
    ),
    (
        "task: {name: A}",
        Reason.UNKNOWN_KEY,
        'f.yaml:1:1: "task" belongs in the task file, not in an environment file',
    ),
    (
        "python: python3.8",
        Reason.UNKNOWN_KEY,
        'f.yaml:1:1: "python" belongs below "virtualenv:", not at the top level',
    ),
    (
        "timeouts: 5",
        Reason.UNKNOWN_KEY,
        'f.yaml:1:1: unknown key "timeouts"; did you mean "timeout", which belongs in the task file?',
    ),
    (
        "virtualenv: python3.8",
        Reason.WRONG_TYPE,
        'f.yaml:1:13: virtualenv: a mapping belongs here, indented lines of "key: value"; this is text',
    ),
    (
        "virtualenv:\n  pyton: x",
        Reason.UNKNOWN_VIRTUALENV_OPTION,
        'f.yaml:2:3: virtualenv: unknown option "pyton"; did you mean "python"?',
    ),
    (
        "virtualenv:\n  frobnicate: x",
        Reason.UNKNOWN_VIRTUALENV_OPTION,
        'f.yaml:2:3: virtualenv: unknown option "frobnicate"; virtualenv --help lists them',
    ),
    (
        "virtualenv:\n  p: python3",
        Reason.UNKNOWN_VIRTUALENV_OPTION,
        'f.yaml:2:3: virtualenv: unknown option "p"; did you mean "python"?',
    ),
    (
        "virtualenv:\n  clear: true",
        Reason.REFUSED_ARGUMENT,
        (
            'f.yaml:2:3: virtualenv: "clear" cannot be set here: Poltergust chooses the folder and keeps it in '
            "its cache; remove the line"
        ),
    ),
    (
        "virtualenv:\n  dest: /x",
        Reason.REFUSED_ARGUMENT,
        (
            'f.yaml:2:3: virtualenv: "dest" cannot be set here: Poltergust chooses the folder and keeps it in '
            "its cache; remove the line"
        ),
    ),
    (
        "virtualenv:\n  python: true",
        Reason.WRONG_TYPE,
        "f.yaml:2:11: virtualenv.python: one value or a list of them belongs here; this is a flag without one",
    ),
    (
        "virtualenv:\n  python:",
        Reason.WRONG_TYPE,
        "f.yaml:2:10: virtualenv.python: one value or a list of them belongs here; this is empty",
    ),
    (
        "virtualenv:\n  no-seed: yes",
        Reason.WRONG_TYPE,
        "f.yaml:2:12: virtualenv.no-seed: a flag; write true or false",
    ),
    (
        "virtualenv:\n  prompt: [a]",
        Reason.WRONG_TYPE,
        "f.yaml:2:11: virtualenv.prompt: one value belongs here; this is a list",
    ),
    (
        "virtualenv:\n  no_seed: true\n  no-seed: true",
        Reason.DUPLICATE_KEY,
        (
            'f.yaml:3:3: virtualenv: "no-seed" is "no_seed" of line 2 again (underscores and dashes are the same); '
            "keep one"
        ),
    ),
    (
        'virtualenv:\n  python: "a\\nb"',
        Reason.INVALID_VALUE,
        "f.yaml:2:11: virtualenv.python: more than one line; write it as one",
    ),
    (
        "dependencies: pandas",
        Reason.WRONG_TYPE,
        'f.yaml:1:15: dependencies: a list belongs here, each entry on a line that begins with "- "; this is text',
    ),
    (
        "dependencies:\n  pandas: 2.0",
        Reason.WRONG_TYPE,
        (
            'f.yaml:2:3: dependencies: a list belongs here, each entry a line of a requirements file such as "- '
            'pandas>=2"; this is a mapping'
        ),
    ),
    (
        "dependencies:\n  - pandas: 2.0",
        Reason.WRONG_TYPE,
        (
            'f.yaml:2:5: dependencies, entry 1: a mapping, because of the ": " after "pandas"; put quotes around '
            "the whole line"
        ),
    ),
    (
        "dependencies:\n  -\n  - a",
        Reason.DEPENDENCY_INVALID,
        'f.yaml:2:4: dependencies, entry 1: empty; remove the "-"',
    ),
    (
        "dependencies:\n  - [a]",
        Reason.WRONG_TYPE,
        (
            "f.yaml:2:5: dependencies, entry 1: a list within the list; put quotes around text that begins with "
            '"[" or "- "'
        ),
    ),
    (
        "dependencies:\n  - |\n    a\n    b",
        Reason.DEPENDENCY_INVALID,
        'f.yaml:2:5: dependencies, entry 1: more than one line; give each its own "- "',
    ),
    (
        "dependencies:\n  - a \\\n",
        Reason.DEPENDENCY_INVALID,
        (
            "f.yaml:2:5: dependencies, entry 1: a line that ends with a backslash, which would join it with the "
            "next; write it as one line"
        ),
    ),
    (
        'dependencies:\n  - "https://u:tok@h/x: y": z',
        Reason.WRONG_TYPE,
        (
            'f.yaml:2:5: dependencies, entry 1: a mapping, because of the ": " after "https://***@h/x: y"; put '
            "quotes around the whole line"
        ),
    ),
    (
        "installer: conda",
        Reason.INVALID_VALUE,
        'f.yaml:1:12: installer: "conda" is not an installer; write uv or pip',
    ),
    (
        "installer: PIP",
        Reason.INVALID_VALUE,
        'f.yaml:1:12: installer: "PIP" is not an installer; did you mean "pip"?',
    ),
    (
        "preload: pandas",
        Reason.WRONG_TYPE,
        'f.yaml:1:10: preload: a list belongs here, each entry on a line that begins with "- "; this is text',
    ),
    (
        "preload: [a.py]",
        Reason.INVALID_VALUE,
        (
            'f.yaml:1:11: preload: "a.py" is not a module\'s name; write it as after "import", package.module, '
            "without .py"
        ),
    ),
    (
        "env: {A: b}",
        Reason.UNKNOWN_KEY,
        'f.yaml:1:1: unknown key "env"; did you mean "variables"?',
    ),
    (
        "packages: [pandas]",
        Reason.UNKNOWN_KEY,
        'f.yaml:1:1: unknown key "packages"; did you mean "dependencies"?',
    ),
    (
        "virtualenv:\n  system-site-package: true",
        Reason.UNKNOWN_VIRTUALENV_OPTION,
        'f.yaml:2:3: virtualenv: unknown option "system-site-package"; did you mean "system-site-packages"?',
    ),
    (
        "virtualenv:\n  --python: python3",
        Reason.UNKNOWN_VIRTUALENV_OPTION,
        'f.yaml:2:3: virtualenv: unknown option "--python"; did you mean "python"?',
    ),
    (
        "virtualenv:\n  app-data: /x",
        Reason.REFUSED_ARGUMENT,
        (
            'f.yaml:2:3: virtualenv: "app-data" cannot be set here: every node keeps virtualenv\'s own cache as '
            "its administrator set it up; remove the line"
        ),
    ),
    (
        "virtualenv:\n  version: true",
        Reason.REFUSED_ARGUMENT,
        (
            'f.yaml:2:3: virtualenv: "version" cannot be set here: it would print a text and make no '
            "environment; remove the line"
        ),
    ),
    (
        "virtualenv:\n  python: [3.8, [3.9]]",
        Reason.WRONG_TYPE,
        "f.yaml:2:17: virtualenv.python: text belongs here; this is a list",
    ),
    (
        "virtualenv:\n  python: []",
        Reason.WRONG_TYPE,
        "f.yaml:2:11: virtualenv.python: one value or a list of them belongs here; this is an empty list",
    ),
    (
        "dependencies:\n  - 'a'\n  - \"a\\u2028b\"",
        Reason.DEPENDENCY_INVALID,
        'f.yaml:3:5: dependencies, entry 2: more than one line; give each its own "- "',
    ),
    (
        "dependencies:\n- git+https://x:\n    y",
        Reason.WRONG_TYPE,
        (
            'f.yaml:2:3: dependencies, entry 1: a mapping, because of the ": " after "git+https://x"; put quotes '
            "around the whole line"
        ),
    ),
    (
        "dependencies:\n- a # b\n- ' '\n",
        Reason.DEPENDENCY_INVALID,
        'f.yaml:3:3: dependencies, entry 2: empty; remove the "-"',
    ),
    (
        "dependencies: [pandas, requests>=2,<3]",
        Reason.DEPENDENCY_INVALID,
        (
            "f.yaml:1:36: dependencies, entry 3: no name before the version; put quotes around an entry with a "
            "comma in a list in brackets"
        ),
    ),
    (
        "preload: [[a]]",
        Reason.WRONG_TYPE,
        "f.yaml:1:11: preload: text belongs here; this is a list",
    ),
    (
        "variables: A=1",
        Reason.WRONG_TYPE,
        'f.yaml:1:12: variables: a mapping belongs here, indented lines of "key: value"; this is text',
    ),
    (
        "- pandas\n- luigi\n",
        Reason.WRONG_TYPE,
        'f.yaml:1:1: an environment file is a mapping, lines of "key: value"; this is a list',
    ),
    (
        "code: pipeline.py",
        Reason.WRONG_TYPE,
        'f.yaml:1:7: code: a list belongs here, each entry on a line that begins with "- "; this is text',
    ),
    (
        "code: [dist/pipeline-1.0-py3-none-any.whl]",
        Reason.INVALID_VALUE,
        (
            'f.yaml:1:8: code: "dist/pipeline-1.0-py3-none-any.whl" is a package, which is installed: it belongs below '
            '"dependencies:"'
        ),
    ),
    (
        "code:\n- gs://mybucket/\n",
        Reason.INVALID_VALUE,
        (
            'f.yaml:2:3: code: "gs://mybucket/" is not an object\'s path; write gs://bucket/folder/ or '
            "gs://bucket/folder/file.py"
        ),
    ),
    (
        f"code: [{'a.py, ' * 21}]",
        Reason.TOO_LARGE,
        "f.yaml:1:128: code: more than 20 places; put the files into one folder",
    ),
    (
        "source: [code/]",
        Reason.UNKNOWN_KEY,
        'f.yaml:1:1: unknown key "source"; did you mean "code"?',
    ),
    (
        "luigi-config: {core: {scheduler_host: h}}",
        Reason.REFUSED_ARGUMENT,
        (
            'f.yaml:1:23: luigi-config.core: "scheduler_host" is refused: all nodes share one scheduler, named to '
            "poltergust listen --scheduler-url; remove the line"
        ),
    ),
    (
        "luigi-config: {core: {default-scheduler-port: 1}}",
        Reason.REFUSED_ARGUMENT,
        (
            'f.yaml:1:23: luigi-config.core: "default-scheduler-port" is refused: all nodes share one scheduler, named '
            "to poltergust listen --scheduler-url; remove the line"
        ),
    ),
    (
        "luigi-config:\n  email: me@x\n",
        Reason.WRONG_TYPE,
        ('f.yaml:2:10: luigi-config.email: a mapping belongs here, indented lines of "key: value"; this is text'),
    ),
    (
        "luigi-config:\n  '[email]': {}\n",
        Reason.INVALID_VALUE,
        (
            'f.yaml:2:3: luigi-config: "[email]" is not a section\'s name; write what stands between the brackets in '
            "luigi.cfg"
        ),
    ),
    (
        "luigi-config:\n  email:\n    a=b: c\n",
        Reason.INVALID_VALUE,
        (
            'f.yaml:3:5: luigi-config.email: "a=b" is not an option\'s name; letters, digits, underscores, dashes and '
            "dots"
        ),
    ),
    (
        "luigi-config:\n  email:\n    no-x: 1\n    no_x: 2\n",
        Reason.DUPLICATE_KEY,
        (
            'f.yaml:4:5: luigi-config.email: "no_x" is "no-x" of line 3 again (underscores and dashes are the same); '
            "keep one"
        ),
    ),
    (
        "luigi-config:\n  email:\n    sender:\n",
        Reason.INVALID_VALUE,
        (
            'f.yaml:3:12: luigi-config.email.sender: no value; write "" for an empty text, or "null" in quotes, or '
            "leave the line out"
        ),
    ),
    (
        'luigi-config: {email: {sender: "a\\nb"}}',
        Reason.INVALID_VALUE,
        "f.yaml:1:32: luigi-config.email.sender: luigi.cfg holds one line without blanks at its ends; write it so",
    ),
    (
        "dependencies:\n- git+https://{{POLTERGUST_PIP}}@github.com/me/private.git\n",
        Reason.DEPENDENCY_INVALID,
        (
            'f.yaml:2:3: dependencies, entry 1: "{{POLTERGUST_PIP}}" is of the first Poltergust; write ${NAME}, which '
            "stands for the variable of that name where the agent was started"
        ),
    ),
)
