"""Pages of journeys and of the missing: asked, approved, opened, drawn; nothing without approval and agreement."""

import asyncio
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.access.test_zones import DRAFT
from tests.web.conftest import FullyBooked
from tests.web.test_people import accept, invite
from tests.web.test_requests import Person

from custodes.access.enrolment import CONSENT_TEXT, FOLLOW_TEXT, MISSING_TEXT
from custodes.errors import Unavailable
from custodes.testing.catalog import make_spec
from custodes.testing.recogniser import WrittenRecogniser
from custodes.types.access import Action, AuditKind, Principal, Role
from custodes.types.approval import Vote
from custodes.types.event import TrackEnded
from custodes.types.face import Candidate, CandidateRecord, Consent, FaceEnrolment, Verdict, ZoneKind, ZoneRecord
from custodes.types.face_message import HolderVerified, ScoreSource, ZoneLoad, ZoneLoads
from custodes.types.journey import CameraSeen, Journey, JourneyStep, LinkKind
from custodes.types.place import FloorPlan
from custodes.types.vision import ObjectClass, Tracklet
from custodes.units import NS_PER_S, CameraId, Ns, RunId
from custodes.web import journeys
from custodes.web.asked_names import people_of
from custodes.web.journey_drawing import arrows_of, clothes_words, floors_of, steps_of
from custodes.web.journeys import _blind
from custodes.web.moments import form_text
from custodes.web.words import paragraphs

ONE = "0123456789abcdef"
UNASKED = HolderVerified(is_same=False, likelihood=0.0, problem="", quality=None, signals=())
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


class Booking(FullyBooked):
    """A supervisor that answers when it is let."""

    def __init__(self):
        self.let = asyncio.Event()

    async def spawn_job(self, kind="job"):
        await self.let.wait()
        await super().spawn_job(kind)


def in_force(site, ann, boss) -> str:
    """A request to follow Cleo Ray, who was confirmed at the gate, that another has approved."""
    enrolled(site)
    site.catalog.put_cameras([make_spec("gate"), make_spec("yard")], is_exclusive=True)
    start_ns = site.clock.now_ns() - 1800 * NS_PER_S
    walked(site, "gate", 7, start_ns)
    confirmed(site, "gate", 7, start_ns)
    begin, end = form_text(start_ns - 60 * NS_PER_S), form_text(site.clock.now_ns())
    filed = ann.post(
        "/journeys", person=ONE, reference="2026-7", cameras=["gate", "yard"], begin=begin, end=end,
        reason="she does not answer her telephone",
    )  # fmt: skip
    request_id = filed.headers["location"].rsplit("/", 1)[1]
    boss.enrol()
    assert boss.approve(request_id).status_code == 200
    return request_id


def test_journey_in_the_making_is_told_while_it_runs_when_stopped_and_when_the_job_fails(make_site, monkeypatch):
    monkeypatch.setattr(journeys, "SOON_S", 0.1)
    supervisor = Booking()
    site = make_site(supervisor=supervisor)
    assert site.claim().status_code == 303
    site.own_case("2026-7")
    ann = Person(site)
    accept(site, invite(site, roles=("supervisor",)))
    boss = Person(site)
    request_id = in_force(site, ann, boss)
    path = f"/journeys/{request_id}"

    begun = ann.post(path, act="looks")
    assert (begun.status_code, begun.headers["location"]) == (303, path)
    running = ann.get(path).text
    assert "<h2>Being made</h2>" in running
    assert re.search(r'<progress max="1" value="0\.0"', running)
    assert '<meta http-equiv="refresh" content="3">' in running
    assert "Open the journey" not in running
    others = boss.get(path).text
    assert "Being made" not in others
    assert "http-equiv" not in others

    assert ann.post(path, act="stop").status_code == 303
    stopped = ann.get(path).text
    assert "Being made" not in stopped
    assert "http-equiv" not in stopped
    assert "Open it, clothes compared" in stopped

    assert ann.post(path, act="looks").status_code == 303
    site.client.portal.call(supervisor.let.set)
    while "<h2>Being made</h2>" in (ready := ann.get(path).text):
        pass
    assert "<h2>Ready</h2>" in ready
    assert "http-equiv" not in ready
    told = ann.post(path)
    assert told.status_code == 200
    assert "<b>two people</b>" in told.text
    assert "Clothes were not compared. no job is free: enough of kind job" in told.text
    assert "Throw it away" in ann.get(path).text
    store = site.warden.face_store
    store.put(ONE, replace(store.get(FaceEnrolment, ONE), withdrawn_ns=site.clock.now_ns()))
    assert ann.post(path).status_code == 403
    assert "Throw it away" not in ann.get(path).text, "who took the agreement back is in no memory either"
    assert ann.post(path, act="stop").status_code == 303
    assert "Open it, clothes compared" in ann.get(path).text
    assert site.warden.kinds().count(AuditKind.JOURNEY_OPENED) == 3


def test_request_to_follow_names_cameras_and_the_person_for_whom_may_know_them(claimed):
    ann = Person(claimed)
    tokens = [invite(claimed, roles=("supervisor",)), invite(claimed, name="Olga", roles=("privacy_officer",))]
    others = []
    for token in tokens:
        accept(claimed, token)
        others.append(Person(claimed))
    boss, olga = others
    request_id = in_force(claimed, ann, boss)
    for reader in (ann, boss, olga):
        pages = [reader.get(f"{place}/{request_id}") for place in ("/journeys", "/requests")]
        pages += [reader.get("/journeys"), reader.get("/requests")]
        for page in pages:
            assert page.status_code == 200
            assert "where the enrolled person Cleo Ray went" in page.text
            assert f"person {ONE}" not in page.text
        assert "<dd>Main gate, Yard</dd>" in pages[0].text
        assert "<dd>Main gate, Yard</dd>" in pages[1].text
    assert "where the enrolled person Cleo Ray went" in ann.get("/cases/2026-7").text
    sighted = ann.get("/faces/sightings").text
    assert 'camera Main gate <span class="muted mono">gate</span>' in sighted
    assert "Export for them" in sighted
    seen = claimed.warden.face_store.get(CandidateRecord, "c1")
    headless = replace(seen, candidate=replace(seen.candidate, track_id=-1))
    claimed.warden.face_store.put("c1", headless)
    sighted = ann.get("/faces/sightings").text
    assert "Only the face was seen" in sighted
    assert "Export for them" not in sighted
    told = ann.post(f"/journeys/{request_id}").text
    assert "Two people confirmed 1 sighting in this stretch, but no track of the body is known" in told
    deps = claimed.app.state.deps
    operator = Principal(user_id="x", name="X", roles=frozenset({Role.OPERATOR}))
    records = [SimpleNamespace(request=SimpleNamespace(action=Action.FOLLOW, person_id=ONE))]
    assert asyncio.run(people_of(deps, operator, records)) == {}
    assert boss.post(f"/faces/people/{ONE}/end").status_code == 303
    assert f"where the enrolled person {ONE} went" in ann.get(f"/journeys/{request_id}").text, "they agree no more"


def test_case_lists_what_was_opened_for_it_and_the_log_names_whom_until_they_are_forgotten(claimed, two):
    ann, boss = two
    request_id = in_force(claimed, ann, boss)
    assert ann.post(f"/journeys/{request_id}").status_code == 200
    accept(claimed, invite(claimed, name="Ivy", roles=("supervisor",)))
    ivy = Person(claimed)
    assert "journey of" not in ann.get("/cases/2026-7").text, "the log is read when somebody asks"
    mine = ann.get("/cases/2026-7?looks=1").text
    (row,) = re.findall(r"<tr>(?:(?!</tr>).)*journey of.*?</tr>", mine, re.DOTALL)
    assert f'<a href="/journeys/{request_id}">journey of Cleo Ray</a>' in row
    assert "Main gate" in row
    assert "Yard" in row
    assert f'<a href="/requests/{request_id}">journey of Cleo Ray</a>' in ivy.get("/cases/2026-7?looks=1").text

    def told():
        return ann.get("/api/v1/log?kind=journey_opened").json()["entries"][0]

    entry = told()
    assert "saw where the enrolled person “Cleo Ray” went" in entry["sentence"]
    assert entry["subject"] == ONE
    kept = ann.get(f"/api/v1/log/{entry['index']}/proof")
    assert "Cleo" not in kept.text, "what is kept elsewhere has ids, as the log has"
    assert boss.post(f"/faces/people/{ONE}/end").status_code == 303
    assert f"the enrolled person {ONE} went" in told()["sentence"]
    entries = ann.get("/api/v1/log?kind=enrolment_ended").json()["entries"]
    assert ONE in entries[0]["sentence"]
    assert ONE in ann.get("/cases/2026-7?looks=1").text


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
    assert ended.status_code == 200
    assert re.search(r"The search is over.*is entry \d+ of the log", ended.text), "where the search was begun"
    assert "Nobody is being looked for" in ann.get("/last-seen").text


def test_guardians_form_offers_zones_for_faces_alone_and_keeps_what_was_typed(claimed, two):
    _, boss = two
    claimed.app.state.deps = replace(claimed.app.state.deps, recogniser=WrittenRecogniser(UNASKED))
    for kind in ZoneKind:
        yes = tuple(
            Vote(approver_id=who, approver=who, is_yes=True, utc_ns=Ns(1), note="", credential_id=who.encode(),
                 assertion="{}")
            for who in "ab"
        )  # fmt: skip
        draft = replace(DRAFT, zone_id=kind.value, name=f"Zone of {kind.value}", kind=kind)
        claimed.warden.face_store.put(kind.value, ZoneRecord(draft=draft, votes=yes))
    refused = boss.post("/last-seen", name="Ida Ray", purpose="lost at the fair, says the mother", hours="100").text
    assert "Zone of faces" in refused
    assert "Zone of plates" not in refused
    assert 'value="Ida Ray"' in refused
    assert 'value="lost at the fair, says the mother"' in refused
    assert "Zone of plates" not in boss.get("/faces/people").text


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


def stepped(*path_m):
    """A journey of one step on floor one, seen by a camera to the right."""
    step = JourneyStep(
        camera_id=CameraId("gate"), run=RUN, track_id=1, start_ns=Ns(0), end_ns=Ns(NS_PER_S), kind=LinkKind.VERIFIED,
        probability=1.0, link_probability=1.0, runner_up=0.0, came_from=0, floor="one",
        path_m=tuple((Ns(at), x, y) for at, (x, y) in enumerate(path_m)),
    )  # fmt: skip
    camera = CameraSeen(camera_id=CameraId("gate"), name="Gate", coverage=1.0, place_m=(20.0, 0.0), floor="one")
    return Journey(
        request_id="r", person_id=ONE, name="N", reference="1", start_ns=Ns(0), end_ns=Ns(10 * NS_PER_S),
        steps=(step,), cameras=(camera,), learnt_ways=0, log_index=1,
    )  # fmt: skip


def test_path_is_drawn_with_its_direction_and_the_floors_picture_beneath():
    plan = FloorPlan(
        name="one", plan_sha256="ab", width_px=400, height_px=200, px_per_m=10.0, origin_px=(100.0, 150.0)
    )
    (floor,) = floors_of(stepped((0.0, 0.0), (10.0, 0.0), (10.0, 10.0)), (plan, replace(plan, name="two")))
    assert floor.scale_m == 5
    px_per_m = floor.scale_px / floor.scale_m
    ((_, _, _, first, arrows),) = floor.paths
    assert {degrees for _, _, degrees in arrows} >= {0, -90}, "to the right, then up"
    assert len(arrows) == round(20 * px_per_m / 80)
    x, y, width, height = floor.plan
    assert (width, height) == pytest.approx((40 * px_per_m, 20 * px_per_m), abs=0.5)
    origin = x + 10 * px_per_m, y + 15 * px_per_m
    assert origin == pytest.approx(first, abs=0.5), "metres 0, 0 of the plan are the path's first point"
    assert [camera[3] for camera in floor.cameras] == [True], "a name at the right edge is on the left of its camera"
    (bare,) = floors_of(stepped((0.0, 0.0), (10.0, 0.0)), (replace(plan, plan_sha256=""),))
    assert bare.plan_sha256 == ""


def test_who_stood_still_or_turned_back_has_no_arrow_there():
    assert arrows_of([(5.0, 5.0)]) == ()
    assert arrows_of([(5.0, 5.0), (9.0, 5.0)]) == ()
    assert arrows_of([(0.0, 0.0), (30.0, 0.0), (0.0, 0.0)]) == ()
    assert arrows_of([(0.0, 0.0), (40.0, 0.0), (40.0, 0.0), (60.0, 0.0)]) == ((30.0, 0.0, 0),)


def test_track_is_on_the_time_line_where_it_was_in_the_stretch():
    (drawn,) = steps_of(replace(stepped(), end_ns=Ns(4 * NS_PER_S)))
    assert (drawn.left_percent, drawn.width_percent) == (0.0, 25.0)
    late = stepped()
    at_end = replace(late.steps[0], start_ns=late.end_ns, end_ns=Ns(late.end_ns + NS_PER_S))
    (drawn,) = steps_of(replace(late, steps=(at_end,)))
    assert drawn.left_percent + drawn.width_percent == pytest.approx(100), "a look at the very end is not cut off"


def test_clothes_are_told_as_words_and_never_as_a_look():
    step = JourneyStep(
        camera_id=CameraId("gate"), run=RUN, track_id=1, start_ns=Ns(0), end_ns=Ns(1), kind=LinkKind.TRANSIT,
        probability=0.9, link_probability=0.9, runner_up=0.1, came_from=0,
    )  # fmt: skip
    told = [clothes_words(replace(step, look_nats=nats)) for nats in (None, -2.0, 0.1, 1.4)]
    assert told == ["not compared", "unlike", "do not say", "alike"]
    assert clothes_words(replace(step, kind=LinkKind.VERIFIED)) == "–"
