"""An authenticator in software, for tests: makes credentials and assertions as a browser would hand them over.

ES256 with "none" attestation (WebAuthn level 3, sections 6.1, 6.5, 8.7). For tests alone.
"""

import hashlib
import json
import secrets

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url

from custodes.types.approval import EnrolledKey

_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


class FakeAuthenticator:
    """One credential for one site. `sign_count` rises with each assertion."""

    def __init__(self, *, rp_id: str = "localhost", origin: str = "http://localhost") -> None:
        self.rp_id = rp_id
        self.origin = origin
        self.credential_id = secrets.token_bytes(32)
        self.sign_count = 0
        self.is_user_verified = True
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> bytes:
        """COSE_Key (RFC 9053 7.1.1)."""
        numbers = self._key.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})

    def enrolled(self, user_id: str) -> EnrolledKey:
        """As the warden keeps it."""
        return EnrolledKey(
            credential_id=self.credential_id,
            user_id=user_id,
            public_key=self.public_key,
            sign_count=self.sign_count,
            rp_id=self.rp_id,
            origin=self.origin,
        )

    def create(self, challenge: bytes) -> str:
        """The browser's JSON of a registration."""
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + self.public_key
        data = self._authenticator_data(_ATTESTED) + attested
        response = {
            "clientDataJSON": bytes_to_base64url(self._client_data("webauthn.create", challenge)),
            "attestationObject": bytes_to_base64url(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
        }
        return self._credential(response)

    def get(self, challenge: bytes) -> str:
        """The browser's JSON of an assertion."""
        self.sign_count += 1
        client_data = self._client_data("webauthn.get", challenge)
        data = self._authenticator_data(0)
        signature = self._key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": bytes_to_base64url(client_data),
            "authenticatorData": bytes_to_base64url(data),
            "signature": bytes_to_base64url(signature),
        }
        return self._credential(response)

    def _authenticator_data(self, flags: int) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.is_user_verified else 0)
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.sign_count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: bytes) -> bytes:
        return json.dumps(
            {"type": kind, "challenge": bytes_to_base64url(challenge), "origin": self.origin, "crossOrigin": False}
        ).encode()

    def _credential(self, response: dict[str, str]) -> str:
        raw_id = bytes_to_base64url(self.credential_id)
        return json.dumps(
            {"id": raw_id, "rawId": raw_id, "type": "public-key", "response": response, "clientExtensionResults": {}}
        )
