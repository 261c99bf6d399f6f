"""What plain scalars mean, in the few places where they mean anything; and lists and mappings as JSON text.

The YAML 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema) with one rule on top: what JSON cannot write
exactly as it stands (`007`, `0x1F`, `.inf`, dates) stays text.
"""

from __future__ import annotations

import json
import re

from poltergust.documents.expand import Entries, Items, Node
from poltergust.documents.yaml_text import Scalar

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_NUMBER = re.compile(
    r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"
)  # https://www.rfc-editor.org/rfc/rfc8259#section-6


def is_null(node: Node) -> bool:
    """Nothing at all, or a plain `~` or `null`."""
    return isinstance(node, Scalar) and node.plain and node.text in _NULL


def boolean(node: Node) -> bool | None:
    """True or False if it is a plain one, else None. `yes` and `on` are text."""
    if not isinstance(node, Scalar) or not node.plain:
        return None
    return True if node.text in _TRUE else False if node.text in _FALSE else None


def json_text(node: Node) -> str:
    """JSON for a list or mapping: numbers digit by digit as written, order kept, keys always text."""
    if isinstance(node, Items):
        return f"[{', '.join(json_text(item) for item in node.items)}]"
    if isinstance(node, Entries):
        return f"{{{', '.join(f'{_quoted(entry.key)}: {json_text(entry.value)}' for entry in node.entries)}}}"
    truth = boolean(node)
    if truth is not None:
        return "true" if truth else "false"
    if is_null(node):
        return "null"
    return node.text if node.plain and _NUMBER.fullmatch(node.text) else _quoted(node.text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
