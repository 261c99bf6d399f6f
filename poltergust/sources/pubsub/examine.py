"""What `poltergust doctor` asks Pub/Sub: the subscription, its topic, its filter, and what would make it useless."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.api_core import exceptions
from google.cloud import pubsub_v1

from poltergust.base.checks import Check, fail, ok, skip, warn
from poltergust.base.urls import split_cloud
from poltergust.sources.pubsub.problems import Errors, TopicDeleted, explain
from poltergust.sources.pubsub.subscriptions import DELETED_TOPIC, Own, delivers_elsewhere

_TIMEOUT = 5.0
_CLAUSE = re.compile(
    r'(?P<no>NOT\s+)?(?:hasPrefix\(\s*attributes\.(?P<prefixed>\w+)\s*,\s*"(?P<prefix>[^"]*)"\s*\)'
    r'|attributes\.(?P<key>\w+)\s*(?P<operator>!?=)\s*"(?P<value>[^"]*)"|attributes:(?P<has>\w+))'
)


@dataclass(frozen=True)
class Found:
    """What was found, and the topic that the subscription is of, None if that is not known."""

    checks: tuple[Check, ...]
    topic: str | None


def named(subscription: str, prefix: str, suffix: str) -> Found:
    """Look at a subscription that somebody made for this node, to hear of objects whose URL starts with `prefix` and
    ends with `suffix`."""
    try:
        with pubsub_v1.SubscriberClient() as client:
            may_read = _may(client, subscription, "pubsub.subscriptions.consume")
            try:
                found = client.get_subscription(request={"subscription": subscription}, retry=None, timeout=_TIMEOUT)
            except exceptions.PermissionDenied as error:
                return Found((_unseen(subscription, error, may_read),), None)
    except Errors as error:
        return Found((_failed("subscription", error, subscription, None),), None)
    if found.topic == DELETED_TOPIC:
        return Found((_failed("subscription", TopicDeleted(), subscription, None),), None)
    checks = list(_judge(found, subscription, prefix, suffix))
    if may_read is False:
        checks.append(_failed("subscription", _refused(), subscription, None))
    return Found(tuple(checks) or (ok("subscription", f"{subscription} of {found.topic}"),), str(found.topic))


def own(topic: str, node: str, prefix: str) -> Found:
    """Look at a topic to which the node will make its own subscription. Whether its project lets it make one shows
    when it does."""
    name = Own(topic, node, prefix).name
    try:
        with pubsub_v1.PublisherClient() as client:
            may_attach = _may(client, topic, "pubsub.topics.attachSubscription")
            if may_attach is not True:  # else the right to look is not needed, and often not given
                client.get_topic(request={"topic": topic}, retry=None, timeout=_TIMEOUT)
    except Errors as error:
        return Found((_failed("topic", error, name, topic),), topic)
    if may_attach is False:
        return Found((_failed("topic", _refused(), name, topic),), topic)
    return Found((ok("topic", f"{topic}; the node's own subscription is {name}"),), topic)


def _refused() -> Exception:
    error: Exception = exceptions.PermissionDenied("")  # type: ignore[no-untyped-call]
    return error


def _may(client: Any, resource: str, permission: str) -> bool | None:
    """Whether this node has the permission; None where the server does not tell (the emulator knows no IAM). Who has
    none may ask all the same: that this is refused has another reason, and is raised.

    https://cloud.google.com/pubsub/docs/access-control#testing_permissions
    """
    request = {"resource": resource, "permissions": [permission]}
    try:
        answer = client.test_iam_permissions(request=request, retry=None, timeout=_TIMEOUT)
    except (exceptions.MethodNotImplemented, exceptions.NotFound):
        return None
    return permission in answer.permissions


def _unseen(subscription: str, error: Exception, may_read: bool | None) -> Check:
    if may_read is False:
        return _failed("subscription", error, subscription, None)
    text = f"{subscription} cannot be looked at: no pubsub.subscriptions.get (roles/pubsub.subscriber lacks it)"
    return skip("subscription", text, "grant the node roles/pubsub.viewer on it")


def _failed(name: str, error: Exception, subscription: str, topic: str | None) -> Check:
    text, _, remedy = explain(error, subscription, topic).rpartition("; ")
    return fail(name, text, remedy)


def _judge(found: Any, name: str, prefix: str, suffix: str) -> Iterator[Check]:
    commands = "gcloud pubsub subscriptions"
    again = f"make it again: {commands} delete {name} && {commands} create {name} --topic={found.topic}"
    if delivers_elsewhere(found):
        yield fail("subscription", f"{name} delivers elsewhere (push or export), not to a node that pulls", again)
    if found.detached:
        yield fail("subscription", f"{name} is detached from its topic: nothing arrives", again)
    yield from _judge_filter(str(found.filter), name, prefix, suffix)
    seconds = found.expiration_policy.ttl.total_seconds() if found.expiration_policy.ttl else 0
    if seconds:
        yield warn(
            "subscription-expiry",
            f"{name} is removed when no node has listened for {seconds / 86400:g} days",
            f"gcloud pubsub subscriptions update {name} --expiration-period=never",
        )


def _judge_filter(text: str, name: str, prefix: str, suffix: str) -> Iterator[Check]:
    if not text:
        return
    bucket, start = split_cloud(prefix)
    sample = {
        "eventType": "OBJECT_FINALIZE",
        "bucketId": bucket,
        "objectId": f"{start}\0{suffix}",  # a name that no longer prefix than the path's own can match
        "payloadFormat": "NONE",
    }
    passes = matches(text, sample)
    remedy = "filters cannot be changed: make the subscription again with " + Own("", "", prefix).filter
    if passes is None:
        yield skip("subscription-filter", f"{name} has a filter that is not understood here: {text}")
    elif not passes:
        yield fail(
            "subscription-filter", f"{name} lets no upload below {prefix} pass, or not every one: {text}", remedy
        )


def matches(text: str, attributes: Mapping[str, str]) -> bool | None:
    """Whether the filter lets a message with these attributes pass; None for a filter with more in it than clauses
    joined by AND. https://cloud.google.com/pubsub/docs/subscription-message-filter#filtering_syntax"""
    result = True
    for part in re.split(r"\s+AND\s+", text.strip()):
        clause = _CLAUSE.fullmatch(part.strip())
        if clause is None or (clause["key"] or clause["prefixed"] or clause["has"]) not in attributes:
            return None
        if clause["has"]:
            holds = True
        elif clause["prefixed"]:
            holds = attributes[clause["prefixed"]].startswith(clause["prefix"])
        else:
            holds = (attributes[clause["key"]] == clause["value"]) == (clause["operator"] == "=")
        result = result and (holds != bool(clause["no"]))
    return result
