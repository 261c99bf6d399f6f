"""Google's errors in one line for a person: what is wrong, where, what to do."""

from __future__ import annotations

from google.api_core import exceptions
from google.auth import exceptions as auth

from poltergust.sources.pubsub.notifications import printable

Errors = (exceptions.GoogleAPICallError, exceptions.RetryError, auth.GoogleAuthError)
"""Everything Google's client raises that is about the cloud and not about our code."""

Unreachable = (exceptions.ServerError, exceptions.TooManyRequests, exceptions.RetryError, auth.TransportError)
"""Those that pass by themselves, and from which an open stream recovers by itself."""


_NO_ACCESS = "Getting metadata from plugin failed with error: "
"""How gRPC begins when Google's credentials gave it no access token: an UNAVAILABLE, whatever the reason was
(src/core/credentials/call/plugin/plugin_credentials.cc)."""


_NO_RIGHT = "User not authorized to perform this action"
"""All that Pub/Sub says of a missing right. Other words are of an API that is not enabled or a service perimeter."""


class TopicDeleted(Exception):
    """The subscription is there, its topic is not: the stream would stay open and silent for ever."""


class NotPulled(Exception):
    """The subscription is there, and nothing can be pulled from it; the message says why."""


class StreamEnded(Exception):
    """The stream ended without saying why."""


def explain(error: Exception, subscription: str, topic: str | None) -> str:
    """One line. `topic` is set when the node makes the subscription itself."""
    subject = f"subscription {subscription}"
    if isinstance(error, TopicDeleted):
        todo = (
            f"create topic {topic} and the bucket's notification again"
            if topic
            else "create the topic, the bucket's notification and this subscription again"
        )
        return f"{subject}: its topic was deleted; {todo}"
    if isinstance(error, (NotPulled, exceptions.FailedPrecondition)):
        todo = "remove it, the node makes it again" if topic else "make it again as one that a node pulls from"
        return f"{subject} cannot be read ({_detail(error)}); {todo}"
    if isinstance(error, exceptions.NotFound):
        if topic:
            return f"topic {topic} does not exist; create it, or correct --topic"
        return f"{subject} does not exist; create it, or correct --subscription, or let the node make one with --topic"
    if isinstance(error, (exceptions.PermissionDenied, exceptions.Forbidden)):
        why = "" if not error.message or _NO_RIGHT in error.message else f" ({_detail(error, 300)})"
        grant = "grant the node" if not why else "correct that or, where it is about a right, grant the node"
        if topic:
            return (
                f"not allowed to make {subject} on topic {topic}{why}; {grant} pubsub.subscriptions.create and "
                "pubsub.subscriptions.consume on the project and pubsub.topics.attachSubscription on the topic"
            )
        return f"not allowed to read {subject}{why}; {grant} roles/pubsub.subscriber on it"
    if isinstance(error, auth.TransportError) or _NO_ACCESS in str(error):
        return f"{subject}: the node's credentials give no access ({_detail(error)}); renew them, or check the network"
    if isinstance(error, (exceptions.Unauthenticated, exceptions.Unauthorized, auth.GoogleAuthError)):
        return f"{subject}: the node's credentials are not accepted ({_detail(error)}); renew them"
    if isinstance(error, exceptions.InvalidArgument):
        return f"{subject} is refused ({_detail(error)}); correct the name"
    if isinstance(error, StreamEnded):
        return f"{subject}: the stream ended without an error; it is being opened again"
    return f"{subject}: Pub/Sub does not answer ({_detail(error)}); check the network, it is tried again"


def _detail(error: Exception, limit: int = 200) -> str:
    text = str(getattr(error, "message", "") or error).removeprefix(_NO_ACCESS)
    return printable(" ".join(text.split()) or type(error).__name__, limit)
