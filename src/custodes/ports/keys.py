"""Who guards the site's root secret. Only the warden uses a provider."""

from typing import Protocol


class KeyProvider(Protocol):
    """Wraps and unwraps short secrets under the site's key-encryption key."""

    def wrap(self, secret: bytes, context: bytes) -> bytes:
        """Encrypt-and-authenticate `secret` (≤ 8 KiB), bound to `context`."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Raises: SealBroken if anything was changed, KeyMissing if the root secret is not there."""
        ...
