"""Content credentials (C2PA): the site's own authority and the certificate under which its films are signed.

Both keys come from one seed of the warden's: nothing is stored, and the certificates are the same at each start.
Viewers of others show them as untrusted until somebody gives them the authority's certificate: it is in each bundle.
Source: C2PA 2.2, section 14.5 (certificate profile); Ed25519 (section 13.2).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from custodes.units import NS_PER_S, Ns

VALID_DAYS = 20 * 365
"""From the site's first day on; evidence is looked at years later, and there is no renewal to forget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSigner:
    """Signs claims. `chain_pem`: the signing certificate, then the authority's."""

    key: Ed25519PrivateKey
    chain_pem: str
    authority_pem: str

    def sign(self, claim: bytes) -> bytes:
        """64 bytes."""
        return self.key.sign(claim)


def claim_signer(seed: bytes, *, site_id: str, created_ns: Ns) -> ClaimSigner:
    """From 32 secret bytes; the same arguments give the same certificates.

    Source: RFC 5280; C2PA wants digitalSignature, no CA, and an extended usage, of which e-mail protection is the one
    that every validator takes.
    """
    assert len(seed) == 32
    authority, key = (_key(seed, name) for name in (b"authority", b"claims"))
    begin = datetime.fromtimestamp(created_ns // NS_PER_S, UTC).replace(hour=0, minute=0, second=0)
    issuer = _name(site_id, "authority")
    root = (
        _certificate(issuer, issuer, authority, 1, begin)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority.public_key()), critical=False)
        .sign(authority, None)
    )
    leaf = (
        _certificate(_name(site_id, "evidence"), issuer, key, 2, begin)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        .sign(authority, None)
    )
    pem = [one.public_bytes(Encoding.PEM).decode() for one in (leaf, root)]
    return ClaimSigner(key=key, chain_pem="".join(pem), authority_pem=pem[1])


def _key(seed: bytes, name: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(HKDFExpand(SHA256(), 32, b"custodes.c2pa/v1\x00" + name).derive(seed))


def _name(site_id: str, role: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"custodes site {site_id}"),
            x509.NameAttribute(NameOID.COMMON_NAME, role),
        ]
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: Ed25519PrivateKey, serial: int, begin: datetime
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=serial,
        not_valid_before=begin,
        not_valid_after=begin + timedelta(days=VALID_DAYS),
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
