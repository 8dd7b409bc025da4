"""Key provider without any protection, sample segments, and the suite every provider passes."""

from collections.abc import Callable

import pytest

from custodes.errors import InvalidArgument, SealBroken
from custodes.ports.keys import KeyProvider
from custodes.sealing.unwrap import generate_camera_day_key
from custodes.sealing.wrap import new_segment
from custodes.types.media import SegmentHeader
from custodes.units import CameraId, KeyId, Ns, RunId, SegmentId

SITE_ID = "ab" * 8
CAMERA = CameraId("gate")
DAY = "20260104"


class FakeKeys:
    """`ports.keys.KeyProvider` that hides nothing: the secret stands in the clear between context and marker."""

    def wrap(self, secret: bytes, context: bytes) -> bytes:
        """Raises: InvalidArgument above 8 KiB."""
        if len(secret) > 8 * 1024:
            raise InvalidArgument("secret is too long")
        return b"FAKE" + len(context).to_bytes(4, "big") + context + secret + b"END"

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Raises: SealBroken when frame or context do not fit; a changed secret goes unnoticed."""
        head = b"FAKE" + len(context).to_bytes(4, "big") + context
        if not (wrapped.startswith(head) and wrapped.endswith(b"END")):
            raise SealBroken("a fake secret does not open")
        return wrapped[len(head) : -3]


class KeyProviderSuite:
    """What `ports.keys.KeyProvider` promises. Subclass it as `Test…` and give `make_provider`."""

    make_provider: Callable[[], KeyProvider]

    def test_unwrap_when_wrapped_then_gives_the_secret_back(self) -> None:
        """For empty, short and the longest secrets."""
        provider = self.make_provider()
        for secret in (b"", b"x", bytes(range(256)) * 32):
            assert provider.unwrap(provider.wrap(secret, b"here"), b"here") == secret

    def test_unwrap_when_the_context_differs_then_refuses(self) -> None:
        """A secret of one place does not open at another."""
        provider = self.make_provider()
        with pytest.raises(SealBroken):
            provider.unwrap(provider.wrap(b"secret", b"here"), b"there")

    def test_unwrap_when_cut_then_refuses(self) -> None:
        """At every length."""
        provider = self.make_provider()
        wrapped = provider.wrap(b"secret", b"here")
        for count in range(len(wrapped)):
            with pytest.raises(SealBroken):
                provider.unwrap(wrapped[:count], b"here")

    def test_wrap_when_the_secret_is_too_long_then_refuses(self) -> None:
        """8 KiB is the bound."""
        with pytest.raises(InvalidArgument):
            self.make_provider().wrap(bytes(8 * 1024 + 1), b"here")


def sample_segment(
    *,
    public_key: bytes | None = None,
    camera_id: CameraId = CAMERA,
    day: str = DAY,
    site_id: str = SITE_ID,
    start_ns: int = 1_767_500_000_000_000_000,
) -> tuple[SegmentHeader, bytes]:
    """A header and its data key, sealed to `public_key` or to a key that nobody has."""
    if public_key is None:
        _, public_key = generate_camera_day_key()
    run = RunId("0123456789ab")
    return new_segment(
        public_key=public_key,
        key_id=KeyId(f"{camera_id}/{day}"),
        site_id=site_id,
        camera_id=camera_id,
        run=run,
        segment_id=SegmentId(f"{start_ns}-{run}-0"),
        start_ns=Ns(start_ns),
    )
