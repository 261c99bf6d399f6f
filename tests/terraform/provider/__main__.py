"""A stand-in for the hashicorp/google provider: its real schema, real topics and subscriptions on the Pub/Sub emulator.

Terraform starts it as any provider (plugin protocol 6). It is not the google provider and shows nothing about Google's
API: what it shows is that the module is valid against each major version's schema and that its plan, apply, second
plan, repair and destroy do what they should on a server that keeps the state.

    python -m tests.terraform.provider VERSION     (started by Terraform only)
"""

from __future__ import annotations

import os
import sys
from typing import Any

import tf.provider  # type: ignore[import-not-found,import-untyped,unused-ignore]
import tf.runner  # type: ignore[import-not-found,import-untyped,unused-ignore]
from tf.gen import tfplugin_pb2 as pb  # type: ignore[import-not-found,import-untyped,unused-ignore]
from tf.gen import tfplugin_pb2_grpc as rpc  # type: ignore[import-not-found,import-untyped,unused-ignore]
from tf.utils import read_dynamic_value as decode  # type: ignore[import-not-found,import-untyped,unused-ignore]
from tf.utils import to_dynamic_value as encode  # type: ignore[import-not-found,import-untyped,unused-ignore]

from tests.terraform.provider import rules, schema
from tests.terraform.provider.services import Service, ServiceError, connect

State = dict[str, Any]


def _failure(error: Exception) -> list[Any]:
    return [pb.Diagnostic(severity=pb.Diagnostic.ERROR, summary=str(error))]


class Servicer(rpc.ProviderServicer):  # type: ignore[misc,unused-ignore]
    """The calls that Terraform 1.9 to 1.13 make; the base answers "unimplemented" to the others."""

    def __init__(self, version: str) -> None:
        self.schemas = schema.load(version)
        self.services: dict[str, Service] = connect()
        self.project = os.environ.get("GOOGLE_CLOUD_PROJECT", "")

    def block(self, kind: str) -> schema.Block:
        block: schema.Block = self.schemas["resource_schemas"][kind]["block"]
        return block

    def GetProviderSchema(self, request: Any, context: Any) -> Any:
        def wire(kinds: str) -> dict[str, Any]:
            return {name: schema.to_wire(each) for name, each in self.schemas[kinds].items()}

        return pb.GetProviderSchema.Response(
            provider=schema.to_wire(self.schemas["provider"]),
            resource_schemas=wire("resource_schemas"),
            data_source_schemas=wire("data_source_schemas"),
        )

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateProviderConfig.Response()

    def ConfigureProvider(self, request: Any, context: Any) -> Any:
        self.project = (decode(request.config) or {}).get("project") or self.project
        return pb.ConfigureProvider.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateDataResourceConfig.Response()

    def UpgradeResourceState(self, request: Any, context: Any) -> Any:
        return pb.UpgradeResourceState.Response(upgraded_state=encode(decode(request.raw_state)))

    def ReadDataSource(self, request: Any, context: Any) -> Any:
        values = rules.data(request.type_name, decode(request.config), self.project)
        return pb.ReadDataSource.Response(state=encode(values))

    def PlanResourceChange(self, request: Any, context: Any) -> Any:
        kind, prior, proposed = request.type_name, decode(request.prior_state), decode(request.proposed_new_state)
        if proposed is None:
            return pb.PlanResourceChange.Response(planned_state=request.proposed_new_state)
        if prior is None:
            defaults = rules.DEFAULTS.get(kind, {})
            attributes = self.block(kind)["attributes"]
            proposed |= {k: v for k, v in defaults.items() if k in attributes and proposed.get(k) is None}
        planned = schema.plan(self.block(kind), proposed, prior)
        if prior is not None and planned.get("labels") != prior.get("labels"):
            planned |= {key: planned["labels"] or {} for key in ("effective_labels", "terraform_labels")}
        changed = [k for k in planned if prior is not None and planned[k] != prior[k]]
        replaces = [
            pb.AttributePath(steps=[pb.AttributePath.Step(attribute_name=name)])
            for name in changed
            if not rules.in_place(kind, name) and not self.block(kind)["attributes"].get(name, {}).get("computed")
        ]
        if replaces:
            planned = schema.plan(self.block(kind), proposed | {"id": None}, None)
        return pb.PlanResourceChange.Response(planned_state=encode(planned), requires_replace=replaces)

    def ApplyResourceChange(self, request: Any, context: Any) -> Any:
        kind, prior, planned = request.type_name, decode(request.prior_state), decode(request.planned_state)
        service = self.services.get(kind)
        try:
            if planned is None:
                if service:
                    service.delete(prior)
                return pb.ApplyResourceChange.Response(new_state=request.planned_state)
            state = self._settle(kind, planned, {})
            if service and prior is None:
                state = self._settle(kind, planned, service.create(state))
            elif service:
                changed = frozenset(
                    k for k in state if state[k] != prior[k] and k not in ("effective_labels", "terraform_labels")
                )
                if changed:
                    service.update(state, changed)
        except ServiceError as error:
            return pb.ApplyResourceChange.Response(new_state=request.prior_state, diagnostics=_failure(error))
        return pb.ApplyResourceChange.Response(new_state=encode(state))

    def ReadResource(self, request: Any, context: Any) -> Any:
        kind, state = request.type_name, decode(request.current_state)
        service = self.services.get(kind)
        if service:
            try:
                found = service.read(state)
            except ServiceError as error:
                return pb.ReadResource.Response(new_state=request.current_state, diagnostics=_failure(error))
            if found is None:
                return pb.ReadResource.Response(new_state=encode(None))
            # An absent map or text is null in the state and empty on the wire: no change.
            state |= {k: v for k, v in found.items() if v or state[k]}
        return pb.ReadResource.Response(new_state=encode(state))

    def StopProvider(self, request: Any, context: Any) -> Any:
        return pb.StopProvider.Response()

    def _settle(self, kind: str, planned: State, given: State) -> State:
        block = self.block(kind)
        known = schema.settle(block, planned, {"project": self.project})
        return schema.settle(block, planned, rules.computed(kind, known, self.project) | given)


def main() -> None:
    """Serve until Terraform says stop. `run_provider` brings the handshake and TLS and makes its servicer by name."""
    version = sys.argv[1]
    tf.provider.ProviderServicer = lambda provider: Servicer(version)
    tf.runner.run_provider(None, sys.argv)


if __name__ == "__main__":
    main()
