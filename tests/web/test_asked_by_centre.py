"""What a centre asked, on the site's own page: wishes that people give or refuse, and what was answered before."""

import asyncio
from dataclasses import replace

import pytest
from tests.web.test_people import accept, invite
from tests.web.test_requests import Person, asked

from custodes.app.serving.answer_book import AnswerBook
from custodes.app.serving.answers import Answerer
from custodes.app.serving.centre_desk import SiteCentreDesk
from custodes.app.serving.wishes import WishBook, answer_to
from custodes.audit.note import NoteVerifier
from custodes.config.federation import AnswersConfig
from custodes.federation.parcel import _FACT
from custodes.testing.web import InlineCatalog
from custodes.types.access import AuditKind
from custodes.types.question import CaseQuestion
from custodes.units import NS_PER_S

WISH = "ab" * 8
HOUR_NS = 3600 * NS_PER_S


def question(site, question_id=WISH, **other):
    now_ns = site.clock.now_ns()
    return CaseQuestion(
        question_id=question_id,
        site_id="site",
        asker="Grace",
        case_id="C-7",
        reason="a bag <b>left</b>",
        start_ns=now_ns - 24 * HOUR_NS,
        end_ns=now_ns,
        classes=("person",),
        cameras=("gate",),
        entry=5,
        expires_ns=now_ns + 24 * HOUR_NS,
        **other,
    )


@pytest.fixture
def books(claimed):
    """A site that a centre may ask: the real books, an outbox in a file, a wish that waits."""
    folder = claimed.app.state.deps.config.data_dir
    outbox = claimed.catalog.outbox
    book = AnswerBook(folder / "centre-questions.json", clock=claimed.clock)
    common = {"outbox": outbox, "warden": claimed.warden, "clock": claimed.clock, "book": book}
    wishes = WishBook(folder / "centre-wishes.json", **common)
    centre = NoteVerifier(name="council.example/centre", public_key=bytes(32))
    answerer = Answerer(
        site_id="site",
        centre=centre,
        config=AnswersConfig(footage=True),
        catalog=InlineCatalog.over(claimed.catalog),
        wishes=wishes,
        **common,
    )
    asyncio.run(wishes.take(question(claimed, wants_footage=True), centre.name))
    desk = SiteCentreDesk(answerer, claimed.exports)
    claimed.app.state.deps = replace(claimed.app.state.deps, centre=lambda: desk)
    return book


@pytest.fixture
def ann(claimed, books):
    return Person(claimed)


@pytest.fixture
def ben(claimed, ann):
    accept(claimed, invite(claimed, roles=("supervisor",)))
    person = Person(claimed)
    person.enrol()
    return person


def told(site):
    return [_FACT.decode(one.encoded) for one in site.catalog.outbox.read(0, 10)]


def test_page_when_no_centre_may_ask_is_in_no_navigation_and_says_so(claimed):
    person = Person(claimed)
    assert 'href="/centre"' not in person.get("/exports").text
    answer = person.get("/centre")
    assert answer.status_code == 409 and "No centre may ask" in answer.text


def test_wish_when_seen_by_who_investigates_says_who_asks_and_how_it_is_given(ann):
    text = ann.get("/centre").text
    assert "Grace at council.example/centre" in text and "a bag &lt;b&gt;left&lt;/b&gt;" in text
    assert f"<code>{WISH}</code>" in text and "Give this export" not in text
    assert 'href="/centre"' in ann.get("/exports").text
    accept(ann.site, invite(ann.site, roles=("technician",), name="Cleo"))
    assert Person(ann.site).get("/centre").status_code == 403


def test_wish_when_refused_tells_the_centre_why_and_stays_among_what_was_answered(ann):
    assert ann.post(f"/centre/{WISH}/refuse", reason="").status_code == 400
    assert ann.post(f"/centre/{'cd' * 8}/refuse", reason="no").status_code == 404
    assert ann.post(f"/centre/{WISH}/refuse", reason="not of that hall").status_code == 303
    (fact,) = told(ann.site)
    assert (fact.question_id, fact.is_allowed, fact.reason) == (WISH, False, "not of that hall")
    assert ann.site.warden.kinds().count(AuditKind.CENTRE_WISH) == 2, "asked, and refused"
    text = ann.get("/centre").text
    assert "None waits." in text and "refused: not of that hall" in text


def test_export_when_it_was_made_for_the_wish_is_given_by_who_made_it_and_by_nobody_else(ann, ben):
    ann.site.own_case(WISH)
    request_id = asked(ann, action="export", fidelity="masked", reference=WISH)
    assert ben.approve(request_id).status_code == 200
    assert ann.post(f"/centre/{WISH}/give", export_id="none").status_code == 409
    assert ann.post("/exports", request_id=request_id, camera="gate").status_code == 303
    (row,) = ann.get("/api/v1/exports").json()["exports"]
    assert "Give this export" in ann.get("/centre").text
    assert "Give this export" not in ben.get("/centre").text
    assert ben.post(f"/centre/{WISH}/give", export_id=row["export_id"]).status_code == 409
    assert told(ann.site) == []
    assert ann.post(f"/centre/{WISH}/give", export_id=row["export_id"]).status_code == 303
    (fact,) = told(ann.site)
    assert fact.is_allowed and fact.reason.startswith("given, manifest ")
    assert "<td>given</td>" in ann.get("/centre").text


def test_questions_that_policies_answered_are_listed_with_what_was_said(ann, books):
    said = answer_to(question(ann.site), "at most 7 days", 12, 1, is_allowed=False, cameras=0)
    books.put(question(ann.site, "cd" * 8), "council.example/centre", [said], [])
    text = ann.get("/centre").text
    assert "refused: at most 7 days" in text and "<td>12</td>" in text and "movements, gate" in text
