"""Web push (RFC 8030): encrypted for the browser (RFC 8291) and signed by the site (VAPID, RFC 8292).

The push service is the browser vendor's: it learns that this site told this browser something, and when; not what.
"""

import base64
import http.client
import ipaddress
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict
from urllib.parse import urlsplit

import http_ece
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey

from custodes.adapters.witness.http import NoRedirect
from custodes.errors import InvalidArgument, KeyMissing, NotFound, Unavailable
from custodes.types.push import PushDevice, PushNote

TIMEOUT_S = 10.0
KEEP_S = 12 * 3600
"""How long the push service keeps what it cannot deliver; a request for approval lapses after that anyway."""

_TOKEN_S = 3600
_POINT_BYTES = 65
_AUTH_BYTES = 16


class PushSender:
    """Tells devices of allowed services."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, *, contact: str, services: Sequence[str]) -> None:
        """`contact`: mailto: or https: of who runs the site, for the push service. `services`: see `PushConfig`."""
        self._contact = contact
        self._services = tuple(services)
        self._key = ECKey.import_key(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        point = key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self.public_key = base64.urlsafe_b64encode(point).rstrip(b"=").decode()
        """What a browser subscribes with (`applicationServerKey`)."""
        self._opener = urllib.request.build_opener(NoRedirect(), urllib.request.ProxyHandler({}))

    def check(self, device: PushDevice) -> None:
        """Whether the site would send there. Raises: InvalidArgument."""
        if len(device.auth) != _AUTH_BYTES:
            raise InvalidArgument(f"the browser's secret has {len(device.auth)} bytes, not {_AUTH_BYTES}")
        try:
            if len(device.p256dh) != _POINT_BYTES:
                raise ValueError(f"{len(device.p256dh)} bytes, not {_POINT_BYTES}")
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), device.p256dh)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise InvalidArgument(f"the browser's key is no point of P-256: {error}") from error
        if not _is_served(device.endpoint, self._services):
            raise InvalidArgument(
                f"the push service of this browser is not among push.services: {', '.join(self._services)}"
            )

    def send(self, device: PushDevice, note: PushNote) -> None:
        """Blocks up to 10 s. Raises: NotFound when the device is gone for good, InvalidArgument, Unavailable."""
        self.check(device)
        told = json.dumps(asdict(note), ensure_ascii=False).encode()
        body = http_ece.encrypt(
            told,
            private_key=ec.generate_private_key(ec.SECP256R1()),
            dh=device.p256dh,
            auth_secret=device.auth,
            version="aes128gcm",
        )
        headers = {
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(KEEP_S),
            "urgency": "high" if note.is_urgent else "normal",
            "authorization": f"vapid t={self._token(device.endpoint)}, k={self.public_key}",
        }
        request = urllib.request.Request(device.endpoint, data=body, headers=headers)  # noqa: S310 - checked above
        try:
            with self._opener.open(request, timeout=TIMEOUT_S):
                return
        except urllib.error.HTTPError as error:
            with error:
                if error.code in (404, 410):
                    raise NotFound(f"device {device.device_id} does not want to be told any more") from error
                raise Unavailable(f"push service {_host(device.endpoint)} answers {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"push service {_host(device.endpoint)} does not answer: {error}") from error

    def _token(self, endpoint: str) -> str:
        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": int(time.time()) + _TOKEN_S,
            "sub": self._contact,
        }
        return jwt.encode({"typ": "JWT", "alg": "ES256"}, claims, self._key)


def read_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """A site's key. Raises: KeyMissing for anything that is not one."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyMissing(f"the key for web push cannot be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyMissing("the key for web push is not one of P-256")
    return key


def make_key() -> bytes:
    """A new one, PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def new_device_id() -> str:
    """12 hex digits."""
    return os.urandom(6).hex()


def _is_served(endpoint: str, services: Sequence[str]) -> bool:
    """An https address at a host that is one of them or, for those that begin with a dot, below one. Plain http only
    for an address of this machine itself that stands there with its port."""
    try:
        parts = urlsplit(endpoint)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    if parts.scheme == "http":
        return f"{host}:{port}" in services and _is_loopback(host)
    if parts.scheme != "https" or port not in (None, 443):
        return False
    return any(host == one or (one.startswith(".") and host.endswith(one)) for one in services)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(url: str) -> str:
    return urlsplit(url).hostname or "?"
