"""Parcels and receipts over NATS JetStream; the only code that imports its client."""

from custodes.adapters.nats.link import NatsLink, NatsTarget

__all__ = ["NatsLink", "NatsTarget"]
