"""Pages of journeys and of the missing: asked, approved, opened, drawn; nothing without approval and agreement."""

import asyncio
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.web.test_people import accept, invite
from tests.web.test_requests import Person

from custodes.access.enrolment import CONSENT_TEXT, FOLLOW_TEXT, MISSING_TEXT
from custodes.errors import Unavailable
from custodes.testing.catalog import make_spec
from custodes.types.access import AuditKind
from custodes.types.event import TrackEnded
from custodes.types.face import Candidate, CandidateRecord, Consent, FaceEnrolment, Verdict
from custodes.types.face_message import ScoreSource, ZoneLoad, ZoneLoads
from custodes.types.journey import JourneyStep, LinkKind
from custodes.types.vision import ObjectClass, Tracklet
from custodes.units import NS_PER_S, CameraId, Ns, RunId
from custodes.web.journey_drawing import clothes_words
from custodes.web.journeys import _blind
from custodes.web.moments import form_text
from custodes.web.words import paragraphs

ONE = "0123456789abcdef"
RUN = RunId("00000000cafe")
DAY = 24 * 3600 * NS_PER_S


def enrolled(site, *, may_follow=True, is_missing=False) -> None:
    """Somebody who signed, as the warden keeps them."""
    now_ns, store = site.clock.now_ns(), site.warden.face_store
    store.make_key(ONE)
    consent = Consent(version="v", text_sha256="a" * 64, signed_ns=now_ns, sealed_signature=b"")
    one = FaceEnrolment(
        person_id=ONE, purpose="night shift, alone at the gate", zone_ids=("z",), expires_ns=Ns(now_ns + DAY),
        created_ns=now_ns, created_by="Boss", sealed_name=store.seal(ONE, "name", b"Cleo Ray"), invite_hash=b"h",
        consent=consent, templates=3, may_follow=may_follow, is_missing=is_missing,
    )  # fmt: skip
    store.put(ONE, one)


def confirmed(site, camera, track_id, start_ns) -> None:
    """Two people said that it is them."""
    candidate = Candidate(
        candidate_id="c1", zone_id="z", camera_id=CameraId(camera), run=RUN, track_id=track_id, start_ns=Ns(start_ns),
        end_ns=Ns(start_ns + NS_PER_S), person_id=ONE, score=9.0, threshold=3.0, likelihood=4.0, quality=0.5,
        samples=4, gallery_size=3, gallery_version=1, contract="c", probe_sha256="", filed_ns=Ns(start_ns),
        decide_by_ns=Ns(start_ns + DAY),
    )  # fmt: skip
    words = tuple(
        Verdict(user_id=who, user=who, is_same=True, utc_ns=Ns(start_ns), credential_id=who.encode(), assertion="{}")
        for who in ("Ann", "Ben")
    )
    site.warden.face_store.put("c1", CandidateRecord(candidate=candidate, verdicts=words))


def walked(site, camera, track_id, start_ns) -> None:
    """A track, seen for ten seconds."""
    track = Tracklet(
        camera_id=CameraId(camera), run=RUN, track_id=track_id, object_class=ObjectClass.PERSON,
        start_ns=Ns(start_ns), end_ns=Ns(start_ns + 10 * NS_PER_S), frames=20, mean_score=0.8,
        first_box_norm=(0.1, 0.1, 0.2, 0.5), last_box_norm=(0.5, 0.1, 0.6, 0.5),
    )  # fmt: skip
    site.catalog.put_analysis([], [TrackEnded(tracklet=track)])


@pytest.fixture
def two(claimed):
    ann = Person(claimed)
    accept(claimed, invite(claimed, roles=("supervisor",)))
    return ann, Person(claimed)


def test_journey_is_asked_approved_and_drawn_with_its_log_entry_first(claimed, two):
    ann, boss = two
    assert "Nobody who is enrolled agreed to be followed" in ann.get("/journeys").text
    enrolled(claimed)
    claimed.catalog.put_cameras([make_spec("gate"), make_spec("yard")], is_exclusive=True)
    start_ns = claimed.clock.now_ns() - 1800 * NS_PER_S
    walked(claimed, "gate", 7, start_ns)
    confirmed(claimed, "gate", 7, start_ns)
    assert "Cleo Ray" in ann.get("/journeys").text
    form = {
        "person": ONE, "reference": "2026-7", "cameras": ["gate", "yard"],
        "begin": form_text(start_ns - 60 * NS_PER_S),
        "end": form_text(claimed.clock.now_ns()), "reason": "she does not answer her telephone",
    }  # fmt: skip
    too_long = ann.post("/journeys", **form | {"begin": form_text(start_ns - 2 * DAY)})
    assert too_long.status_code == 400
    assert "at most 24 hours" in too_long.text
    filed = ann.post("/journeys", **form)
    request_id = filed.headers["location"].rsplit("/", 1)[1]
    assert "It waits for others" in ann.get(f"/journeys/{request_id}").text
    early = ann.post(f"/journeys/{request_id}")
    assert early.status_code == 403
    assert "approval" in early.text
    assert "learns where and when that one person was" in boss.get(f"/requests/{request_id}").text
    boss.enrol()
    assert boss.approve(request_id).status_code == 200
    assert AuditKind.JOURNEY_OPENED not in claimed.warden.kinds()
    opened = ann.post(f"/journeys/{request_id}")
    assert opened.status_code == 200, opened.text
    assert AuditKind.JOURNEY_OPENED in claimed.warden.kinds()
    assert "confirmed by two people" in opened.text
    assert re.search(r"<b>two people</b>", opened.text)
    assert 'class="journey-line"' in opened.text
    assert "Clothes were not compared" in opened.text
    assert "Open it, clothes compared" in ann.get(f"/journeys/{request_id}").text
    assert "Clothes were not compared" in ann.post(f"/journeys/{request_id}", act="looks").text  # no jobs here
    assert ann.post(f"/journeys/{request_id}", act="stop").status_code == 303
    assert boss.post(f"/journeys/{request_id}").status_code == 404
    assert boss.post(f"/journeys/{request_id}", act="looks").status_code == 404
    assert ann.get("/journeys/unknown").status_code == 404


def test_last_seen_tells_the_place_to_who_looks_and_the_guardians_form_to_who_enrols(claimed, two):
    ann, boss = two
    assert "Nobody is being looked for" in ann.get("/last-seen").text
    enrolled(claimed, is_missing=True)
    assert "two people have confirmed nothing so far" in ann.get("/last-seen").text
    confirmed(claimed, "gate", 7, claimed.clock.now_ns())
    told = ann.get("/last-seen").text
    assert "Main gate" in told
    assert "confirmed by Ann and Ben" in told
    assert claimed.warden.kinds().count(AuditKind.LAST_SEEN_READ) == 3
    assert "Found" not in told  # who looks does not enrol
    assert "Found: end it" in boss.get("/last-seen").text
    refused = boss.post("/last-seen", name="Ida", purpose="lost at the fair, says the mother", hours="100")
    assert "1 to 72 hours" in refused.text
    assert "There is no such" in boss.post("/last-seen/nobody/end").text
    (path,) = re.findall(r'action="(/last-seen/[^"]+/end)"', boss.get("/last-seen").text)
    ended = boss.post(path)
    assert (ended.status_code, ended.headers["location"]) == (303, "/last-seen"), "where the search was begun"
    assert "Nobody is being looked for" in ann.get("/last-seen").text


def test_zones_in_which_nobody_can_be_told_yet_are_known_and_a_silent_matcher_names_none():
    def load(zone_id, people, threshold):
        return ZoneLoad(
            zone_id=zone_id, people=people, templates=people, threshold=threshold, source=ScoreSource.PROBES,
            camera_id=CameraId("gate"), probes=1, candidates=0, foreign=0, is_drifting=False,
        )  # fmt: skip

    class Loads:
        async def read_loads(self):
            return ZoneLoads(zones=(load("blind", 1, 1.0), load("well", 3, 0.6), load("empty", 0, 1.0)))

    class Silent:
        async def read_loads(self):
            raise Unavailable("the matcher is away")

    found = [asyncio.run(_blind(SimpleNamespace(recogniser=one))) for one in (Loads(), Silent(), None)]
    assert found == [{"blind"}, frozenset(), frozenset()]


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        (MISSING_TEXT, ["I have parental", "What for:", "How:", "How long:", "Rights:", "Responsible:"]),
        (
            CONSENT_TEXT,
            ["I agree", "What for:", "Where:", "How:", "How long:", "Taking it back:", "My choice:", "My rights:"],
        ),
        (FOLLOW_TEXT, ["Following:"]),
    ],
    ids=["missing", "consent", "follow"],
)  # fmt: skip
def test_a_text_to_sign_is_shown_in_its_paragraphs_and_loses_no_word(text, begins):
    shown = paragraphs(text)
    assert [one.split(" ")[0] for one in shown] == [one.split(" ")[0] for one in begins]
    assert all(one.startswith(begin) for one, begin in zip(shown, begins, strict=True))
    assert " ".join(shown).split() == text.split()


def test_guardians_text_says_what_for_whom_and_that_it_ends(claimed, two):
    _, boss = two
    made = boss.post("/last-seen", name="Ida", purpose="lost at the fair, says the mother", hours="5")
    assert made.status_code == 400
    assert "Name the zones" in made.text


def test_clothes_are_told_as_words_and_never_as_a_look():
    step = JourneyStep(
        camera_id=CameraId("gate"), run=RUN, track_id=1, start_ns=Ns(0), end_ns=Ns(1), kind=LinkKind.TRANSIT,
        probability=0.9, link_probability=0.9, runner_up=0.1, came_from=0,
    )  # fmt: skip
    told = [clothes_words(replace(step, look_nats=nats)) for nats in (None, -2.0, 0.1, 1.4)]
    assert told == ["not compared", "unlike", "do not say", "alike"]
    assert clothes_words(replace(step, kind=LinkKind.VERIFIED)) == "–"
