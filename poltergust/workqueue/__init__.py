"""The work queue: names of configs that somebody should look at, between the sources and the workers.

In the manner of Kubernetes' client-go ``util/workqueue``, a layer per file: `queue.py` hands out names, `ready.py`
keeps those that could be handed out, in order, and `delays.py` those that are due later. The contract:

- **De-duplicating**: a name that was added several times before anybody took it is handed out once.
- **One at a time**: a name is never handed out again before `done` (or `retry`) was called for it.
- **Nothing is lost**: a name added while it is being processed comes back after `done`, unless the processor itself
  noticed (`Item.changed`) and looked again.
- **Fair**: names are handed out in the order in which they became due; one that comes back goes to the end. A name of
  a higher priority goes before all of a lower one, as soon as somebody said so (`rank`) of a name that waits.

Names only, never payloads: what a name means is read again by whoever takes it.
"""

from __future__ import annotations

from poltergust.base.backoff import Backoff
from poltergust.workqueue.queue import Item, WorkQueue

__all__ = ["Backoff", "Item", "WorkQueue"]
