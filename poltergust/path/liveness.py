"""How long silence may last before it means something. All by the storage server's clock."""

from __future__ import annotations

HEARTBEAT_SECONDS = 60.0
"""How often a node says it is alive when nothing changes."""

LIVE_SECONDS = 3 * HEARTBEAT_SECONDS
"""A node whose heartbeat is older than this, by the storage server's clock, is taken for gone."""

NAME_FREE_SECONDS = HEARTBEAT_SECONDS + 10.0
"""An agent whose heartbeat is older than this was killed, or cannot reach the storage: another may take its name."""

GONE_GRACE_SECONDS = 10.0
"""A config may be missing for this long without an outcome: a rename by copy and delete takes a moment."""
