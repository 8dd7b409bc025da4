"""Bounds of requests and erasures, on both sides of each; found wanting by mutation (`make mutants`)."""

import hashlib
from dataclasses import replace

import pytest
from tests.access.test_requests import HOUR, T0, look

from custodes.access import requests
from custodes.access.quotas import MAX_PEOPLE, WINDOW_NS, QuotaBook
from custodes.access.release import MAX_ERASED, LiveGrant, check_erasure, erased_digest, token_hash
from custodes.errors import InvalidArgument, PermissionDenied
from custodes.types.access import AccessRequest, Action, Fidelity, Principal, Purpose, PurposeKind, Role
from custodes.units import CameraId, Ns, SegmentId, SessionId

ERASURE = {
    "action": Action.ERASE,
    "purpose": Purpose(kind=PurposeKind.SUBJECT_ACCESS, reference="SAR-9"),
    "fidelity": Fidelity.MASKED,
}


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ({"reason": "x" * requests.MIN_REASON_CHARS}, {"reason": " " + "x" * (requests.MIN_REASON_CHARS - 1)}),
        ({"reason": "x" * requests.MAX_TEXT_CHARS}, {"reason": "x" * (requests.MAX_TEXT_CHARS + 1)}),
        (
            {"purpose": Purpose(kind=PurposeKind.CASE, reference="x" * 200)},
            {"purpose": Purpose(kind=PurposeKind.CASE, reference="x" * 201)},
        ),
        ({"start_ns": Ns(T0 - 31 * 24 * HOUR), "end_ns": T0}, {"start_ns": Ns(T0 - 31 * 24 * HOUR - 1), "end_ns": T0}),
        ({"start_ns": Ns(T0 - 1), "end_ns": T0}, {"start_ns": T0, "end_ns": T0}),
        ({"start_ns": T0, "end_ns": Ns(T0 + 1)}, {"start_ns": Ns(T0 + 1), "end_ns": Ns(T0 + 2)}),
        (
            {"camera_ids": tuple(CameraId(f"c{n}") for n in range(requests.MAX_CAMERAS))},
            {"camera_ids": tuple(CameraId(f"c{n}") for n in range(requests.MAX_CAMERAS + 1))},
        ),
        ({"camera_ids": (CameraId("a"), CameraId("b"))}, {"camera_ids": (CameraId("a"), CameraId("a"))}),
        ({}, {"camera_ids": ()}),
        ({"needed": 1}, {"needed": 0}),
        ({"is_break_glass": True}, {"is_break_glass": True, "action": Action.EXPORT}),
        ({}, {"action": Action.WATCH_LIVE}),
        ({}, {"purpose": Purpose(kind=PurposeKind.MAINTENANCE, reference="7")}),
        (ERASURE, {**ERASURE, "purpose": Purpose(kind=PurposeKind.CASE, reference="SAR-9")}),
        (ERASURE, {**ERASURE, "fidelity": Fidelity.UNMASKED}),
        (ERASURE, {**ERASURE, "camera_ids": (CameraId("a"), CameraId("b"))}),
        (
            {**ERASURE, "start_ns": Ns(T0 - requests.MAX_ERASED_NS), "end_ns": T0},
            {**ERASURE, "start_ns": Ns(T0 - requests.MAX_ERASED_NS - 1), "end_ns": T0},
        ),
    ],
)
def test_request_at_a_bound_is_taken_and_beyond_it_refused(right: dict, wrong: dict) -> None:
    requests.check_filed(_asked(right), now_ns=T0)
    with pytest.raises(InvalidArgument):
        requests.check_filed(_asked(wrong), now_ns=T0)


def _asked(changes: dict) -> requests.LookRequest:
    needed = {"needed": changes["needed"]} if "needed" in changes else {}
    plain = {name: value for name, value in changes.items() if name not in ("needed", "is_break_glass")}
    return replace(look(is_break_glass=changes.get("is_break_glass", False)), **plain, **needed)


def grant(action: Action = Action.ERASE) -> LiveGrant:
    asked = AccessRequest(
        principal=Principal(user_id="ann", name="Ann", roles=frozenset({Role.INVESTIGATOR})),
        action=action,
        purpose=ERASURE["purpose"],
        camera_id=CameraId("gate"),
        start_ns=Ns(0),
        end_ns=T0,
        fidelity=Fidelity.MASKED,
        session_id=SessionId("s"),
    )
    return LiveGrant(grant_id="g", token_hash=token_hash("x" * 43), request=asked, expires_ns=T0, log_index=1)


def ids(count: int) -> tuple[SegmentId, ...]:
    return tuple(SegmentId(f"{n}-run-0") for n in range(count))


def test_erasure_under_its_grant_takes_as_many_segments_as_it_may() -> None:
    check_erasure(grant(), ids(1), now_ns=Ns(T0 - 1))
    check_erasure(grant(), ids(MAX_ERASED), now_ns=Ns(0))


@pytest.mark.parametrize(
    ("live", "segment_ids", "now_ns", "error"),
    [
        (grant(), ids(1), T0, PermissionDenied),
        (grant(Action.EXPORT), ids(1), Ns(0), PermissionDenied),
        (grant(), (), Ns(0), InvalidArgument),
        (grant(), ids(MAX_ERASED + 1), Ns(0), InvalidArgument),
        (grant(), (*ids(2), SegmentId("0-run-0")), Ns(0), InvalidArgument),
        (grant(), (SegmentId("../x"),), Ns(0), InvalidArgument),
        (grant(), (SegmentId(""),), Ns(0), InvalidArgument),
    ],
)
def test_erasure_beyond_its_grant_is_refused(live: LiveGrant, segment_ids, now_ns: Ns, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_erasure(live, segment_ids, now_ns=now_ns)


def test_hash_of_erased_segments_is_of_the_sorted_lines() -> None:
    found = erased_digest((SegmentId("b"), SegmentId("a")))
    assert found == hashlib.sha256(b"a\nb\n").hexdigest()


def test_quota_book_forgets_people_whose_hour_is_over() -> None:
    book = QuotaBook()
    for number in range(MAX_PEOPLE + 1):
        book.restore(f"p{number}", CameraId("gate"), ids(1), Ns(0))
    ann = Principal(user_id="ann", name="Ann", roles=frozenset({Role.OPERATOR}))
    book.charge(ann, CameraId("gate"), ids(1), Ns(WINDOW_NS))
    assert set(book._opened) == {"ann"}
