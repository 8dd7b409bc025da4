"""Client of a time stamping authority (RFC 3161) over HTTP, blocking. Optional: extra `custodes[rfc3161]`.

What is stamped is SHA-256 of a checkpoint's note, so the authority learns that there is a log and nothing of it.
"""

import http.client
import urllib.error
import urllib.request
from pathlib import Path

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from custodes.adapters.witness.http import NoRedirect
from custodes.errors import ConfigError, DataLoss, Unavailable

TIMEOUT_S = 20.0
MAX_TOKEN_BYTES = 64 * 1024
_TYPE = "application/timestamp-query"


class TimestampAuthority:
    """One authority, trusted by its root certificates."""

    def __init__(self, url: str, roots: Path, *, timeout_s: float = TIMEOUT_S) -> None:
        """Args: `roots`: PEM file. Raises: ConfigError when it cannot be used."""
        assert url.startswith(("http://", "https://"))
        self.url = url
        self._timeout_s = timeout_s
        self._roots = read_roots(roots)
        self._opener = urllib.request.build_opener(NoRedirect(), urllib.request.ProxyHandler({}))

    def stamp(self, note: str) -> bytes:
        """A verified TimeStampResp (DER) over SHA-256 of the note.

        Raises: Unavailable when no complete answer came; DataLoss when it does not verify under the roots.
        """
        query = (
            TimestampRequestBuilder()
            .data(note.encode())
            .hash_algorithm(HashAlgorithm.SHA256)
            .nonce(nonce=True)
            .cert_request(cert_request=True)
            .build()
        )
        request = urllib.request.Request(  # noqa: S310 - http or https, from the configuration
            self.url, data=query.as_bytes(), headers={"content-type": _TYPE}
        )
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                raw: bytes = answer.read(MAX_TOKEN_BYTES + 1)
        except urllib.error.HTTPError as error:
            raise Unavailable(f"time stamping authority {self.url} answers {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"time stamping authority {self.url} does not answer: {error}") from error
        if len(raw) > MAX_TOKEN_BYTES:
            raise DataLoss(f"time stamping authority {self.url} sent more than {MAX_TOKEN_BYTES} bytes")
        verify_token(raw, note, self._roots, nonce=query.nonce)
        return raw


def read_roots(path: Path) -> list[x509.Certificate]:
    """Root certificates of authorities, PEM. Raises: ConfigError."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"certificates {path} of the time stamping authority: {error}") from error


def token_time(raw: bytes) -> str:
    """When it was stamped, by the authority's clock: ISO 8601, UTC."""
    return decode_timestamp_response(raw).tst_info.gen_time.isoformat()


def verify_token(raw: bytes, note: str, roots: list[x509.Certificate], *, nonce: int | None = None) -> None:
    """Raises: DataLoss when the token is malformed, not over this note, or not signed under the roots."""
    try:
        response = decode_timestamp_response(raw)
        builder = VerifierBuilder()
        for root in roots:
            builder = builder.add_root_certificate(root)
        if nonce is not None:
            builder = builder.nonce(nonce)
        builder.build().verify_message(response, note.encode())
    except (VerificationError, ValueError) as error:
        raise DataLoss(f"a time stamp does not verify: {error}") from error
