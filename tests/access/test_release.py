"""What a grant opens, and every reason why it opens nothing."""

import hashlib
from dataclasses import replace

import pytest

from custodes.access.release import (
    LEAD_IN_NS,
    MAX_GRANT_NS,
    MAX_HEADERS,
    check_release,
    expiry_of,
    remember,
)
from custodes.errors import InvalidArgument, PermissionDenied
from custodes.testing.keys import SITE_ID, sample_segment
from custodes.types.access import (
    AccessRequest,
    Action,
    Fidelity,
    Grant,
    Principal,
    Purpose,
    PurposeKind,
    Role,
)
from custodes.types.media import SegmentHeader
from custodes.types.stream import second_of
from custodes.units import CameraId, Ns, SessionId

NOW = Ns(1_767_500_000_000_000_000)
HOUR = 3600 * 10**9
HEADER, _ = sample_segment(start_ns=NOW)
REQUEST = AccessRequest(
    principal=Principal(user_id="u", name="Ann", roles=frozenset({Role.OPERATOR})),
    action=Action.PLAY_BACK,
    purpose=Purpose(kind=PurposeKind.CASE, reference="7"),
    camera_id=CameraId("gate"),
    start_ns=NOW,
    end_ns=Ns(NOW + HOUR),
    fidelity=Fidelity.MASKED,
    session_id=SessionId("s"),
)
TOKEN = "A" * 43
GRANT = remember(Grant(grant_id="g", token=TOKEN, request=REQUEST, expires_ns=Ns(NOW + HOUR), log_index=0))


def check(
    *, token: str = TOKEN, headers: tuple[SegmentHeader, ...] = (HEADER,), now: int = NOW, action: Action | None = None
) -> None:
    grant = replace(GRANT, request=replace(REQUEST, action=action)) if action else GRANT
    check_release(grant, token, headers, now_ns=Ns(now), site_id=SITE_ID)


def test_check_when_all_fits_then_passes() -> None:
    check()
    check(action=Action.WATCH_LIVE)
    check(headers=(HEADER,) * MAX_HEADERS)


def test_check_when_the_segment_is_of_the_cameras_second_stream_then_passes() -> None:
    second = second_of(HEADER.camera_id)
    check(headers=(HEADER, replace(HEADER, camera_id=second, key_id=f"{second}/20260104")))


def at(start_ns: int) -> SegmentHeader:
    return replace(HEADER, start_ns=Ns(start_ns))


@pytest.mark.parametrize("start_ns", [NOW - LEAD_IN_NS, NOW, NOW + HOUR])
def test_check_when_the_segment_is_at_the_edge_then_passes(start_ns: int) -> None:
    check(headers=(at(start_ns),))


REFUSED = {
    "early": {"headers": (at(NOW - LEAD_IN_NS - 1),)},
    "late": {"headers": (at(NOW + HOUR + 1),)},
    "one of many": {"headers": (HEADER, at(NOW + HOUR + 1))},
    "camera": {"headers": (replace(HEADER, camera_id=CameraId("vault")),)},
    "key of another camera": {"headers": (replace(HEADER, key_id="vault/20260104"),)},
    "second stream under the first's key": {"headers": (replace(HEADER, camera_id=second_of(HEADER.camera_id)),)},
    "second stream of another camera": {
        "headers": (replace(HEADER, camera_id=CameraId("vault.second"), key_id="vault.second/20260104"),)
    },
    "site": {"headers": (replace(HEADER, site_id="cd" * 8),)},
    "expired": {"now": NOW + HOUR},
    "wrong token": {"token": "B" * 43},
    "no token": {"token": ""},
    "long token": {"token": "A" * 44},
    "token not ascii": {"token": "Ä" * 43},
    "metadata": {"action": Action.READ_METADATA},
    "log": {"action": Action.READ_LOG},
    "configure": {"action": Action.CONFIGURE},
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED.keys())
def test_check_when_something_does_not_fit_then_refuses(change: dict[str, object]) -> None:
    with pytest.raises(PermissionDenied):
        check(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, MAX_HEADERS + 1])
def test_check_when_too_few_or_too_many_segments_then_refuses(count: int) -> None:
    with pytest.raises(InvalidArgument):
        check(headers=(HEADER,) * count)


def test_remember_when_granted_then_keeps_no_token() -> None:
    assert TOKEN not in repr(GRANT)


def test_expiry_when_live_then_at_the_requests_end_at_most_a_shift() -> None:
    live = replace(REQUEST, action=Action.WATCH_LIVE)
    assert expiry_of(live, NOW) == NOW + HOUR
    assert expiry_of(replace(live, end_ns=Ns(NOW + 100 * HOUR)), NOW) == NOW + MAX_GRANT_NS
    with pytest.raises(InvalidArgument):
        expiry_of(live, Ns(NOW + HOUR))


def test_expiry_when_playback_then_a_shift_from_now_whatever_the_interval() -> None:
    assert expiry_of(REQUEST, Ns(NOW + 1000 * HOUR)) == NOW + 1000 * HOUR + MAX_GRANT_NS


def test_remembered_grant_has_the_hash_of_its_token_alone() -> None:
    grant = Grant(grant_id="g", token=TOKEN, request=REQUEST, expires_ns=Ns(NOW + 1), log_index=7)
    live = remember(grant)
    assert (live.grant_id, live.request, live.expires_ns, live.log_index) == ("g", REQUEST, NOW + 1, 7)
    assert live.token_hash == hashlib.sha256(TOKEN.encode()).digest() and TOKEN not in repr(live)
