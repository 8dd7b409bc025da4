"""`Lawful`: proof, for the type checker and at run time, that a face may become a vector here and now.

The embedder takes one with every call (`face.embedding`). Only `zone_lawful`, `sample_lawful` and `check_lawful`
make one, and only from what the warden signed: without it no code path reaches a network that makes templates.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from custodes.errors import PermissionDenied, ProtocolError, SealBroken
from custodes.types.codec import decode_as, encode
from custodes.types.face import SamplePermit, SignedPermit, ZoneKind, ZonePermit
from custodes.types.protection import CheckPermit
from custodes.units import CameraId, Ns

_DOMAIN = b"custodes.recognition-permit.v1\n"
MAX_FILE_BYTES = 4 << 20


class _Seal:
    """Nobody outside this module holds the one instance."""


_SEAL: Final = _Seal()


class Lawful:
    """One zone, one sample of its owner, or one check for the protected. Cannot be made by hand, changed or sent
    away."""

    __slots__ = ("_permit",)
    _permit: ZonePermit | SamplePermit | CheckPermit

    def __init__(self, permit: ZonePermit | SamplePermit | CheckPermit, *, seal: _Seal) -> None:
        if seal is not _SEAL:
            raise PermissionDenied("a Lawful is made by face.lawful from what the warden signed, and in no other way")
        object.__setattr__(self, "_permit", permit)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise PermissionDenied("a Lawful does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise PermissionDenied("a Lawful does not change")

    def __reduce__(self) -> NoReturn:
        raise PermissionDenied("a Lawful does not leave its process")

    def __repr__(self) -> str:
        return f"Lawful({type(self._permit).__name__})"

    def require(self, utc_ns: Ns, *, camera_id: CameraId | None, at: tuple[float, float] | None) -> None:
        """Whether a face seen then and there is covered.

        Args: camera_id, at: the camera and the middle of the face in shares of its picture; None for a sample that a
            person gave. Raises: PermissionDenied.
        """
        permit = self._permit
        if isinstance(permit, CheckPermit):
            if camera_id != permit.camera_id or not permit.from_ns <= utc_ns <= permit.to_ns:
                raise PermissionDenied("the recording is not part of what is to be compared")
            return
        if utc_ns >= permit.until_ns:
            raise PermissionDenied("the permit is over")
        if isinstance(permit, SamplePermit):
            if camera_id is not None:
                raise PermissionDenied("a person's consent to their own picture covers no camera")
            return
        if utc_ns < permit.from_ns:
            raise PermissionDenied("the zone is not on yet")
        if camera_id != permit.camera_id or at is None or not contains(permit.polygon, at):
            raise PermissionDenied("the face is not in the zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenZone:
    """A zone that is on, and what proves it."""

    permit: ZonePermit
    lawful: Lawful


def contains(polygon: tuple[tuple[float, float], ...], at: tuple[float, float]) -> bool:
    """Whether a point is inside, by the even-odd rule; a point on a right or lower edge is outside."""
    x, y = at
    inside = False
    for (x1, y1), (x2, y2) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside


def sign_permit(signer: Ed25519PrivateKey, permit: ZonePermit | SamplePermit | CheckPermit) -> SignedPermit:
    """The warden's word."""
    body = encode(permit)
    return SignedPermit(body=body, signature=signer.sign(_DOMAIN + body))


def _verify(signed: SignedPermit, site_key: bytes) -> bytes:
    try:
        Ed25519PublicKey.from_public_bytes(site_key).verify(signed.signature, _DOMAIN + signed.body)
    except (InvalidSignature, ValueError) as error:
        raise SealBroken("the permit is not signed by this site's warden") from error
    return signed.body


def zone_lawful(signed: SignedPermit, site_key: bytes, site_id: str, now_ns: Ns) -> OpenZone:
    """Check one permit. Raises: SealBroken, ProtocolError, PermissionDenied when it is over or of another site."""
    permit = decode_as(ZonePermit, _verify(signed, site_key))
    if permit.site_id != site_id or now_ns >= permit.until_ns:
        raise PermissionDenied(f"the permit of zone {permit.zone_id} is over, or of another site")
    if permit.kind is not ZoneKind.FACES:
        raise PermissionDenied(f"the permit of zone {permit.zone_id} is for no faces")
    return OpenZone(permit=permit, lawful=Lawful(permit, seal=_SEAL))


def sample_lawful(signed: SignedPermit, site_key: bytes, site_id: str, now_ns: Ns) -> Lawful:
    """Check the permit of one sample. Raises: as `zone_lawful`."""
    permit = decode_as(SamplePermit, _verify(signed, site_key))
    if permit.site_id != site_id or now_ns >= permit.until_ns:
        raise PermissionDenied("the permit of this sample is over, or of another site")
    return Lawful(permit, seal=_SEAL)


def check_lawful(signed: SignedPermit, site_key: bytes, site_id: str, now_ns: Ns) -> Lawful:
    """Check the permit to compare recordings that somebody asks for with the protected. Raises: as `zone_lawful`."""
    permit = decode_as(CheckPermit, _verify(signed, site_key))
    if permit.site_id != site_id or now_ns >= permit.until_ns:
        raise PermissionDenied("the permit of this check is over, or of another site")
    return Lawful(permit, seal=_SEAL)


def encode_permits(permits: list[SignedPermit]) -> bytes:
    """The file that the warden writes."""
    rows = [[base64.b64encode(one.body).decode(), base64.b64encode(one.signature).decode()] for one in permits]
    return json.dumps(rows).encode()


def read_zones(path: Path, site_key: bytes, site_id: str, now_ns: Ns) -> tuple[OpenZone, ...]:
    """Zones for faces that are on, or come on while their permit lasts; none when there is no file.

    What is not signed, over or of another site is left out. Raises: ProtocolError for a file that is none.
    """
    zones = []
    for one in _read_signed(path):
        try:
            zones.append(zone_lawful(one, site_key, site_id, now_ns))
        except (SealBroken, PermissionDenied):
            continue
    return tuple(zones)


def read_plate_permits(path: Path, site_key: bytes, site_id: str, now_ns: Ns) -> tuple[ZonePermit, ...]:
    """The same of zones for plates. None of them opens a way to a face."""
    permits = []
    for one in _read_signed(path):
        try:
            permit = decode_as(ZonePermit, _verify(one, site_key))
        except SealBroken:
            continue
        if permit.kind is ZoneKind.PLATES and permit.site_id == site_id and now_ns < permit.until_ns:
            permits.append(permit)
    return tuple(permits)


def _read_signed(path: Path) -> list[SignedPermit]:
    try:
        content = path.read_bytes()
    except OSError:
        return []
    try:
        if len(content) > MAX_FILE_BYTES:
            raise ProtocolError(f"{path} has {len(content)} bytes; at most {MAX_FILE_BYTES} are read")
        return [
            SignedPermit(body=base64.b64decode(body), signature=base64.b64decode(signature))
            for body, signature in json.loads(content)
        ]
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise ProtocolError(f"{path} holds no permits: {error}") from error


def read_site_key(path: Path) -> tuple[str, bytes]:
    """Site id and public key from `warden-key.json`; raises SealBroken when it says nothing usable."""
    try:
        tree = json.loads(path.read_bytes())
        return str(tree["site_id"]), base64.b64decode(tree["site_key"])
    except (OSError, ValueError, KeyError, TypeError, binascii.Error) as error:
        raise SealBroken(f"{path} does not say how to recognise the warden: {error}") from error
