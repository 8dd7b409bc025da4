"""Web push: a browser that a person lets tell them that something waits."""

from dataclasses import dataclass

from custodes.units import Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class PushDevice:
    """One browser of one account, as the Push API describes it (RFC 8030, 8291)."""

    device_id: str
    user_id: str
    name: str
    """As the person calls it."""
    endpoint: str
    """https address at the browser's push service."""
    p256dh: bytes
    """The browser's public key: an uncompressed point of P-256, 65 bytes."""
    auth: bytes
    """Its authentication secret, 16 bytes."""
    created_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class PushNote:
    """What a device shows. Ids and plain words alone: a push service and a lock screen see no name and no place."""

    text: str
    path: str
    """The page that it opens."""
    tag: str
    """A newer one with the same tag takes its place."""
    is_urgent: bool = False
