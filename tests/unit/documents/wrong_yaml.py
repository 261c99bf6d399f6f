"""Files that are not one document of plain YAML: the file, its reason, and the whole message, which is product."""

from __future__ import annotations

from poltergust.base.reasons import Reason

YAML: tuple[tuple[str | bytes, Reason, str], ...] = (
    (
        b"\xff\xfea\x00",
        Reason.NOT_TEXT,
        "f.yaml: the file is UTF-16; save it as UTF-8",
    ),
    (
        b"a: 1\nb: \xe9\n",
        Reason.NOT_TEXT,
        "f.yaml:2:4: not UTF-8 text (byte 0xe9); save the file as UTF-8",
    ),
    (
        "a: 1\nb: x\x07y\n",
        Reason.NOT_TEXT,
        "f.yaml:2:5: control character U+0007 in the file; delete it, or write an escape in double quotes",
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nvariables:\n  A: *hunter2\n",
        Reason.INVALID_YAML,
        'f.yaml:6:6: an alias ("*…") of nothing above it; put quotes around a value that begins with "*"',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nvariables:\n  A: !hunter2\n",
        Reason.INVALID_YAML,
        'f.yaml:6:6: variables.A: a tag ("!…"); tags are refused, put quotes around text that begins with "!"',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nvariables:\n  PASSWORD: hunter2: x\n",
        Reason.INVALID_YAML,
        'f.yaml:6:20: not valid YAML: put quotes around a value that holds ": ", or correct the indentation',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\nvariables:\n  PASSWORD: !hunter2!x\n",
        Reason.INVALID_YAML,
        'f.yaml:6:13: not valid YAML: put quotes around text that begins with "!"',
    ),
    (
        "a: 1\n---\nb: 2",
        Reason.MULTIPLE_DOCUMENTS,
        'f.yaml:2:1: a second document begins here; a file holds one, remove the "---"',
    ),
    (
        "a: b: c",
        Reason.INVALID_YAML,
        'f.yaml:1:5: not valid YAML: put quotes around a value that holds ": ", or correct the indentation',
    ),
    (
        "a:\n\tb: 1",
        Reason.INVALID_YAML,
        "f.yaml:2:1: not valid YAML: indent with spaces, not with a tab",
    ),
    (
        "a: 'x\nb: 1\n",
        Reason.INVALID_YAML,
        "f.yaml:1:4: not valid YAML: these quotes are not closed",
    ),
    (
        "a: [1\nb: 2\n",
        Reason.INVALID_YAML,
        (
            'f.yaml:1:4: not valid YAML: this "[" or "{" is not closed, or a comma is missing; put quotes around '
            "such text"
        ),
    ),
    (
        "a: @x",
        Reason.INVALID_YAML,
        "f.yaml:1:4: not valid YAML: put quotes around text that begins with this character",
    ),
    (
        'a: "\\q"',
        Reason.INVALID_YAML,
        "f.yaml:1:6: not valid YAML: no such escape in double quotes; single quotes take a \\ as it is",
    ),
    (
        "a:\n  b: 1\n c: 2",
        Reason.INVALID_YAML,
        "f.yaml:3:2: not valid YAML: the indentation does not fit the lines above",
    ),
    (
        "a\nb: c",
        Reason.INVALID_YAML,
        'f.yaml:2:2: not valid YAML: put quotes around a value that holds ": ", or correct the indentation',
    ),
    (
        "a: 'it's'",
        Reason.INVALID_YAML,
        (
            "f.yaml:1:8: not valid YAML: text after the end of a quoted text or alias; put one pair of quotes "
            "around it all"
        ),
    ),
    (
        'a: "\\Uffffffff"',
        Reason.INVALID_YAML,
        "f.yaml:1:7: not valid YAML: an escape or number out of range",
    ),
    (
        "%YAML 2.0\n---\na: 1",
        Reason.INVALID_YAML,
        "f.yaml:1:1: not valid YAML: only %YAML 1.x is read",
    ),
    (
        "a: &x [*x]",
        Reason.INVALID_YAML,
        'f.yaml:1:8: an alias ("*…") of something that it stands in itself',
    ),
    (
        "environment: e.yaml\n\ttask: x\n",
        Reason.INVALID_YAML,
        "f.yaml:2:1: not valid YAML: indent with spaces, not with a tab",
    ),
    (
        'environment: e.yaml\ntask:\n  name: A\n  module: m\n  x: "a\nb: c\n',
        Reason.INVALID_YAML,
        "f.yaml:5:6: not valid YAML: these quotes are not closed",
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  x: *\n",
        Reason.INVALID_YAML,
        'f.yaml:5:7: not valid YAML: put quotes around text that begins with "*"',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  x: &\n",
        Reason.INVALID_YAML,
        'f.yaml:5:7: not valid YAML: put quotes around text that begins with "&"',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  x: | y\n",
        Reason.INVALID_YAML,
        'f.yaml:5:8: not valid YAML: put quotes around text that begins with "|" or ">"',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n%x: 1\n",
        Reason.INVALID_YAML,
        'f.yaml:5:3: not valid YAML: put quotes around text that begins with "%"',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n  x: !!python/object:os.system ls\n",
        Reason.INVALID_YAML,
        'f.yaml:5:6: task.x: a tag ("!…"); tags are refused, put quotes around text that begins with "!"',
    ),
    (
        "environment: e.yaml\ntask:\n  name: A\n  module: m\n...\nb: 1\n",
        Reason.INVALID_YAML,
        "f.yaml:6:1: not valid YAML: this stands outside the one document of the file; correct its indentation",
    ),
    (
        "dependencies:\n- @x\n",
        Reason.INVALID_YAML,
        "f.yaml:2:3: not valid YAML: put quotes around text that begins with this character",
    ),
    (
        "dependencies:\n- *x\n",
        Reason.INVALID_YAML,
        'f.yaml:2:3: an alias ("*…") of nothing above it; put quotes around a value that begins with "*"',
    ),
    (
        "dependencies: [pandas[extra]]\nvirtualenv: {python: 3.8\n",
        Reason.INVALID_YAML,
        (
            'f.yaml:1:15: not valid YAML: this "[" or "{" is not closed, or a comma is missing; put quotes '
            "around such text"
        ),
    ),
    (
        "environment: e.yaml\n'task'\n",
        Reason.INVALID_YAML,
        'f.yaml:2:1: not valid YAML: a line without ": " where a key and its value belong',
    ),
    (
        "environment: e.yaml\ntask\nvariables:\n",
        Reason.INVALID_YAML,
        'f.yaml:2:1: not valid YAML: a line without ": " where a key and its value belong',
    ),
    (
        "variables:\n  A: 'x\n---\n",
        Reason.INVALID_YAML,
        "f.yaml:2:6: not valid YAML: these quotes are not closed",
    ),
    (
        'a: "\\xZZ"',
        Reason.INVALID_YAML,
        "f.yaml:1:7: not valid YAML: no such escape in double quotes; single quotes take a \\ as it is",
    ),
    (
        "a: - b",
        Reason.INVALID_YAML,
        'f.yaml:1:4: not valid YAML: a list begins on a line of its own; quote text that begins with "- "',
    ),
    (
        "a: ? b",
        Reason.INVALID_YAML,
        'f.yaml:1:4: not valid YAML: put quotes around a value that begins with "? "',
    ),
    (
        "a: !<x\n",
        Reason.INVALID_YAML,
        'f.yaml:1:7: not valid YAML: put quotes around text that begins with "!"',
    ),
    (
        "%YAML x\n---\na: 1",
        Reason.INVALID_YAML,
        'f.yaml:1:7: not valid YAML: put quotes around text that begins with "%"',
    ),
    (
        "a: 'x'\n  'y'\n",
        Reason.INVALID_YAML,
        "f.yaml:2:3: not valid YAML: the indentation does not fit the lines above",
    ),
    (
        "a: ]",
        Reason.INVALID_YAML,
        "f.yaml:1:4: not valid YAML: put quotes around text that begins with this character",
    ),
)
