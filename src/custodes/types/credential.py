"""Second factors on `warden-server.sock`: the secret goes in once and never comes out, only what a code says."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class SealSecret:
    """Seal what an authenticator app shares with the site. Answer: SecretSealed."""

    user_id: str
    secret: str = field(repr=False)
    """Base32 (RFC 6238), 16 to 128 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSealed:
    """Means something to this site's warden alone, and for this person alone."""

    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCode:
    """Whether a code is one of now. Answer: CodeChecked. Raises: SealBroken for another person's secret."""

    user_id: str
    sealed: bytes
    code: str = field(repr=False)
    after_step: int
    """The newest time step whose code was used: a code counts once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeChecked:
    """`step`: the time step whose code it is; None for a wrong one, or one used before."""

    step: int | None
