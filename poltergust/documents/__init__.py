"""Documents: the text of a task file or an environment file to a checked, frozen value. Pure: no I/O, no clock.

`parse_task_file(data, source)` and `parse_environment_file(data, source)` take bytes as read and the URL to name in
messages; every mistake raises one `DocumentError` whose text names file, line, key, what was expected, and a near miss.

The way of a document: `yaml_text.py` (bytes to a tree of verbatim scalars), `expand.py` (aliases and merges, bounded),
`fields.py` (mappings with known keys), then `task_file.py` or `environment_file.py`; `known.py` is the list of keys.
"""

from __future__ import annotations

from poltergust.documents.environment_file import parse_environment_file
from poltergust.documents.mistakes import DocumentError
from poltergust.documents.model import Argument, CodePlace, Dependency, EnvironmentSpec, LuigiConfig, TaskFile
from poltergust.documents.named_values import named_values
from poltergust.documents.task_file import parse_task_file
from poltergust.documents.yaml_text import MAX_BYTES

__all__ = [
    "MAX_BYTES",
    "Argument",
    "CodePlace",
    "Dependency",
    "DocumentError",
    "EnvironmentSpec",
    "LuigiConfig",
    "TaskFile",
    "named_values",
    "parse_environment_file",
    "parse_task_file",
]
