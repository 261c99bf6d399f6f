"""Locks as they are taken from where they are shared: input, which may say no more than a resolver would.

An entry is one release of a name, with hashes, or the commit that a git line of the file itself stands for. A lock that
says anything else (an index, an option, a file, a URL, a repository that the file does not name) is damaged: as good as
missing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from poltergust.environments import Locks, resolve
from poltergust.environments.lines import Line

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CheckedLocks:
    """`Locks` for an environment of these `lines`, over `shared` ones."""

    shared: Locks
    lines: Sequence[Line]

    def get(self, key: str) -> str | None:
        text = self.shared.get(key)
        if text is None or resolve.only_pins(text, self.lines):
            return text
        log.warning("the lock %s is damaged: it holds more than pins of what the file asks for; resolving again", key)
        return None

    def publish(self, key: str, text: str) -> str:
        agreed = self.shared.publish(key, text)
        if agreed == text or resolve.only_pins(agreed, self.lines):
            return agreed
        self.shared.replace(key, text)
        return text

    def replace(self, key: str, text: str) -> None:
        self.shared.replace(key, text)
