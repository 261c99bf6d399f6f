"""The tree as YAML means it: aliases followed, merge keys merged, keys single. Bounded, whatever the aliases multiply.

Values below the top-level keys that begin with `x-` are the user's own: they are not checked, only anchors in them
can be used. Tags are refused everywhere else, because nothing is ever constructed from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Union

from poltergust.base.reasons import Reason
from poltergust.documents import yaml_text
from poltergust.documents.mistakes import Location, Mistakes, mistake, show, shown_path
from poltergust.documents.yaml_text import MAX_BYTES, MAX_DEPTH, MAX_NODES, RawNode, Scalar

OWN = "x-"
"""Top-level keys that begin so are the user's own, in both files."""


@dataclass(frozen=True)
class Items:
    """A list."""

    at: Location
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Expanded:
    """A key with its value, and where the key stands."""

    at: Location
    key: str
    value: Node


@dataclass(frozen=True)
class Entries:
    """A mapping, in the order of the file, no key twice."""

    at: Location
    entries: tuple[Expanded, ...]


Node = Union[Scalar, Items, Entries]  # noqa: UP007 - forward references


def load(data: bytes, source: str, mistakes: Mistakes) -> Node | None:
    """The document in `data` without the user's own top-level keys; None if it is empty.

    Raises `DocumentError` where nothing can be read, or no further; what is wrong otherwise goes to `mistakes`.
    """
    raw = yaml_text.read(data, source, mistakes)
    return None if raw is None else _Expansion(mistakes).node(raw, depth=0, path="")


class _Expansion:
    """One document's budget: nodes and characters visited, aliases counted each time they are followed."""

    def __init__(self, mistakes: Mistakes) -> None:
        self._mistakes = mistakes
        self._nodes = self._characters = 0

    def _add(self, at: Location, reason: Reason, message: str, path: str, *, broken: bool = False) -> None:
        self._mistakes.add(mistake(at, reason, message, path), broken=broken)

    def node(self, raw: RawNode, depth: int, path: str) -> Node:
        at = raw.at
        if isinstance(raw, yaml_text.Alias):
            raw = raw.target
        self._spend(at, raw, depth)
        if raw.tagged:
            self._add(
                at,
                Reason.INVALID_YAML,
                f'{_colon(path)}a tag ("!…"); tags are refused, put quotes around text that begins with "!"',
                path,
                broken=True,
            )
        if isinstance(raw, Scalar):
            return replace(raw, at=at, text=self._text(at, raw.text, path))
        if isinstance(raw, yaml_text.Sequence):
            return Items(
                at, tuple(self.node(item, depth + 1, f"{path}[{number}]") for number, item in enumerate(raw.items, 1))
            )
        return Entries(at, tuple(self._entries(raw, depth, path).values()))

    def _entries(self, raw: yaml_text.Mapping, depth: int, path: str) -> dict[str, Expanded]:
        entries: dict[str, Expanded] = {}
        merged: list[Expanded] = []
        for raw_key, raw_value in raw.pairs():
            key = self.node(raw_key, depth + 1, path)
            if not isinstance(key, Scalar):
                self._add(
                    raw_key.at,
                    Reason.WRONG_TYPE,
                    f"{_colon(path)}a list or mapping stands where a key belongs; "
                    'put quotes around text that begins with "{" or "["',
                    path,
                )
                continue
            if key.plain and key.text == "<<":
                merged += self._merged(raw_value, depth, path)
                continue
            if key.text in entries:
                first = entries[key.text].at.line
                self._add(
                    key.at,
                    Reason.DUPLICATE_KEY,
                    f"{_colon(path)}{show(key.text)} stands twice, first on line {first}; keep one",
                    _below(path, key.text),
                )
                continue
            if depth == 0 and key.text.startswith(OWN):
                entries[key.text] = Expanded(key.at, key.text, Items(raw_value.at, ()))
                continue
            entries[key.text] = Expanded(key.at, key.text, self.node(raw_value, depth + 1, _below(path, key.text)))
        for entry in merged:
            entries.setdefault(entry.key, entry)
        if depth == 0:
            return {key: entry for key, entry in entries.items() if not key.startswith(OWN)}
        return entries

    def _merged(self, raw: RawNode, depth: int, path: str) -> list[Expanded]:
        """What a `<<` brings: of a mapping or a list of them; what stands beside it wins, then the first."""
        value = self.node(raw, depth + 1, _below(path, "<<"))
        mappings = value.items if isinstance(value, Items) else (value,)
        found: dict[str, Expanded] = {}
        for mapping in mappings:
            if not isinstance(mapping, Entries):
                self._add(
                    mapping.at,
                    Reason.WRONG_TYPE,
                    f'{_colon(path)}"<<" merges a mapping or a list of mappings, not another value',
                    "<<",
                )
                continue
            for entry in mapping.entries:
                found.setdefault(entry.key, entry)
        return list(found.values())

    def _spend(self, at: Location, raw: Scalar | yaml_text.Sequence | yaml_text.Mapping, depth: int) -> None:
        self._nodes += 1
        self._characters += len(raw.text) if isinstance(raw, Scalar) else 0
        if self._nodes > MAX_NODES or self._characters > MAX_BYTES:
            raise mistake(
                at,
                Reason.TOO_LARGE,
                f'the aliases ("*…") multiply the file beyond {MAX_NODES:,} values or {MAX_BYTES:,} characters',
            )
        if depth > MAX_DEPTH:
            raise mistake(at, Reason.TOO_LARGE, f"more than {MAX_DEPTH} lists and mappings within one another")

    def _text(self, at: Location, text: str, path: str) -> str:
        r"""`text` with surrogate pairs joined (JSON: "\ud83d\ude00"); empty for what no text can hold."""
        if "\0" in text:
            what = "a NUL character; neither an argument nor a variable can hold one, delete it"
        elif text.isascii():
            return text
        else:
            try:
                return text.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError:
                what = "half of a surrogate pair, which is not a character; write the character itself"
        self._add(at, Reason.INVALID_VALUE, f"{_colon(path)}{what}", path, broken=True)
        return ""


def _below(path: str, key: str) -> str:
    key = key[:100]  # a path is for messages; a key of a hundred thousand characters is not copied to each value in it
    return f"{path}.{key}" if path else key


def _colon(path: str) -> str:
    return f"{shown_path(path)}: " if path else ""
