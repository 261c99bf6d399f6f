"""Notifications of Cloud Storage through Pub/Sub: the quick way to hear that an object was written.

`source.py` keeps a streaming pull open whatever happens to it, `stream.py` opens and ends one, `notifications.py` tells
from a message's attributes which object it means, `subscriptions.py` makes and checks subscriptions, `problems.py` puts
Google's errors in words.
One of the two rooms that import ``google``: import it late.
"""

from __future__ import annotations

from poltergust.sources.pubsub.source import Deliveries, PubSubSource
from poltergust.sources.pubsub.subscriptions import Named, Own, full_subscription, full_topic, project_of_credentials

__all__ = [
    "Deliveries",
    "Named",
    "Own",
    "PubSubSource",
    "full_subscription",
    "full_topic",
    "project_of_credentials",
]
