"""Key provider on a PKCS#11 token (HSM, smart card, SoftHSM): the key-encryption key never leaves it.

An AES-256 key that cannot be extracted, with the token's own AES-GCM. Source: PKCS #11 3.0, CKM_AES_GCM.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import NoSuchKey, NoSuchToken, PinIncorrect, PKCS11Error

from custodes.errors import InvalidArgument, KeyMissing, SealBroken, Unavailable

MAX_SECRET_BYTES = 8 * 1024
_NONCE_BYTES = 12
_TAG_BITS = 128
_MIN_WRAPPED = _NONCE_BYTES + _TAG_BITS // 8


class Pkcs11KeyProvider:
    """`ports.keys.KeyProvider`; opens a session for each act, which are a few per start."""

    def __init__(self, *, module: Path, token: str, label: str, pin: str) -> None:
        """Raises: Unavailable when the module cannot be loaded."""
        try:
            self._library = pkcs11.lib(str(module))
        except (RuntimeError, OSError, PKCS11Error) as error:
            raise Unavailable(f"PKCS#11 module {module} cannot be loaded: {error}") from error
        self._token = token
        self._label = label
        self._pin = pin
        self.description = f"PKCS#11 token {token!r}, key {label!r}"

    @contextmanager
    def _session(self, *, writes: bool = False) -> Iterator["pkcs11.Session"]:
        try:
            token = self._library.get_token(token_label=self._token)
            with token.open(rw=writes, user_pin=self._pin) as session:
                yield session
        except NoSuchToken as error:
            raise Unavailable(f"there is no PKCS#11 token {self._token!r}") from error
        except PinIncorrect as error:
            raise KeyMissing(f"the PIN of PKCS#11 token {self._token!r} is wrong") from error

    def make_key(self) -> None:
        """Make the key unless it is there. Raises: Unavailable, KeyMissing."""
        try:
            with self._session(writes=True) as session:
                if list(session.get_objects(self._query())):
                    return
                session.generate_key(
                    KeyType.AES,
                    256,
                    label=self._label,
                    store=True,
                    template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
                )
        except PKCS11Error as error:
            raise Unavailable(f"PKCS#11 token {self._token!r} made no key: {error!r}") from error

    def _query(self) -> dict[Attribute, object]:
        return {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.AES,
            Attribute.LABEL: self._label,
        }

    def _key(self, session: "pkcs11.Session") -> Any:  # its abilities are mixed in when it is found
        found = list(session.get_objects(self._query()))
        if len(found) != 1:
            raise KeyMissing(f"PKCS#11 token {self._token!r} holds {len(found)} keys {self._label!r}; expected one")
        return found[0]

    def wrap(self, secret: bytes, context: bytes) -> bytes:
        """Nonce (12), ciphertext, tag (16). Raises: InvalidArgument above 8 KiB; Unavailable, KeyMissing."""
        if len(secret) > MAX_SECRET_BYTES:
            raise InvalidArgument(f"secret of {len(secret)} bytes; at most {MAX_SECRET_BYTES} are wrapped")
        nonce = os.urandom(_NONCE_BYTES)
        try:
            with self._session() as session:
                parameters = pkcs11.GCMParams(nonce, context, _TAG_BITS)
                sealed = self._key(session).encrypt(secret, mechanism=Mechanism.AES_GCM, mechanism_param=parameters)
        except (NoSuchKey, PKCS11Error) as error:
            raise Unavailable(f"PKCS#11 token {self._token!r} does not encrypt: {error!r}") from error
        return nonce + bytes(sealed)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Raises: SealBroken when a byte or the context changed; KeyMissing, Unavailable."""
        if len(wrapped) < _MIN_WRAPPED:
            raise SealBroken("a wrapped secret is cut")
        with self._session() as session:
            key = self._key(session)
            parameters = pkcs11.GCMParams(wrapped[:_NONCE_BYTES], context, _TAG_BITS)
            try:
                plain = key.decrypt(wrapped[_NONCE_BYTES:], mechanism=Mechanism.AES_GCM, mechanism_param=parameters)
            except PKCS11Error as error:
                # Tokens name a wrong tag in different ways; whatever it was, nothing came out.
                raise SealBroken("a wrapped secret does not open: changed, or wrapped under another key") from error
        return bytes(plain)
