"""What the real provider knows beyond its schema, for the resources that the module uses: defaults, which attributes
force a replacement, and the ids it gives. Everything else is read from the schema file.

Source: the resources' documentation on registry.terraform.io/providers/hashicorp/google and their REST references.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

State = dict[str, Any]

REPLACES: Mapping[str, frozenset[str]] = {
    "google_pubsub_topic": frozenset({"name", "project"}),
    "google_pubsub_subscription": frozenset({"name", "project", "topic", "filter", "enable_message_ordering"}),
    "google_storage_bucket": frozenset({"name", "project", "location"}),
    "google_service_account": frozenset({"account_id", "project"}),
    "google_project_iam_custom_role": frozenset({"role_id", "project"}),
    "google_storage_bucket_object": frozenset({"bucket", "name"}),
}
"""Attributes that cannot be changed in place. Resources not named here are replaced on any change: so do all
`*_iam_member` resources and google_storage_notification (every field of theirs is ForceNew)."""

DEFAULTS: Mapping[str, State] = {
    "google_pubsub_subscription": {"ack_deadline_seconds": 10, "deletion_policy": "DELETE"},
    "google_pubsub_topic": {"deletion_policy": "DELETE"},
}
"""Computed attributes whose value is known when planning, because the service documents it."""


def in_place(kind: str, attribute: str) -> bool:
    """Whether a change of `attribute` updates the resource instead of replacing it."""
    return kind in REPLACES and attribute not in REPLACES[kind]


def _member_id(*keys: str) -> Callable[[State], str]:
    def identity(state: State) -> str:
        titles = [condition["title"] for condition in state.get("condition") or []]
        return "/".join([*(str(state[key]) for key in (*keys, "role", "member")), *titles])

    return identity


IDS: Mapping[str, Callable[[State], str]] = {
    "google_pubsub_topic": lambda s: f"projects/{s['project']}/topics/{s['name']}",
    "google_pubsub_subscription": lambda s: f"projects/{s['project']}/subscriptions/{s['name']}",
    "google_storage_bucket": lambda s: str(s["name"]),
    "google_storage_bucket_object": lambda s: f"{s['bucket']}-{s['name']}",
    "google_service_account": lambda s: (
        f"projects/{s['project']}/serviceAccounts/{s['account_id']}@{s['project']}.iam.gserviceaccount.com"
    ),
    "google_project_iam_custom_role": lambda s: f"projects/{s['project']}/roles/{s['role_id']}",
    "google_storage_bucket_iam_member": _member_id("bucket"),
    "google_pubsub_topic_iam_member": _member_id("project", "topic"),
    "google_pubsub_subscription_iam_member": _member_id("project", "subscription"),
    "google_project_iam_member": _member_id("project"),
}


def computed(kind: str, state: State, project: str) -> State:
    """Values the service would give, for attributes that are computed and not set."""
    if "project" in state and state["project"] is None:
        state["project"] = project
    values: State = {"project": project, "etag": "standin", "deletion_policy": "DELETE"}
    labels = state.get("labels") or {}
    values |= {"effective_labels": labels, "terraform_labels": labels}
    if kind == "google_service_account":
        email = f"{state['account_id']}@{state['project']}.iam.gserviceaccount.com"
        values |= {"email": email, "member": f"serviceAccount:{email}", "unique_id": "100000000000000000001"}
        values["name"] = f"projects/{state['project']}/serviceAccounts/{email}"
    if kind == "google_project_iam_custom_role":
        values |= {"deleted": False, "name": IDS[kind](state)}
    if kind == "google_storage_bucket":
        values |= {
            "url": f"gs://{state['name']}",
            "self_link": f"https://www.googleapis.com/storage/v1/b/{state['name']}",
        }
        values |= {"project_number": "123456789012", "public_access_prevention": "inherited", "rpo": "DEFAULT"}
    values["id"] = IDS[kind](state) if kind in IDS else f"{kind}-standin"
    return values


def number(project: str) -> str:
    """The number of a project: another for each."""
    return str(100_000_000_000 + zlib.crc32(project.encode()))


def data(kind: str, config: State, project: str) -> State:
    """The values of a data source."""
    project = str(config.get("project") or config.get("project_id") or project)
    if kind == "google_storage_project_service_account":
        email = f"service-{number(project)}@gs-project-accounts.iam.gserviceaccount.com"
        return config | {"project": project, "id": email, "email_address": email, "member": f"serviceAccount:{email}"}
    if kind == "google_project":
        return config | {"project_id": project, "id": f"projects/{project}", "number": number(project), "name": project}
    raise KeyError(f"the stand-in has no values for data.{kind}")
