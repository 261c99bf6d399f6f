"""The provider's schema, from the file to the wire, and the two walks over a value that need it.

Block lists travel as lists of objects with every attribute present; msgpack's extension type 0 is "known after apply"
(Terraform's object wire format, docs/plugin-protocol/object-wire-format.md in hashicorp/terraform).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tf.gen import tfplugin_pb2 as pb  # type: ignore[import-not-found,import-untyped,unused-ignore]
from tf.types import Unknown  # type: ignore[import-not-found,import-untyped,unused-ignore]

PROVIDER = "registry.terraform.io/hashicorp/google"
Block = dict[str, Any]


def load(version: str) -> dict[str, Any]:
    """The schema of one version of the provider: `provider`, `resource_schemas`, `data_source_schemas`."""
    path = Path(__file__).parents[1] / "schemas" / f"google-{version}.json"
    schemas: dict[str, Any] = json.loads(path.read_text())["provider_schemas"][PROVIDER]
    return schemas


def to_wire(schema: dict[str, Any]) -> Any:
    return pb.Schema(version=schema.get("version", 0), block=_block(schema["block"]))


def _block(block: Block) -> Any:
    attributes = [
        pb.Schema.Attribute(
            name=name,
            type=json.dumps(attribute["type"]).encode(),
            **{flag: bool(attribute.get(flag)) for flag in ("required", "optional", "computed", "sensitive")},
        )
        for name, attribute in block.get("attributes", {}).items()
    ]
    blocks = [
        pb.Schema.NestedBlock(
            type_name=name,
            block=_block(nested["block"]),
            nesting=pb.Schema.NestedBlock.NestingMode.Value(nested["nesting_mode"].upper()),
            min_items=nested.get("min_items") or 0,
            max_items=nested.get("max_items") or 0,
        )
        for name, nested in block.get("block_types", {}).items()
    ]
    return pb.Schema.Block(attributes=attributes, block_types=blocks)


def plan(block: Block, proposed: dict[str, Any], prior: dict[str, Any] | None) -> dict[str, Any]:
    """`proposed` with every computed attribute that nobody set marked as known after apply (creation) or kept."""
    planned = dict(proposed)
    for name, attribute in block.get("attributes", {}).items():
        if attribute.get("computed") and planned.get(name) is None:
            planned[name] = Unknown if prior is None else prior.get(name)
    for name, nested in block.get("block_types", {}).items():
        before: list[Any] = (prior or {}).get(name) or []
        after = planned.get(name)
        if isinstance(after, list):
            planned[name] = [
                plan(nested["block"], item, before[i] if i < len(before) else None) for i, item in enumerate(after)
            ]
    return planned


def settle(block: Block, value: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """`value` with what was known after apply taken from `given`, or null where the service says nothing."""
    settled = {name: given.get(name) if item is Unknown else item for name, item in value.items()}
    for name, nested in block.get("block_types", {}).items():
        items = settled.get(name)
        if isinstance(items, list):
            settled[name] = [settle(nested["block"], item, {}) for item in items]
    return settled
