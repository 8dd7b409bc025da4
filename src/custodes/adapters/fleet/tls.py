"""What a TLS port agrees to and whose certificate it shows: two handshakes, nothing after them."""

import ssl
import warnings
from datetime import UTC

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from custodes.adapters.camera.http_post import Deadline
from custodes.adapters.fleet.door import ListedDoor
from custodes.errors import CameraError, CameraGarbage
from custodes.fleet.observation import TlsSeen, clean
from custodes.units import NS_PER_S

MAX_CERTIFICATE_BYTES = 64 * 1024


def look_at_tls(door: ListedDoor, host: str, port: int, deadline: Deadline) -> TlsSeen:
    """Raises: CameraUnreachable, CameraGarbage when what listens there speaks no TLS."""
    version, certificate = _handshake(door, host, port, deadline, _everything())
    try:
        old, _ = _handshake(door, host, port, deadline, _only_old())
    except CameraError:
        old = ""
    return tls_seen(port, version, certificate, is_old_offered=bool(old))


def tls_seen(port: int, version: str, certificate: bytes, *, is_old_offered: bool) -> TlsSeen:
    """The facts of a certificate (DER). Raises: CameraGarbage when it is none."""
    if len(certificate) > MAX_CERTIFICATE_BYTES:
        raise CameraGarbage(f"port {port} shows a certificate of {len(certificate)} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cameras' certificates break rules that the parser complains about
            found = x509.load_der_x509_certificate(certificate)
            key = found.public_key()
            algorithm = found.signature_hash_algorithm
            subject, issuer = found.subject.rfc4514_string(), found.issuer.rfc4514_string()
            ends = found.not_valid_after_utc.replace(tzinfo=UTC)
            digest = found.fingerprint(hashes.SHA256()).hex()
    except (ValueError, UnsupportedAlgorithm, TypeError) as error:
        raise CameraGarbage(f"port {port} shows a certificate that cannot be read") from error
    return TlsSeen(
        port=port,
        version=version,
        is_old_offered=is_old_offered,
        subject=clean(subject),
        issuer=clean(issuer),
        is_self_signed=subject == issuer,
        key_bits=key.key_size if isinstance(key, RSAPublicKey) else 0,
        signature=algorithm.name if algorithm is not None else "none",
        not_after_ns=int(ends.timestamp()) * NS_PER_S,
        sha256=digest,
    )


def _everything() -> ssl.SSLContext:
    """Agrees to whatever there is: to look, not to trust. Nothing is sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # nosemgrep: tls-without-verification - it looks, and believes nothing
    context.verify_mode = ssl.CERT_NONE  # nosemgrep: tls-without-verification - as above
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _only_old() -> ssl.SSLContext:
    context = _everything()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def _handshake(
    door: ListedDoor, host: str, port: int, deadline: Deadline, context: ssl.SSLContext
) -> tuple[str, bytes]:
    with door.connect(host, port, deadline) as sock:
        try:
            sock.settimeout(deadline.left_s())
            with context.wrap_socket(sock, server_hostname=None) as speaking:
                return speaking.version() or "", speaking.getpeercert(binary_form=True) or b""
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise CameraGarbage(f"{host}:{port} speaks no TLS that could be agreed on") from error
