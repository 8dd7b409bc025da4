"""SEI of ONVIF Media Signing: MediaError or a value that lies within the unit, and no changed picture is AUTHENTIC."""

from functools import lru_cache

from custodes.errors import MediaError
from custodes.media.authenticity import StreamVerifier
from custodes.media.signing_sei import MAX_HASHES, is_signing_sei, read_signing_sei, unescaped
from custodes.testing.signing import FakeSigningCamera
from custodes.types.media import Authenticity
from custodes.units import Ns


@lru_cache
def signed(codec: str) -> tuple[list[bytes], bytes]:
    """Three pictures and the SEI that signs them."""
    camera = FakeSigningCamera(codec=codec, is_escaped=True)
    gop = [camera.picture(b"%d\x80" % number, is_keyframe=number == 0) for number in range(3)]
    return gop, camera.sei_for(gop)


def one(case: bytes) -> None:
    """The first byte chooses the codec, two say where the rest is written over a true SEI."""
    codec = "h264" if case[:1] < b"\x80" else "hevc"
    gop, true = signed(codec)
    at = int.from_bytes(case[1:3], "big") % (len(true) + 1)
    unit = true[:at] + case[3:] + true[at + len(case) - 3 :] if len(case) > 3 else true
    if is_signing_sei(unit, codec):
        try:
            sei = read_signing_sei(unit, codec)
        except MediaError as error:
            assert str(error).isprintable()
        else:
            assert len(sei.hashes) <= MAX_HASHES and len(sei.signed_bytes) <= len(unit)
            assert len(unescaped(unit)) <= len(unit)
    verifier = StreamVerifier(codec)
    verdicts = [verdict for one in gop for verdict in verifier.add([one], Ns(0))]
    changed = gop[1][:-2] + b"X\x80"
    verdicts += verifier.add([unit], Ns(1))
    if unit == true:
        assert [verdict.state for verdict in verdicts] == [Authenticity.AUTHENTIC]
    forged = StreamVerifier(codec)
    states = [verdict.state for one in (gop[0], changed, gop[2], unit) for verdict in forged.add([one], Ns(0))]
    assert Authenticity.AUTHENTIC not in states


def seeds() -> list[bytes]:
    """Changes everywhere, and none."""
    return [
        b"\x00",
        b"\xff",
        *(bytes((codec, 0, at)) + b"\x00\x00\x03" for codec in (0, 255) for at in range(0, 250, 25)),
    ]
