"""Wrong task files: the file, its reason, and the whole message, which is product."""

from __future__ import annotations

from poltergust.base.reasons import Reason

TASK_FILES: tuple[tuple[str | bytes, Reason, str], ...] = (
    (
        "",
        Reason.MISSING_KEY,
        'f.yaml: the file is empty; a task file holds "environment" and "task"',
    ),
    (
        "# nothing\n",
        Reason.MISSING_KEY,
        'f.yaml: the file is empty; a task file holds "environment" and "task"',
    ),
    (
        "just text\n",
        Reason.WRONG_TYPE,
        'f.yaml:1:1: a task file is a mapping, lines of "key: value"; this is text',
    ),
    (
        "enviroment: e.yaml\ntask: {name: A, module: m}\n",
        Reason.UNKNOWN_KEY,
        'f.yaml:1:1: unknown key "enviroment"; did you mean "environment"?',
    ),
    (
        "Environment: e.yaml\n",
        Reason.UNKNOWN_KEY,
        'f.yaml:1:1: unknown key "Environment"; did you mean "environment"?',
    ),
    (
        "environment: e\nfoo: 1\n",
        Reason.UNKNOWN_KEY,
        (
            'f.yaml:2:1: unknown key "foo"; a task file has "environment", "task", "variables", "timeout", '
            '"retries", "nodes", "priority" and "luigi-config", keys of your own begin with "x-"'
        ),
    ),
    (
        "environment: e\ndependencies: [a]",
        Reason.UNKNOWN_KEY,
        'f.yaml:2:1: "dependencies" belongs in the environment file, not in a task file',
    ),
    (
        "environment: e\nname: A",
        Reason.UNKNOWN_KEY,
        'f.yaml:2:1: "name" belongs below "task:", not at the top level',
    ),
    (
        "environment: e\ndependancies: []",
        Reason.UNKNOWN_KEY,
        'f.yaml:2:1: unknown key "dependancies"; did you mean "dependencies", which belongs in the environment file?',
    ),
    (
        "task: {name: A, module: m}",
        Reason.MISSING_KEY,
        (
            'f.yaml:1:1: "environment" is missing: the environment file, as a gs:// path or a path relative to '
            "the file that names it, such as gs://mybucket/environment/myenv.yaml"
        ),
    ),
    (
        "environment:\ntask: {name: A, module: m}",
        Reason.MISSING_KEY,
        (
            'f.yaml:1:1: "environment" has no value: the environment file, as a gs:// path or a path relative to '
            "the file that names it"
        ),
    ),
    (
        "environment: e.yaml",
        Reason.MISSING_KEY,
        (
            'f.yaml:1:1: "task" is missing: Luigi\'s root task with its name and module, and arguments of the '
            "luigi command without their dashes"
        ),
    ),
    (
        "environment: e.yaml\ntask:\n",
        Reason.MISSING_KEY,
        (
            'f.yaml:2:1: "task" has no value: Luigi\'s root task with its name and module, and arguments of the '
            "luigi command without their dashes"
        ),
    ),
    (
        "environment: e.yaml\ntask: A\n",
        Reason.WRONG_TYPE,
        'f.yaml:2:7: task: a mapping belongs here, indented lines of "key: value"; this is text',
    ),
    (
        "environment: e.yaml\ntask: [A]\n",
        Reason.WRONG_TYPE,
        'f.yaml:2:7: task: a mapping belongs here, indented lines of "key: value"; this is a list',
    ),
    (
        "environment: e.yaml\ntask:\n  module: m\n",
        Reason.MISSING_KEY,
        'f.yaml:2:1: "task.name" is missing: Luigi\'s root task, with its namespace if it has one, such as SomeTask',
    ),
    (
        "environment: e.yaml\ntask:\n  Name: A\n  module: m\n",
        Reason.MISSING_KEY,
        (
            'f.yaml:2:1: "task.name" is missing: Luigi\'s root task, with its namespace if it has one; did you '
            'mean "name" by "Name" on line 3?'
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  modul: m\n",
        Reason.MISSING_KEY,
        (
            'f.yaml:2:1: "task.module" is missing: the module to import for the root task; did you mean "module" '
            'by "modul" on line 4?'
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name:\n  module: m\n",
        Reason.MISSING_KEY,
        'f.yaml:3:3: "task.name" has no value: Luigi\'s root task, with its namespace if it has one',
    ),
    (
        "environment: e.yaml\ntask:\n  name: a b\n  module: m\n",
        Reason.INVALID_VALUE,
        (
            "f.yaml:3:9: task.name: \"a b\" is not a task's name; write the class's name, with its namespace if it "
            "has one"
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: [A]\n  module: m\n",
        Reason.WRONG_TYPE,
        "f.yaml:3:9: task.name: text belongs here; this is a list",
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: src/m.py\n",
        Reason.INVALID_VALUE,
        (
            'f.yaml:4:11: task.module: "src/m.py" is not a module\'s name; write it as after "import", '
            "package.module, without .py"
        ),
    ),
    (
        "environment: s3://b/e.yaml\ntask: {name: A, module: m}",
        Reason.INVALID_VALUE,
        (
            'f.yaml:1:14: environment: "s3://b/e.yaml" is not a path that can be read; write '
            "gs://bucket/folder/name.yaml, or a path of the file system"
        ),
    ),
    (
        "environment: gs://b\ntask: {name: A, module: m}",
        Reason.INVALID_VALUE,
        'f.yaml:1:14: environment: "gs://b" is not an object\'s path; write gs://bucket/folder/name.yaml',
    ),
    (
        "environment: ../env/\ntask: {name: A, module: m}",
        Reason.INVALID_VALUE,
        'f.yaml:1:14: environment: "../env/" is a folder; name the environment file in it',
    ),
    (
        'environment: "a\\nb"\ntask: {name: A, module: m}',
        Reason.INVALID_VALUE,
        'f.yaml:1:14: environment: "a\\nb" has a line break or control character in it',
    ),
    (
        "environment: {a: b}\ntask: {name: A, module: m}",
        Reason.WRONG_TYPE,
        "f.yaml:1:14: environment: text belongs here; this is a mapping",
    ),
    (
        'environment: ""\ntask: {name: A, module: m}',
        Reason.INVALID_VALUE,
        "f.yaml:1:14: environment: text belongs here; this is empty",
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  foo_bar: 1\n  foo-bar: 2\n",
        Reason.DUPLICATE_KEY,
        'f.yaml:6:3: task: "foo-bar" is "foo_bar" of line 5 again (underscores and dashes are the same); keep one',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  name: B\n",
        Reason.DUPLICATE_KEY,
        'f.yaml:5:3: task: "name" stands twice, first on line 3; keep one',
    ),
    *(
        (
            f"environment: e.yaml\ntask:\n  name: A\n  module: m\n  workers: {count}\n",
            Reason.INVALID_VALUE,
            f"f.yaml:5:12: task.workers: with {count} nothing would ever run; write 1 or more",
        )
        for count in ("0", "-1")
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  retcode_task_failed: 30\n",
        Reason.REFUSED_ARGUMENT,
        (
            'f.yaml:5:3: task: "retcode_task_failed" is refused: nothing reads luigi\'s exit code, the root task '
            "itself is asked whether it is complete; remove the line"
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  --workers: 4\n",
        Reason.INVALID_VALUE,
        'f.yaml:5:3: task: write "--workers" without its dashes: "workers"',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  local_scheduler: true\n",
        Reason.REFUSED_ARGUMENT,
        (
            'f.yaml:5:3: task: "local_scheduler" is refused: all nodes share one scheduler, named to poltergust '
            "listen; remove the line"
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  scheduler-url: x\n",
        Reason.REFUSED_ARGUMENT,
        (
            'f.yaml:5:3: task: "scheduler-url" is refused: all nodes share one scheduler, named to poltergust '
            "listen --scheduler-url; remove the line"
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  local-sched: x\n",
        Reason.REFUSED_ARGUMENT,
        (
            'f.yaml:5:3: task: "local-sched" is refused: all nodes share one scheduler, named to poltergust '
            "listen; remove the line"
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  help: true\n",
        Reason.REFUSED_ARGUMENT,
        'f.yaml:5:3: task: "help" is refused: it would print a help text and run nothing; remove the line',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  worker-id: x\n",
        Reason.REFUSED_ARGUMENT,
        (
            "f.yaml:5:3: task: \"worker-id\" is refused: Poltergust names Luigi's workers, so that a dead node's "
            "tasks can be taken over; remove the line"
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  a b: x\n",
        Reason.INVALID_VALUE,
        (
            'f.yaml:5:3: task: "a b" is not an argument\'s name; letters, digits, dashes, underscores and dots, '
            "beginning with a letter"
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  {{ x }}: y\n",
        Reason.WRONG_TYPE,
        (
            "f.yaml:5:4: task: a list or mapping stands where a key belongs; put quotes around text that begins "
            'with "{" or "["'
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  x: {a: 1, a: 2}\n",
        Reason.DUPLICATE_KEY,
        'f.yaml:5:13: task.x: "a" stands twice, first on line 5; keep one',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nvariables: [A]\n",
        Reason.WRONG_TYPE,
        'f.yaml:5:12: variables: a mapping belongs here, indented lines of "key: value"; this is a list',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nvariables:\n  A-B: secret\n",
        Reason.INVALID_VALUE,
        (
            'f.yaml:6:3: variables: "A-B" is not a variable\'s name; letters, digits and underscores, not '
            "beginning with a digit"
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nvariables:\n  A:\n",
        Reason.INVALID_VALUE,
        'f.yaml:6:5: variables.A: no value; write "" for an empty text, or "null" in quotes, or leave the line out',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nvariables:\n  A: [secret]\n",
        Reason.WRONG_TYPE,
        "f.yaml:6:6: variables.A: a variable holds text; this is a list, put quotes around it",
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nvariables:\n  A: 1\n  A: 2\n",
        Reason.DUPLICATE_KEY,
        'f.yaml:7:3: variables: "A" stands twice, first on line 6; keep one',
    ),
    (
        'environment: e.yaml\ntask:\n  name: A\n  module: m\nvariables:\n  A: "x\\0y"\n',
        Reason.INVALID_VALUE,
        "f.yaml:6:6: variables.A: a NUL character; neither an argument nor a variable can hold one, delete it",
    ),
    (
        'environment: e.yaml\ntask:\n  name: A\n  module: m\nvariables:\n  A: "\\ud800"\n',
        Reason.INVALID_VALUE,
        "f.yaml:6:6: variables.A: half of a surrogate pair, which is not a character; write the character itself",
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nvariables:\n  PASSWORD: {{ x }}\n",
        Reason.WRONG_TYPE,
        (
            "f.yaml:6:14: variables.PASSWORD: a list or mapping stands where a key belongs; put quotes around "
            'text that begins with "{" or "["'
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\ntimeout: 90min\n",
        Reason.INVALID_VALUE,
        'f.yaml:5:10: timeout: "90min" is not a duration; write 45s, 90m, 1h30m, 2d or a number of seconds',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\ntimeout: 0\n",
        Reason.INVALID_VALUE,
        'f.yaml:5:10: timeout: "0" leaves no time at all; leave the line out for a run without a limit',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\ntimeout: 1:30\n",
        Reason.INVALID_VALUE,
        'f.yaml:5:10: timeout: "1:30" is not a duration; write 45s, 90m, 1h30m, 2d or a number of seconds',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\ntimeout: 400d\n",
        Reason.INVALID_VALUE,
        'f.yaml:5:10: timeout: "400d" is more than 365d; leave the line out for a run without a limit',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\ntimeout: [1]\n",
        Reason.WRONG_TYPE,
        "f.yaml:5:10: timeout: text belongs here; this is a list",
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nretries: -1\n",
        Reason.INVALID_VALUE,
        'f.yaml:5:10: retries: "-1" is not a whole number from 0 to 1,000',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nretries: many\n",
        Reason.INVALID_VALUE,
        'f.yaml:5:10: retries: "many" is not a whole number from 0 to 1,000',
    ),
    (
        "? [a]\n: b",
        Reason.WRONG_TYPE,
        'f.yaml:1:3: a list or mapping stands where a key belongs; put quotes around text that begins with "{" or "["',
    ),
    (
        "<<: 3",
        Reason.WRONG_TYPE,
        'f.yaml:1:5: "<<" merges a mapping or a list of mappings, not another value',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  <<: 3\n",
        Reason.WRONG_TYPE,
        'f.yaml:5:7: task: "<<" merges a mapping or a list of mappings, not another value',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  take-lock: true\n",
        Reason.REFUSED_ARGUMENT,
        (
            'f.yaml:5:3: task: "take-lock" is refused: Poltergust runs Luigi without its lock, many pipelines '
            "side by side; remove the line"
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  assistant: true\n",
        Reason.REFUSED_ARGUMENT,
        'f.yaml:5:3: task: "assistant" is refused: an assistant has no root task to complete; remove the line',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  0day: x\n",
        Reason.INVALID_VALUE,
        (
            'f.yaml:5:3: task: "0day" is not an argument\'s name; letters, digits, dashes, underscores and dots, '
            "beginning with a letter"
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  workers=4: x\n",
        Reason.INVALID_VALUE,
        (
            'f.yaml:5:3: task: "workers=4" is not an argument\'s name; letters, digits, dashes, underscores and '
            "dots, beginning with a letter"
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\ntimeout: 2 days\n",
        Reason.INVALID_VALUE,
        'f.yaml:5:10: timeout: "2 days" is not a duration; write 45s, 90m, 1h30m, 2d or a number of seconds',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nretries: 1001\n",
        Reason.INVALID_VALUE,
        'f.yaml:5:10: retries: "1001" is not a whole number from 0 to 1,000',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nretries: 1.5\n",
        Reason.INVALID_VALUE,
        'f.yaml:5:10: retries: "1.5" is not a whole number from 0 to 1,000',
    ),
    (
        "environment: gs:/b/e.yaml\ntask: {name: A, module: m}\n",
        Reason.INVALID_VALUE,
        'f.yaml:1:14: environment: "gs:/b/e.yaml" is not an object\'s path; write gs://bucket/folder/name.yaml',
    ),
    (
        "environment: https://h/e.yaml\ntask: {name: A, module: m}\n",
        Reason.INVALID_VALUE,
        (
            'f.yaml:1:14: environment: "https://h/e.yaml" is not a path that can be read; write '
            "gs://bucket/folder/name.yaml, or a path of the file system"
        ),
    ),
    (
        "environment: e.yaml\ntask: {name: A, module: a..b}\n",
        Reason.INVALID_VALUE,
        (
            'f.yaml:2:25: task.module: "a..b" is not a module\'s name; write it as after "import", '
            "package.module, without .py"
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nvars: {A: 1}\n",
        Reason.UNKNOWN_KEY,
        'f.yaml:5:1: unknown key "vars"; did you mean "variables"?',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nX-own: 1\n",
        Reason.UNKNOWN_KEY,
        (
            'f.yaml:5:1: unknown key "X-own"; a task file has "environment", "task", "variables", "timeout", '
            '"retries", "nodes", "priority" and "luigi-config", keys of your own begin with "x-"'
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nenvironment: f.yaml\n",
        Reason.DUPLICATE_KEY,
        'f.yaml:5:1: "environment" stands twice, first on line 1; keep one',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nvariables:\n  PATH=x: y\n",
        Reason.INVALID_VALUE,
        (
            'f.yaml:6:3: variables: "PATH=x" is not a variable\'s name; letters, digits and underscores, not '
            "beginning with a digit"
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nvariables:\n  A: {b: c}\n",
        Reason.WRONG_TYPE,
        "f.yaml:6:6: variables.A: a variable holds text; this is a mapping, put quotes around it",
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nnodes: gpu\n",
        Reason.WRONG_TYPE,
        'f.yaml:5:8: nodes: a list belongs here, each entry on a line that begins with "- "; this is text',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nnodes: [big machine]\n",
        Reason.INVALID_VALUE,
        (
            'f.yaml:5:9: nodes: "big machine" is not a label; letters, digits, dots, dashes, underscores, slashes and '
            "equal signs, beginning with a letter or digit, at most 100 of them"
        ),
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\npriority: high\n",
        Reason.INVALID_VALUE,
        'f.yaml:5:11: priority: "high" is not a whole number from -1,000,000 to 1,000,000',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\ncode: [a.py]\n",
        Reason.UNKNOWN_KEY,
        'f.yaml:5:1: "code" belongs in the environment file, not in a task file',
    ),
    (
        "environment: e.yaml\ncommand: luigi(task_name, **task_args)\ntask:\n  name: A\n  module: m\n",
        Reason.UNKNOWN_KEY,
        (
            'f.yaml:2:1: "command" is a key of the first Poltergust; luigi alone is run: write name and module below '
            '"task:", and beside them what else luigi was given'
        ),
    ),
)
