"""Mappings with known keys, and the kinds of values that both files share."""

from __future__ import annotations

import re
import unicodedata

from poltergust.base.reasons import Reason
from poltergust.base.text import all_of, did_you_mean, nearest
from poltergust.documents import known
from poltergust.documents.expand import OWN, Entries, Expanded, Items, Node, load
from poltergust.documents.known import FileKind, Key, Shape
from poltergust.documents.mistakes import DocumentError, Location, Mistakes, mistake, show, shown_path
from poltergust.documents.scalars import is_null
from poltergust.documents.yaml_text import Scalar

MAX_VARIABLE_BYTES = 131_071
"""Bytes of `NAME=value` that Linux takes (MAX_ARG_STRLEN less its NUL, execve(2))."""

_VARIABLE_NAME = re.compile(known.VARIABLE_NAME)
_MODULE = re.compile(known.MODULE_NAME)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_NOT_IN_A_PATH = frozenset({"Cc", "Zl", "Zp"})  # control characters and line breaks
_IN_A_BUCKET = re.compile(r"gs://[^/]+/.+", re.DOTALL)
_WHOLE = re.compile(r"-?[0-9]{1,9}")


def top_level(data: bytes, source: str, document: FileKind, mistakes: Mistakes) -> dict[str, Expanded]:
    """The entries with known keys of a file, the required ones that are missing left out as well.

    Raises `DocumentError` where nothing can be read, or no further; what is wrong otherwise goes to `mistakes`.
    """
    try:
        root = load(data, source, mistakes)
    except DocumentError as error:
        mistakes.add(error)
        mistakes.raise_any()
        raise
    if not isinstance(root, Entries):
        mistakes.raise_any()
    if root is None:
        required = [key.name for key in document.keys if key.required]
        wanted = all_of(required) if required else "{} at least, for luigi alone"
        raise mistake(
            Location(source),
            Reason.MISSING_KEY,
            f"the file is empty; {document.article} {document.title} holds {wanted}",
        )
    if not isinstance(root, Entries):
        raise mistake(
            root.at,
            Reason.WRONG_TYPE,
            f'{document.article} {document.title} is a mapping, lines of "key: value"; this is {describe(root)}',
        )
    entries = {entry.key: entry for entry in root.entries if entry.key in document.names}
    meant = set()
    for entry in root.entries:
        if entry.key not in document.names:
            mistakes.add(mistake(entry.at, Reason.UNKNOWN_KEY, _unknown(entry.key, document), entry.key))
            meant |= {nearest(entry.key, document.names), document.synonyms.get(entry.key)}
    for key in document.keys:
        if key.required and key.name not in meant:  # a misspelt key is one mistake, not two
            with mistakes.collected():
                require(entries, key, root.at, "")
    return entries


def _unknown(name: str, document: FileKind) -> str:
    other = known.ENVIRONMENT_FILE if document is known.TASK_FILE else known.TASK_FILE
    if name in other.names:
        return f"{show(name)} belongs in the {other.title}, not in {document.article} {document.title}"
    if name in document.former:
        return f"{show(name)} is a key of the first Poltergust; {document.former[name]}"
    if name in document.below:
        return f'{show(name)} belongs below "{document.below[name]}:", not at the top level'
    meant = did_you_mean(name, document.names)
    if name in document.synonyms:
        meant = f'; did you mean "{document.synonyms[name]}"?'
    elsewhere = nearest(name, other.names)
    if meant:
        return f"unknown key {show(name)}{meant}"
    if elsewhere:
        return f'unknown key {show(name)}; did you mean "{elsewhere}", which belongs in the {other.title}?'
    return (
        f"unknown key {show(name)}; {document.article} {document.title} has {all_of(document.names)}, "
        f'keys of your own begin with "{OWN}"'
    )


def require(entries: dict[str, Expanded], key: Key, at: Location, below: str) -> Expanded:
    """The entry of a required key, which must be there and have a value."""
    path = f"{below}{key.name}"
    if key.name not in entries:
        misspelt = next((e for e in entries.values() if nearest(e.key, [key.name])), None) if below else None
        meant = f'; did you mean "{key.name}" by {show(misspelt.key)} on line {misspelt.at.line}?' if misspelt else ""
        example = f", such as {key.example}" if key.shape is Shape.TEXT else ""
        raise mistake(at, Reason.MISSING_KEY, f'"{path}" is missing: {_lower(key.description)}{meant or example}', path)
    entry = entries[key.name]
    if is_null(entry.value):
        raise mistake(entry.at, Reason.MISSING_KEY, f'"{path}" has no value: {_lower(key.description)}', path)
    return entry


def mapping(entry: Expanded | None, path: str) -> tuple[Expanded, ...]:
    """The entries of a mapping; of nothing, none."""
    if entry is None or is_null(entry.value):
        return ()
    if isinstance(entry.value, Entries):
        return entry.value.entries
    raise mistake(
        entry.value.at,
        Reason.WRONG_TYPE,
        f'{path}: a mapping belongs here, indented lines of "key: value"; this is {describe(entry.value)}',
        path,
    )


def items(entry: Expanded | None, path: str) -> tuple[Node, ...]:
    """The items of a list; of nothing, none."""
    if entry is None or is_null(entry.value):
        return ()
    if isinstance(entry.value, Items):
        return entry.value.items
    raise mistake(
        entry.value.at,
        Reason.WRONG_TYPE,
        f'{path}: a list belongs here, each entry on a line that begins with "- "; this is {describe(entry.value)}',
        path,
    )


def text(node: Node, path: str) -> str:
    """The text of a scalar, exactly as written, which must not be empty."""
    if not isinstance(node, Scalar):
        raise mistake(node.at, Reason.WRONG_TYPE, f"{path}: text belongs here; this is {describe(node)}", path)
    if is_null(node) or not node.text.strip():
        raise mistake(node.at, Reason.INVALID_VALUE, f"{path}: text belongs here; this is empty", path)
    return node.text


def place(node: Node, path: str, example: str) -> str:
    """A gs:// path or one of the file system, as written. `example` is shown where it is neither."""
    written = text(node, path)
    wrong = None
    if any(unicodedata.category(c) in _NOT_IN_A_PATH for c in written):
        wrong = "has a line break or control character in it"
    elif written.startswith("gs:") and not _IN_A_BUCKET.fullmatch(written):
        wrong = f"is not an object's path; write {example}"
    elif not written.startswith("gs:") and _SCHEME.match(written):
        wrong = f"is not a path that can be read; write {example}, or a path of the file system"
    if wrong:
        raise mistake(node.at, Reason.INVALID_VALUE, f"{path}: {show(written)} {wrong}", path)
    return written


def module(node: Node, path: str) -> str:
    """A module's name, as after `import` (dashes are allowed: Luigi imports by name)."""
    name = text(node, path)
    if not _MODULE.fullmatch(name):
        raise mistake(
            node.at,
            Reason.INVALID_VALUE,
            f'{path}: {show(name)} is not a module\'s name; write it as after "import", package.module, without .py',
            path,
        )
    return name


def whole_number(entry: Expanded | None, path: str, least: int, most: int) -> int | None:
    """A whole number from `least` to `most`; None of nothing."""
    if entry is None or is_null(entry.value):
        return None
    written = text(entry.value, path)
    if not _WHOLE.fullmatch(written) or not least <= int(written) <= most:
        raise mistake(
            entry.value.at,
            Reason.INVALID_VALUE,
            f"{path}: {show(written)} is not a whole number from {least:,} to {most:,}",
            path,
        )
    return int(written)


def variables(entry: Expanded | None, mistakes: Mistakes) -> dict[str, str]:
    """Environment variables, verbatim. No message holds a value: it may be a secret."""
    found: dict[str, str] = {}
    for variable in mistakes.of(lambda: mapping(entry, "variables"), ()):
        with mistakes.collected():
            found[variable.key] = _variable(variable)
    return found


def _variable(variable: Expanded) -> str:
    path, value = f"variables.{variable.key}", variable.value
    shown = shown_path(path)
    if not _VARIABLE_NAME.fullmatch(variable.key):
        raise mistake(
            variable.at,
            Reason.INVALID_VALUE,
            f"variables: {show(variable.key)} is not a variable's name; "
            "letters, digits and underscores, not beginning with a digit",
            path,
        )
    if not isinstance(value, Scalar):
        raise mistake(
            value.at,
            Reason.WRONG_TYPE,
            f"{shown}: a variable holds text; this is {describe(value)}, put quotes around it",
            path,
        )
    if is_null(value):
        raise mistake(
            value.at,
            Reason.INVALID_VALUE,
            f'{shown}: no value; write "" for an empty text, or "null" in quotes, or leave the line out',
            path,
        )
    size = len(f"{variable.key}={value.text}".encode())
    if size > MAX_VARIABLE_BYTES:
        raise mistake(
            value.at,
            Reason.TOO_LARGE,
            f"{shown}: {size:,} bytes with its name; Linux takes {MAX_VARIABLE_BYTES:,} in one variable, use a file",
            path,
        )
    return value.text


def unrepeated(entry: Expanded, seen: dict[str, Expanded], path: str, name: str | None = None) -> None:
    """Refuse a key that, with underscores and dashes the same, is among `seen`; `name` where it has a better form."""
    first = seen.setdefault(name or entry.key.replace("_", "-"), entry)
    if first is not entry:
        raise mistake(
            entry.at,
            Reason.DUPLICATE_KEY,
            f"{path}: {show(entry.key)} is {show(first.key)} of line {first.at.line} again "
            "(underscores and dashes are the same); keep one",
            f"{path}.{name or entry.key}",
        )


def describe(node: Node) -> str:
    """What a node is, for "this is …"."""
    if isinstance(node, Scalar):
        return "empty" if is_null(node) else "text"
    if isinstance(node, Items):
        return "a list" if node.items else "an empty list"
    return "a mapping" if node.entries else "an empty mapping"


def _lower(sentence: str) -> str:
    """A description after a colon; a name at its beginning keeps its capital."""
    return sentence if sentence.startswith("Luigi") else sentence[0].lower() + sentence[1:]
