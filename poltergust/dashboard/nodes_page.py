"""The nodes of a path: what each does, what is next in line there, in which environments it runs. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from poltergust.path.reading.model import ConfigView, NodeView


@dataclass(frozen=True)
class NodeRow:
    """`more` configs wait there besides those in the record's queue. `environments` are those of the runs that it works
    on, by their keys in its cache, with their Python."""

    node: NodeView
    more: int
    environments: tuple[tuple[str, str], ...]


def node_rows(nodes: Iterable[NodeView], configs: Iterable[ConfigView]) -> tuple[NodeRow, ...]:
    """In the order of `nodes`."""
    used: dict[str, dict[str, str]] = {}
    for config in configs:
        for run in config.runs:
            environment = run.record.environment
            if environment is not None and environment.key and run.record.state.active and not run.silent:
                used.setdefault(run.record.node, {})[environment.key] = environment.python
    return tuple(
        NodeRow(
            node=node,
            more=max(0, node.record.waiting - len(node.record.queue)),
            environments=tuple(sorted(used.get(node.record.node, {}).items())),
        )
        for node in nodes
    )
