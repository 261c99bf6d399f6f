"""Changes of a package's syntax tree, each addressed by the qualified name of what it changes.

A class or function is found wherever it stands in the package, and what is changed in it is found by its meaning (the
call of `move`, the handler of `Conflict`): so neither a move to another module nor another layout of the text breaks a
patch. What is looked for has to be there exactly once.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class PatchError(Exception):
    """A patch and the package do not fit together any more."""


@dataclass(frozen=True)
class Change:
    """`pick` says which node, `change` gives what stands in its place; None removes a statement or handler."""

    what: str
    pick: Callable[[ast.AST], bool]
    change: Callable[[ast.AST], ast.AST | None]


def argument(method: str, position: int, new: str) -> Change:
    """Another positional argument for the call of `method`. In `new`, `{object}` is what the method is called on, `{0}`
    the call's first argument."""

    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Attribute)
        given = [ast.unparse(value) for value in node.args]
        node.args[position] = _expression(new.format(*given, object=ast.unparse(node.func.value)))
        return node

    return Change(f"the call of {method}", _calls(method), change)


def keyword(method: str, name: str, new: str | None) -> Change:
    """Another value for the keyword `name` of the call of `method` that has it; None leaves the keyword out."""

    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Call)
        node.keywords = [given for given in node.keywords if given.arg != name]
        if new is not None:
            node.keywords.append(ast.keyword(name, _expression(new)))
        return node

    def pick(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and _calls(method)(node) and any(k.arg == name for k in node.keywords)

    return Change(f"the call of {method} with {name}=", pick, change)


def call(method: str, new: str) -> Change:
    """The expression `new` in place of the call of `method`."""
    return Change(f"the call of {method}", _calls(method), lambda node: _expression(new))


def comparison(attribute: str, operator: type[ast.cmpop], new: str) -> Change:
    """The expression `new` in place of the comparison of `….attribute` by `operator`."""

    def pick(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Compare)
            and isinstance(node.left, ast.Attribute)
            and node.left.attr == attribute
            and isinstance(node.ops[0], operator)
        )

    return Change(f"the comparison of .{attribute} by {operator.__name__}", pick, lambda node: _expression(new))


def attribute(name: str, new: str) -> Change:
    """The expression `new` in place of the attribute `name` of anything."""

    def pick(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and node.attr == name

    return Change(f".{name}", pick, lambda node: _expression(new))


def no_assignment(attribute: str, value: object) -> Change:
    """Without the statement that sets `….attribute` to the constant `value`."""

    def pick(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Attribute)
            and node.targets[0].attr == attribute
            and isinstance(node.value, ast.Constant)
            and node.value.value is value
        )

    return Change(f".{attribute} = {value}", pick, lambda node: None)


def no_branch(method: str) -> Change:
    """Without the `if` whose first statement calls `method`."""

    def pick(node: ast.AST) -> bool:
        return isinstance(node, ast.If) and any(_calls(method)(inner) for inner in ast.walk(node.body[0]))

    return Change(f"the if that leads to {method}", pick, lambda node: None)


def handler(error: str, new: str | None) -> Change:
    """The statement `new` as the whole of `except error:`; None removes the handler."""

    def pick(node: ast.AST) -> bool:
        return isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name) and node.type.id == error

    def change(node: ast.AST) -> ast.AST | None:
        assert isinstance(node, ast.ExceptHandler)
        if new is None:
            return None
        node.body = ast.parse(f"def f():\n {new}").body[0].body  # type: ignore[attr-defined]
        return node

    return Change(f"except {error}", pick, change)


def constant(new: float) -> Change:
    """Another value for the module's constant that is the patch's scope."""

    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Assign)
        node.value = ast.Constant(new)
        return node

    return Change("the constant", lambda node: isinstance(node, ast.Assign), change)


def apply(package: Path, scope: str, changes: tuple[Change, ...]) -> Path:
    """Make the changes in the one class, function (`Class.method`) or constant named `scope` of the package in the
    folder, write its module back and return the module's file. Raises `PatchError` unless each change picks exactly
    one node there."""
    names = scope.split(".")
    found = [
        (file, tree, node)
        for file in sorted(package.rglob("*.py"))
        if all(name in file.read_text() for name in names)  # parsing is what takes the time
        for tree in [ast.parse(file.read_text())]
        for node in _named(tree, names)
    ]
    if len(found) != 1:
        places = ", ".join(str(file.relative_to(package)) for file, _, _ in found)
        raise PatchError(f"{scope} stands {len(found)} times in the package ({places}), not once: correct its mutant")
    file, tree, node = found[0]
    for change in changes:
        editor = _Editor(change)
        editor.visit(node)
        if editor.count != 1:
            raise PatchError(f"{change.what} stands {editor.count} times in {scope}, not once: correct its mutant")
    file.write_text(ast.unparse(ast.fix_missing_locations(tree)))
    return file


class _Editor(ast.NodeTransformer):
    def __init__(self, change: Change) -> None:
        self._change = change
        self.count = 0

    def visit(self, node: ast.AST) -> ast.AST | None:
        node = self.generic_visit(node)
        if not self._change.pick(node):
            return node
        self.count += 1
        return self._change.change(node)


def _named(parent: ast.AST, names: list[str]) -> list[ast.AST]:
    """The definitions of that qualified name directly in `parent`."""
    found = [node for node in ast.iter_child_nodes(parent) if names[0] in _names(node)]
    return found if len(names) == 1 else [inner for node in found for inner in _named(node, names[1:])]


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def _calls(method: str) -> Callable[[ast.AST], bool]:
    def pick(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", None)) == method

    return pick


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body
