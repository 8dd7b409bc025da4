"""For those who are filmed: the public notice, who saw whom, the record of processing; and who may read them."""

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from tests.web.conftest import BASE
from tests.web.test_live import REVIEW, read_all, wanted

from custodes.testing.catalog import make_spec
from custodes.types.access import AuditKind
from custodes.types.approval import Vote
from custodes.types.face import BasisKind, Impact, LegalBasis, Schedule, ZoneDraft, ZoneRecord
from custodes.types.scene import CameraScene, GroundPoint


@pytest.fixture
def filmed(claimed):
    claimed.catalog.put_cameras([make_spec("gate", name="Main gate")], is_exclusive=False)
    return claimed


def test_notice_is_public_and_says_who_why_how_long(filmed):
    filmed.client.cookies.clear()
    text = filmed.client.get("/notice/gate").text
    assert "Main gate" in text
    assert "72 hours" in text
    assert "not filled in yet" in text
    assert "rtsp" not in text
    assert filmed.client.get("/notice/none").status_code == 404


def test_notice_when_a_zone_is_active_tells_who_is_recognised_and_how_to_avoid_it(filmed):
    said = "as long as it has to be"
    now_ns = filmed.clock.now_ns()
    draft = ZoneDraft(
        zone_id="z",
        name="Door",
        camera_id="gate",
        polygon=((0.1, 0.1), (0.9, 0.1), (0.9, 0.9)),
        schedule=Schedule(),
        basis=LegalBasis(kind=BasisKind.EXPLICIT_CONSENT, reference=said),
        purpose=said,
        notice="Staff are recognised at this door.",
        alternative="The door on the left.",
        impact=Impact(necessity=said, risks=said, measures=said, consulted=said),
        px_per_m=400.0,
        is_px_measured=False,
        fpir=0.01,
        samples=4,
        tracks_per_day=1000,
        author_id="a",
        author="Ann",
        drafted_ns=now_ns,
    )
    votes = tuple(
        Vote(approver_id=who, approver=who, is_yes=True, utc_ns=now_ns, note="", credential_id=b"c", assertion="{}")
        for who in ("b", "c")
    )
    filmed.warden.face_store.put("z", ZoneRecord(draft=draft, votes=votes[:1]))
    assert "Nobody is recognised" in filmed.client.get("/notice/gate").text
    filmed.warden.face_store.put("z", ZoneRecord(draft=draft, votes=votes))
    text = filmed.client.get("/notice/gate").text
    assert "Nobody is recognised" not in text
    assert "Staff are recognised at this door." in text
    assert "The door on the left." in text


def test_notice_says_that_clothes_are_compared_where_they_are_and_nowhere_else(filmed):
    at = ((0.1, 0.5), (0.9, 0.5), (0.9, 0.9), (0.1, 0.9))
    scene = CameraScene(ground=tuple(GroundPoint(at=one, place_m=one) for one in at), floor="hall")
    word = "Colours of clothes"
    assert word not in filmed.client.get("/notice/gate").text
    cameras = [replace(make_spec(name), scene=scene) for name in ("gate", "yard")]
    filmed.catalog.put_cameras(cameras, is_exclusive=False)
    assert word in filmed.client.get("/notice/gate").text
    lines = filmed.client.get("/api/v1/privacy").json()["sections"][2]["lines"]
    assert any("without the head" in line and "at 2 cameras" in line for line in lines)


def test_notice_code_is_a_picture_that_leads_to_the_notice(filmed):
    answer = filmed.client.get("/notice/gate/qr.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    seen, *_ = cv2.QRCodeDetector().detectAndDecode(drawn(answer.text))
    assert seen == f"{BASE}/notice/gate"
    assert "Main gate" in filmed.client.get(seen.removeprefix(BASE)).text


def drawn(svg):
    """The code as a picture. segno draws each row as strokes: `M x y` from the start, `m dx dy` from the last end."""
    size = int(re.search(r'width="(\d+)"', svg).group(1))
    picture, x, y = np.full((size // 8, size // 8), 255, np.uint8), 0.0, 0.0
    for kind, right, down, length in re.findall(r"([Mm])(-?[\d.]+) (-?[\d.]+)h(\d+)", svg.split('class="qrline"')[1]):
        x, y = (float(right), float(down)) if kind == "M" else (x + float(right), y + float(down))
        picture[int(y), int(x) : int(x) + int(length)] = 0
        x += int(length)
    return picture.repeat(8, 0).repeat(8, 1)


def test_who_saw_the_pictures_is_told_with_purpose_and_entry(filmed):
    before = filmed.clock.now_ns()
    with filmed.socket(REVIEW) as socket:
        socket.send_json({"open": wanted(kind="playback")})
        read_all(socket)
    opening = wanted()
    query = f"camera=gate&from={opening['from_ns']}&to={opening['to_ns']}"
    (row,) = filmed.client.get(f"/api/v1/subject-access?{query}").json()["viewings"]
    assert (row["person"], row["action"], row["reference"]) == ("Ada Lovelace", "play_back", "2026-0117")
    assert row["utc_ns"] >= before
    earlier = f"camera=gate&from={opening['from_ns'] - 9 * 10**9}&to={opening['from_ns'] - 1}"
    assert filmed.client.get(f"/api/v1/subject-access?{earlier}").json()["viewings"] == []


@pytest.mark.parametrize(
    "query", ["camera=none&from=1&to=2", "camera=gate&from=2&to=1", "camera=gate&from=0&to=9000000000000000000", ""]
)
def test_who_saw_when_asked_wrongly_says_so(filmed, query):
    assert filmed.client.get(f"/api/v1/subject-access?{query}").status_code in (400, 404)
    assert filmed.client.get("/subject-access?camera=gate&begin=yesterday&end=today").status_code == 200


@pytest.mark.parametrize("path", ["/notices", "/subject-access", "/privacy", "/api/v1/notices", "/api/v1/privacy"])
def test_privacy_pages_are_logged_before_they_answer(filmed, path):
    assert filmed.client.get(path).status_code == 200
    last = [entry.record for entry in filmed.warden.log.read(0, 99)][-1]
    assert (last.kind, last.details["action"]) == (AuditKind.ACCESS_GRANTED, "read_privacy")


def test_record_of_processing_tells_the_live_settings_and_what_is_missing(filmed):
    sections = {one["title"]: one for one in filmed.client.get("/api/v1/privacy").json()["sections"]}
    assert any("Main gate" in line for line in sections["Cameras"]["lines"])
    assert sections["Who and why"]["is_open"]
    risks = " ".join(sections["Risks seen in these settings"]["lines"])
    assert "password alone" in risks
    assert "may approve" in risks
