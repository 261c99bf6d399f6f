"""The environments that the records of a path name: who uses which, and when last. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from poltergust.path.reading.model import ConfigView


@dataclass(frozen=True)
class EnvironmentUse:
    """One environment, by its key in the nodes' caches. `size` in bytes, 0 where no record says it; `last_used` in
    seconds since 1970; `build_seconds` is the longest that a run waited for it, `built_by` that run's config."""

    key: str
    url: str
    python: str
    configs: tuple[str, ...]
    nodes: tuple[str, ...]
    last_used: float
    build_seconds: float | None
    built_by: str
    size: int


def environment_uses(configs: Iterable[ConfigView]) -> tuple[EnvironmentUse, ...]:
    """Those used last first."""
    found: dict[str, EnvironmentUse] = {}
    for config in configs:
        for run in config.runs:
            used = run.record.environment
            if used is None or not used.key:
                continue
            seconds = run.record.timings.environment if used.built else None
            known = found.get(used.key)
            if known is None:
                known = EnvironmentUse(used.key, used.url, used.python, (), (), 0.0, None, "", 0)
            slower = seconds is not None and seconds > (known.build_seconds or -1.0)
            found[used.key] = EnvironmentUse(
                key=used.key,
                url=used.url,
                python=used.python,
                configs=tuple(sorted({*known.configs, config.name})),
                nodes=tuple(sorted({*known.nodes, run.record.node})),
                last_used=max(known.last_used, run.updated),
                build_seconds=seconds if slower else known.build_seconds,
                built_by=config.name if slower else known.built_by,
                size=max(known.size, used.size),
            )
    return tuple(sorted(found.values(), key=lambda use: -use.last_used))
