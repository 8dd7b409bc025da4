"""A template in its holder's hands: sealed to one site, as text for a QR code. No copy of it stays at the site.

EDPB opinion 11/2024 found a checkpoint compatible with the GDPR where template or key are the person's alone. Here it
is the template: without the card the site has nothing to compare with, without the site the card says nothing.
"""

import base64
import binascii
import os
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from custodes.errors import InvalidArgument, PermissionDenied
from custodes.units import Ns

PREFIX = "CUSTODES1."
MAX_TEXT_CHARS = 2800
"""What a QR code holds at most (version 40, level L, bytes) is 2953."""
_NONCE_BYTES = 12
_PAYLOAD = msgspec.msgpack.Decoder(tuple[str, str, int, bytes])


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a token says. `vector` (d,) float32."""

    person_id: str
    contract: str
    expires_ns: Ns
    vector: npt.NDArray[np.float32]


def write_token(key: bytes, site_id: str, held: Held) -> str:
    """Half floats: 256 bytes for 128 numbers, and cosines change by less than 1e-3."""
    plain = msgspec.msgpack.encode(
        (held.person_id, held.contract, held.expires_ns, held.vector.astype("<f2").tobytes())
    )
    nonce = os.urandom(_NONCE_BYTES)
    sealed = nonce + AESGCM(key).encrypt(nonce, plain, site_id.encode())
    return PREFIX + base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def read_token(key: bytes, site_id: str, text: str, now_ns: Ns) -> Held:
    """Raises: InvalidArgument for what is no token; PermissionDenied for another site's, a forged or an expired
    one."""
    text = text.strip()
    if not text.startswith(PREFIX) or len(text) > MAX_TEXT_CHARS:
        raise InvalidArgument("That is not a checkpoint token.")
    body = text[len(PREFIX) :]
    try:
        sealed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        plain = AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], site_id.encode())
    except (binascii.Error, ValueError) as error:
        raise InvalidArgument("That is not a checkpoint token.") from error
    except InvalidTag as error:
        raise PermissionDenied("This token is not of this site, or it was changed.") from error
    try:
        person_id, contract, expires_ns, raw = _PAYLOAD.decode(plain)
        vector = np.frombuffer(raw, "<f2").astype(np.float32)
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidArgument("The token cannot be read.") from error
    if now_ns >= expires_ns:
        raise PermissionDenied("This token has expired.")
    return Held(person_id=person_id, contract=contract, expires_ns=Ns(expires_ns), vector=vector)
