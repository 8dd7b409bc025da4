"""Recognition zones: what a draft must say, how two others turn it on, when it is on, and that it stops for good."""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

import pytest

from custodes.access import zones as rules
from custodes.errors import AlreadyExists, FailedPrecondition, InvalidArgument, PermissionDenied
from custodes.types.approval import Vote
from custodes.types.codec import encode, encode_as_before
from custodes.types.face import BasisKind, Impact, LegalBasis, Schedule, ZoneDraft, ZoneKind, ZonePhase, ZoneRecord
from custodes.units import CameraId, Ns

T0 = Ns(1_700_000_000 * 10**9)
TEXT = "ten chars!"
DRAFT = ZoneDraft(
    zone_id="z1",
    name="Gate",
    camera_id=CameraId("gate"),
    polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),
    schedule=Schedule(),
    basis=LegalBasis(kind=BasisKind.EXPLICIT_CONSENT, reference=TEXT),
    purpose=TEXT,
    notice=TEXT,
    alternative=TEXT,
    impact=Impact(necessity=TEXT, risks=TEXT, measures=TEXT, consulted=TEXT),
    px_per_m=300.0,
    is_px_measured=True,
    fpir=0.001,
    samples=4,
    tracks_per_day=2000,
    author_id="ann",
    author="Ann",
    drafted_ns=T0,
)
WAITS = ZoneRecord(draft=DRAFT)


def vote(who, *, is_yes=True, key=b"", assertion="signed"):
    return Vote(
        approver_id=who,
        approver=who,
        is_yes=is_yes,
        note="",
        utc_ns=Ns(0),
        credential_id=key or who.encode(),
        assertion=assertion,
    )


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"name": "n" * 80},
        {"purpose": "p" * 2000},
        {"fpir": 1e-5},
        {"fpir": 0.05},
        {"samples": 1},
        {"samples": 16},
        {"tracks_per_day": 1},
        {"tracks_per_day": 1_000_000},
        {"px_per_m": 20_000.0},
        {"polygon": tuple((n / 64, (n % 2) * 0.5 + (n > 32) * 0.5) for n in range(64))},
        {"polygon": ((0.0, 0.0), (0.0, 1.0), (1.0, 1.0))},
        {"schedule": Schedule(weekdays=(6,), from_minute=1439, until_minute=1)},
        {"schedule": Schedule(from_minute=0, until_minute=1440)},
    ],
)
def test_draft_at_its_bounds_is_good(change):
    rules.check_draft(replace(DRAFT, **change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": " "}, "name of at most 80"),
        ({"name": "n" * 81}, "name of at most 80"),
        ({"polygon": ((0, 0), (1, 1))}, "3 to 64 corners"),
        ({"polygon": ((0, 0), (1, 0), (1, 1)) * 22}, "3 to 64 corners"),
        ({"polygon": ((0, 0), (1.1, 0), (1, 1))}, "outside the picture"),
        ({"polygon": ((0, 0), (1, -0.1), (1, 1))}, "outside the picture"),
        ({"polygon": ((0, 0), (float("nan"), 0), (1, 1))}, "outside the picture"),
        ({"polygon": ((0, 0), (0.5, 0.5), (1, 1))}, "no area"),
        ({"schedule": Schedule(weekdays=())}, "days of the week"),
        ({"schedule": Schedule(weekdays=(7,))}, "days of the week"),
        ({"schedule": Schedule(from_minute=-1)}, "within a day"),
        ({"schedule": Schedule(from_minute=1440, until_minute=60)}, "within a day"),
        ({"schedule": Schedule(until_minute=1441)}, "within a day"),
        ({"schedule": Schedule(from_minute=5, until_minute=0)}, "within a day"),
        ({"schedule": Schedule(from_minute=5, until_minute=5)}, "end when they begin"),
        ({"fpir": 0.9e-5}, "False alerts per stranger"),
        ({"fpir": 0.051}, "False alerts per stranger"),
        ({"samples": 0}, "looks per track"),
        ({"samples": 17}, "looks per track"),
        ({"tracks_per_day": 0}, "people pass in a day"),
        ({"tracks_per_day": 1_000_001}, "people pass in a day"),
        ({"px_per_m": 0.0}, "pixels of the picture"),
        ({"px_per_m": 20_001.0}, "pixels of the picture"),
        ({"px_per_m": float("inf")}, "pixels of the picture"),
        ({"purpose": "nine char"}, "Say the purpose in"),
        ({"purpose": "p" * 2001}, "Say the purpose in"),
        ({"notice": " " * 20}, "Say the notice"),
        ({"alternative": ""}, "Say the alternative"),
        ({"basis": LegalBasis(kind=BasisKind.EMPLOYMENT_LAW, reference="")}, "Say the legal basis"),
        ({"impact": replace(DRAFT.impact, necessity="")}, "nothing milder"),
        ({"impact": replace(DRAFT.impact, risks="")}, "the risks"),
        ({"impact": replace(DRAFT.impact, measures="")}, "the measures"),
        ({"impact": replace(DRAFT.impact, consulted="")}, "who was consulted"),
    ],
)
def test_draft_when_something_is_missing_is_refused_in_words(change, words):
    with pytest.raises(InvalidArgument, match=words):
        rules.check_draft(replace(DRAFT, **change))


def test_hash_that_passkeys_sign_is_over_the_whole_draft():
    assert len(rules.digest(DRAFT)) == 32
    changes = ({"polygon": ((0, 0), (1, 0), (1, 0.9))}, {"fpir": 0.002}, {"author_id": "ben"}, {"notice": TEXT + "."})
    assert len({rules.digest(DRAFT), *(rules.digest(replace(DRAFT, **one)) for one in changes)}) == 5


def test_false_alerts_are_the_share_of_those_who_pass():
    assert rules.false_alerts_per_day(DRAFT) == 2.0


def test_zone_is_on_when_two_others_approved_with_passkeys():
    once = rules.cast(WAITS, vote("ben"), Ns(T0 + 1))
    assert (rules.phase(once, T0), once.votes[0].utc_ns) == (ZonePhase.WAITING, T0 + 1)
    on = rules.cast(once, vote("eve"), Ns(T0 + 2))
    assert rules.phase(on, Ns(T0 + 10 * rules.DECIDE_WITHIN_NS)) is ZonePhase.ACTIVE
    with pytest.raises(FailedPrecondition, match="is active"):
        rules.cast(on, vote("joe"), T0)


@pytest.mark.parametrize(
    ("second", "error"),
    [
        (vote("ann"), PermissionDenied),
        (vote("ann", is_yes=False), PermissionDenied),
        (vote("ben", key=b"another"), AlreadyExists),
        (vote("eve", key=b"ben"), AlreadyExists),
        (vote("eve", assertion=""), InvalidArgument),
        (replace(vote("eve"), credential_id=b""), InvalidArgument),
    ],
    ids=["author", "author's no", "same person", "same passkey", "unsigned", "no key"],
)
def test_second_word_that_is_no_other_persons_does_not_count(second, error):
    with pytest.raises(error):
        rules.cast(rules.cast(WAITS, vote("ben"), T0), second, T0)


def test_zone_when_one_says_no_is_refused_for_good():
    refused = rules.cast(rules.cast(WAITS, vote("ben"), T0), vote("eve", is_yes=False, assertion=""), T0)
    assert rules.phase(refused, T0) is ZonePhase.REFUSED
    for act in (lambda: rules.cast(refused, vote("joe"), T0), lambda: rules.stop(refused, "joe", T0)):
        with pytest.raises(FailedPrecondition):
            act()


@pytest.mark.parametrize(
    ("after_ns", "phase"),
    [
        (-1, ZonePhase.LAPSED),
        (0, ZonePhase.WAITING),
        (rules.DECIDE_WITHIN_NS - 1, ZonePhase.WAITING),
        (rules.DECIDE_WITHIN_NS, ZonePhase.LAPSED),
    ],
)
def test_draft_waits_for_two_weeks(after_ns, phase):
    assert rules.DECIDE_WITHIN_NS == 14 * 86_400 * 10**9
    assert rules.phase(WAITS, Ns(T0 + after_ns)) is phase


def test_zone_when_stopped_stays_stopped():
    on = replace(WAITS, votes=(vote("ben"), vote("eve")))
    for record in (on, WAITS):
        off = rules.stop(record, "joe", Ns(T0 + 9))
        assert (off.stopped_by, off.stopped_ns, rules.phase(off, T0)) == ("joe", T0 + 9, ZonePhase.STOPPED)
        with pytest.raises(FailedPrecondition, match="not on"):
            rules.stop(off, "joe", T0)


def at(text, zone=UTC):
    return Ns(int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * 10**9)


NIGHTS = Schedule(weekdays=(0,), from_minute=22 * 60, until_minute=6 * 60)
DAYS = Schedule(weekdays=(0, 1), from_minute=8 * 60 + 30, until_minute=16 * 60)


@pytest.mark.parametrize(
    ("schedule", "moment", "expected"),
    [
        (DAYS, "2026-01-05T08:29:59", None),
        (DAYS, "2026-01-05T08:30:00", ("2026-01-05T08:30", "2026-01-05T16:00")),
        (DAYS, "2026-01-05T15:59:59", ("2026-01-05T08:30", "2026-01-05T16:00")),
        (DAYS, "2026-01-05T16:00:00", None),
        (DAYS, "2026-01-07T12:00:00", None),
        (NIGHTS, "2026-01-05T22:00:00", ("2026-01-05T22:00", "2026-01-06T06:00")),
        (NIGHTS, "2026-01-06T05:59:59", ("2026-01-05T22:00", "2026-01-06T06:00")),
        (NIGHTS, "2026-01-06T06:00:00", None),
        (NIGHTS, "2026-01-06T22:30:00", None),
        (NIGHTS, "2026-01-05T05:00:00", None),
        (Schedule(), "2026-01-05T00:00:00", ("2026-01-05T00:00", "2026-01-06T00:00")),
    ],
)
def test_window_is_of_the_day_on_which_it_begins(schedule, moment, expected):
    found = rules.window(schedule, at(moment), UTC)
    assert found == (tuple(at(one) for one in expected) if expected else None)


def test_window_is_in_the_sites_own_time():
    berlin = ZoneInfo("Europe/Berlin")
    assert rules.window(DAYS, at("2026-01-05T07:30:00"), berlin) == (
        at("2026-01-05T08:30:00", berlin),
        at("2026-01-05T16:00:00", berlin),
    )


def test_hash_stays_what_it_was_so_that_old_approvals_can_be_checked():
    before = encode_as_before(DRAFT, "kind")  # when all zones were for faces
    assert rules.digest(DRAFT) == sha256(b"custodes.recognition-zone.v1\n" + before).digest()


def test_a_zone_for_plates_is_signed_as_one():
    plates = replace(DRAFT, kind=ZoneKind.PLATES)
    assert rules.digest(plates) == sha256(b"custodes.recognition-zone.v1\n" + encode(plates)).digest()
    assert rules.digest(plates) != rules.digest(DRAFT)
