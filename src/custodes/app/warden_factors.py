"""The warden's desk for second factors: seals secrets of authenticator apps, and says whether a code is one of now.

The catalog keeps the sealed form, so that a copy of it, or of a backup, makes no codes. A login that these answers
lead to is logged by the server before it counts.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from custodes.access.codes import code_step, secret_bytes
from custodes.errors import SealBroken
from custodes.ports.clock import Clock
from custodes.types.credential import CheckCode, CodeChecked, SealSecret, SecretSealed

_NONCE_BYTES = 12
_CONTEXT = b"custodes.second-factor/v1\x00"


class FactorDesk:
    """Has no state but its key."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        """Args: key: 32 bytes (`KeyStore.factor_key`)."""
        self._aead = AESGCM(key)
        self._clock = clock

    async def answer(self, message: object) -> object:
        """The answer, or None for what is not about second factors. Raises: InvalidArgument, SealBroken."""
        match message:
            case SealSecret():
                nonce = os.urandom(_NONCE_BYTES)
                secret = secret_bytes(message.secret)
                return SecretSealed(sealed=nonce + self._aead.encrypt(nonce, secret, _about(message.user_id)))
            case CheckCode():
                secret = self._opened(message)
                now_ns = self._clock.now_ns()
                return CodeChecked(step=code_step(secret, message.code, now_ns, after_step=message.after_step))
        return None

    def _opened(self, message: CheckCode) -> bytes:
        nonce, sealed = message.sealed[:_NONCE_BYTES], message.sealed[_NONCE_BYTES:]
        try:
            return self._aead.decrypt(nonce, sealed, _about(message.user_id))
        except (InvalidTag, ValueError) as error:
            raise SealBroken(
                "the second factor does not open: it is another person's or site's, or the catalog was changed"
            ) from error


def _about(user_id: str) -> bytes:
    return _CONTEXT + user_id.encode("utf-8", "surrogatepass")
