"""Bytes to a tree of verbatim scalars: with `yaml_errors.py` the only place that knows PyYAML.

PyYAML is used at its event level, so nothing is ever constructed from a tag and no scalar is interpreted: `1.10` is the
text `1.10`, a flag says whether it was written plainly. The tree is built with a stack of its own, so that nesting
cannot exhaust Python's. Aliases stay aliases here; `expand.py` follows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, Union

import yaml

from poltergust.base.reasons import Reason
from poltergust.documents.mistakes import Location, Mistakes, mistake
from poltergust.documents.yaml_errors import syntax_mistake

MAX_BYTES = 256 * 1024
"""Larger files are refused: both are written by hand."""

MAX_NODES = 20_000
"""Keys, values and list entries in a file, and again once its aliases are followed."""

MAX_DEPTH = 32
"""Lists and mappings within one another."""

# What YAML calls non-printable (https://yaml.org/spec/1.2.2/#51-character-set); PyYAML refuses it without a line.
_CONTROL = re.compile("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


@dataclass(frozen=True)
class Scalar:
    """Text as written, quotes and escapes undone."""

    at: Location
    text: str
    plain: bool  # written without quotes and not as a block
    tagged: bool = False


@dataclass(frozen=True)
class Sequence:
    """A list as the events tell it."""

    at: Location
    items: list[RawNode] = field(default_factory=list)
    tagged: bool = False


@dataclass(frozen=True)
class Mapping:
    """`flat` holds keys and values in turn, as the events come."""

    at: Location
    flat: list[RawNode] = field(default_factory=list)
    tagged: bool = False

    def pairs(self) -> Iterator[tuple[RawNode, RawNode]]:
        return zip(self.flat[::2], self.flat[1::2], strict=True)


@dataclass(frozen=True)
class Alias:
    """`*name`, and what the name stands for."""

    at: Location
    target: Scalar | Sequence | Mapping


class _Mark(Protocol):
    line: int
    column: int


RawNode = Union[Scalar, Sequence, Mapping, Alias]  # noqa: UP007 - forward references


def read(data: bytes, source: str, mistakes: Mistakes) -> RawNode | None:
    """The one document in `data`, None if there is nothing in it; of several the first, and the mistake. Raises
    `DocumentError` where nothing can be read."""
    text = _text(data, source)
    loader = yaml.SafeLoader(text)
    try:
        return _build(loader, source, mistakes)
    except yaml.MarkedYAMLError as error:
        raise syntax_mistake(error, text, source) from None  # its own text may quote a piece of a secret value
    except (ValueError, OverflowError):  # "\UFFFFFFFF" and the like end in chr()
        at = Location(source, loader.line + 1, loader.column + 1)
        raise mistake(at, Reason.INVALID_YAML, "not valid YAML: an escape or number out of range") from None
    finally:
        loader.dispose()


def _text(data: bytes, source: str) -> str:
    if len(data) > MAX_BYTES:
        raise mistake(
            Location(source),
            Reason.TOO_LARGE,
            # How many more is not known: nobody reads on to find out.
            f"the file has more than {MAX_BYTES:,} bytes; keep data in files of its own",
        )
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise mistake(Location(source), Reason.NOT_TEXT, "the file is UTF-16; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        raise mistake(
            _place(source, before, len(before)),
            Reason.NOT_TEXT,
            f"not UTF-8 text (byte 0x{data[error.start]:02x}); save the file as UTF-8",
        ) from None
    control = _CONTROL.search(text)
    if control:
        raise mistake(
            _place(source, text, control.start()),
            Reason.NOT_TEXT,
            f"control character U+{ord(control[0]):04X} in the file; delete it, or write an escape in double quotes",
        )
    return text


def _place(source: str, text: str, position: int) -> Location:
    starts = [0, *(found.end() for found in _BREAK.finditer(text, 0, position))]
    return Location(source, len(starts), position - starts[-1] + 1)


def _build(loader: yaml.SafeLoader, source: str, mistakes: Mistakes) -> RawNode | None:
    """Events to a tree. `parents` are the collections that are open; an anchor counts once its node is complete."""
    root: RawNode | None = None
    parents: list[Sequence | Mapping] = []
    anchors: dict[str, Scalar | Sequence | Mapping] = {}
    documents = count = 0
    for event in _events(loader):
        at = _at(source, event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                text = 'a second document begins here; a file holds one, remove the "---"'
                mistakes.add(mistake(at, Reason.MULTIPLE_DOCUMENTS, text))
                break
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            parents.pop()
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        count += 1
        if count > MAX_NODES:
            raise mistake(
                at, Reason.TOO_LARGE, f"more than {MAX_NODES:,} keys and values; keep data in files of its own"
            )
        node = _node(event, at, anchors, parents)
        if parents:
            parent = parents[-1]
            (parent.items if isinstance(parent, Sequence) else parent.flat).append(node)
        else:
            root = node
        if isinstance(node, (Sequence, Mapping)):
            parents.append(node)
            if len(parents) > MAX_DEPTH:
                raise mistake(at, Reason.TOO_LARGE, f"more than {MAX_DEPTH} lists and mappings within one another")
    if isinstance(root, Scalar) and root.plain and not root.text and not root.tagged:
        return None
    return root


def _at(source: str, mark: _Mark | None) -> Location:
    return Location(source, mark.line + 1, mark.column + 1) if mark else Location(source)


def _events(loader: yaml.SafeLoader) -> Iterator[yaml.Event]:
    while loader.check_event():
        yield loader.get_event()  # type: ignore[no-untyped-call]


def _node(
    event: yaml.NodeEvent,
    at: Location,
    anchors: dict[str, Scalar | Sequence | Mapping],
    parents: list[Sequence | Mapping],
) -> RawNode:
    if isinstance(event, yaml.AliasEvent):
        target = anchors.get(str(event.anchor))
        if target is None:  # the name is not shown: `PASSWORD: *abc` is a password, not an alias
            raise mistake(
                at,
                Reason.INVALID_YAML,
                'an alias ("*…") of nothing above it; put quotes around a value that begins with "*"',
            )
        if any(target is parent for parent in parents):
            raise mistake(at, Reason.INVALID_YAML, 'an alias ("*…") of something that it stands in itself')
        return Alias(at, target)
    node: Scalar | Sequence | Mapping
    if isinstance(event, yaml.ScalarEvent):
        plain = event.style in (None, "")
        node = Scalar(at, event.value, plain, event.tag is not None)
    elif isinstance(event, yaml.SequenceStartEvent):
        node = Sequence(at, tagged=event.tag is not None)
    else:
        node = Mapping(at, tagged=getattr(event, "tag", None) is not None)
    if event.anchor is not None:
        anchors[event.anchor] = node
    return node
