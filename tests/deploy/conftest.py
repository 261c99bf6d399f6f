"""The cloud of the Terraform tests, for the chart's own wiring."""

from tests.terraform.conftest import cloud, pubsub

__all__ = ["cloud", "pubsub"]
