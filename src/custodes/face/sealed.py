"""Sealing what belongs to one enrolled person under that person's key. Where keys and bytes lie does not belong
here."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from custodes.errors import DataLoss

KEY_BYTES = 32
_NONCE_BYTES = 12


def _bound(person_id: str, what: str) -> bytes:
    return f"custodes.person/v1\n{person_id}\n{what}".encode()


def template_label(contract: str, template_id: str) -> str:
    """What a template is bound to beside its person: a row put in another's place does not open."""
    return f"template\n{contract}\n{template_id}"


def seal(key: bytes, person_id: str, what: str, plain: bytes) -> bytes:
    """AES-256-GCM under a random nonce, bound to person and label."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, _bound(person_id, what))


def open_sealed(key: bytes, person_id: str, what: str, sealed: bytes) -> bytes:
    """What `seal` was given. Raises: DataLoss."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(person_id, what))
    except InvalidTag as error:
        raise DataLoss(f"what is sealed for person {person_id} does not open") from error
