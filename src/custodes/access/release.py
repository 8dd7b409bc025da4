"""What a grant releases: the rules between a token and the data keys of segments. Pure; the warden keeps the state."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from custodes.access.policy import FOOTAGE
from custodes.errors import InvalidArgument, PermissionDenied
from custodes.sealing.header import encode_clear
from custodes.sealing.published import is_background_key
from custodes.types.access import AccessRequest, Action, Grant
from custodes.types.media import SegmentHeader
from custodes.types.stream import camera_of
from custodes.units import NS_PER_S, Ns, SegmentId

MAX_GRANT_NS = Ns(12 * 3600 * NS_PER_S)
"""A shift. Longer viewing asks again, and is logged again."""

LEAD_IN_NS = Ns(120 * NS_PER_S)
"""A segment that began this long before the interval may hold its first moment; segments last a minute (DESIGN 6),
at most ten with an unusual configuration, whose beginnings are then not shown."""

MAX_HEADERS = 64

MAX_ERASED = 4096
"""Segments of one erasure: a day in pieces of 20 s."""

_SEGMENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveGrant:
    """A grant as the warden remembers it: the token only as its hash."""

    grant_id: str
    token_hash: bytes
    request: AccessRequest
    expires_ns: Ns
    log_index: int
    is_for_looks: bool = False
    """Opens a journey's stretch to a job that compares clothes and shows nothing (ADR 134)."""


def token_hash(token: str) -> bytes:
    """SHA-256 of the token's text; a token has 256 bits of entropy, so nothing slower is needed.

    Raises: PermissionDenied for what cannot be a token.
    """
    if not _TOKEN.fullmatch(token):
        raise PermissionDenied("no such grant, or it has ended")
    return hashlib.sha256(token.encode()).digest()


def expiry_of(request: AccessRequest, now_ns: Ns) -> Ns:
    """When a grant ends: at most `MAX_GRANT_NS` from now, and for live at the request's end.

    Raises: InvalidArgument when that is over already.
    """
    latest = Ns(now_ns + MAX_GRANT_NS)
    expires = min(latest, request.end_ns) if request.action is Action.WATCH_LIVE else latest
    if expires <= now_ns:
        raise InvalidArgument("live viewing is asked for until a moment that is past")
    return expires


def remember(grant: Grant, *, is_for_looks: bool = False) -> LiveGrant:
    """The part of a grant that the warden keeps."""
    return LiveGrant(
        grant_id=grant.grant_id,
        token_hash=token_hash(grant.token),
        request=grant.request,
        expires_ns=grant.expires_ns,
        log_index=grant.log_index,
        is_for_looks=is_for_looks,
    )


def check_release(
    grant: LiveGrant, token: str, headers: tuple[SegmentHeader, ...], *, now_ns: Ns, site_id: str
) -> None:
    """Whether a grant opens exactly these segments. Raises: PermissionDenied, InvalidArgument; says why."""
    if not hmac.compare_digest(grant.token_hash, token_hash(token)):
        raise PermissionDenied("no such grant, or it has ended")
    if now_ns >= grant.expires_ns:
        raise PermissionDenied("the grant has expired")
    if grant.request.action not in FOOTAGE and not (grant.is_for_looks and grant.request.action is Action.FOLLOW):
        raise PermissionDenied(f"a grant to {grant.request.action.value} opens no footage")
    if not 0 < len(headers) <= MAX_HEADERS:
        raise InvalidArgument(f"{len(headers)} segments in one release; expected 1 to {MAX_HEADERS}")
    for header in headers:
        _check_header(grant.request, header, site_id)


def check_erasure(grant: LiveGrant, segment_ids: tuple[SegmentId, ...], *, now_ns: Ns) -> None:
    """Whether a grant gives these recordings up. Raises: PermissionDenied, InvalidArgument; says why."""
    if now_ns >= grant.expires_ns:
        raise PermissionDenied("the grant has expired")
    if grant.request.action is not Action.ERASE:
        raise PermissionDenied(f"a grant to {grant.request.action.value} erases nothing")
    if not 0 < len(segment_ids) <= MAX_ERASED or len(set(segment_ids)) != len(segment_ids):
        raise InvalidArgument(f"{len(segment_ids)} segments in one erasure; expected 1 to {MAX_ERASED} different ones")
    if not all(_SEGMENT_ID.fullmatch(one) for one in segment_ids):
        raise InvalidArgument("that is not a segment id")


def erased_digest(segment_ids: Iterable[SegmentId]) -> str:
    """SHA-256 over the sorted ids, a line each: what the log says of a list that is too long for it. Hexadecimal."""
    return hashlib.sha256("".join(f"{one}\n" for one in sorted(segment_ids)).encode()).hexdigest()


def _check_header(request: AccessRequest, header: SegmentHeader, site_id: str) -> None:
    encode_clear(header)  # bounds and characters, before any of it goes into a message or the log
    if header.site_id != site_id:
        raise PermissionDenied(f"segment {header.segment_id} is of another site")
    if camera_of(header.camera_id) != request.camera_id or header.key_id.partition("/")[0] != header.camera_id:
        raise PermissionDenied(f"the grant is for camera {request.camera_id}, segment {header.segment_id} is not")
    if is_background_key(header.key_id):
        # It shows nobody, and outlives what was recorded: of any time, but to find where a leak comes from alone.
        if request.action is not Action.TRACE_LEAK:
            raise PermissionDenied(f"a grant to {request.action.value} opens no background picture")
        return
    if not request.start_ns - LEAD_IN_NS <= header.start_ns <= request.end_ns:
        raise PermissionDenied(f"segment {header.segment_id} lies outside the granted interval")
