"""Second factors and API tokens: secrets for codes by time (RFC 6238), and keys for scripts, kept as hashes."""

import hashlib
import secrets

import pyotp

from custodes.errors import InvalidArgument
from custodes.ports.catalog import Account, ApiToken
from custodes.types.access import Role
from custodes.units import NS_PER_S, Ns

TOKEN_PREFIX = "cst_"  # noqa: S105 - what a token begins with, so that scanners find leaked ones
MAX_TOKEN_DAYS = 365
MAX_TOKENS_PER_PERSON = 20


def new_secret() -> str:
    """160 bits, base32."""
    return pyotp.random_base32()


def otp_uri(secret: str, *, name: str, site_name: str) -> str:
    """What an authenticator app scans."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=site_name)


def make_token(account: Account, *, name: str, roles: frozenset[Role], days: int, now_ns: Ns) -> tuple[str, ApiToken]:
    """The token, shown once, and what is kept of it. Raises: InvalidArgument in words."""
    if not 1 <= days <= MAX_TOKEN_DAYS:
        raise InvalidArgument(f"A token lasts 1 to {MAX_TOKEN_DAYS} days.")
    if not roles or not roles <= account.roles:
        raise InvalidArgument("A token has at least one role, and none that you have not.")
    cleaned = " ".join(name.split())[:64]
    if not cleaned:
        raise InvalidArgument("Give the token a name, so that you know later what it is for.")
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    kept = ApiToken(
        token_id=secrets.token_hex(8),
        token_hash=token_hash(text),
        user_id=account.user_id,
        name=cleaned,
        roles=roles,
        created_ns=now_ns,
        expires_ns=Ns(now_ns + days * 24 * 3600 * NS_PER_S),
    )
    return text, kept


def token_hash(text: str) -> bytes:
    """SHA-256: a token has 256 bits of entropy, so nothing slower is needed."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
