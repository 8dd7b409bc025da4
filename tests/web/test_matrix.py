"""Every route, WebSocket and view kind of the running app × role × camera × purpose, against a table that people read.

A new route changes the table and fails here until it is renewed on purpose:
`python -m tests.web.test_matrix > tests/web/matrix.txt` (which runs this module's own walk over a fresh site).
"""

import hashlib
import itertools
import secrets
import sys
import tempfile
from pathlib import Path

import pytest
import structlog
from starlette.websockets import WebSocketDisconnect
from tests.web.conftest import BASE, site_in
from tests.web.test_gate import PATHS, all_routes
from tests.web.test_live import START_NS

from custodes.ports.catalog import Account, LoginSession
from custodes.testing.catalog import make_spec
from custodes.testing.passkey import FakeAuthenticator
from custodes.types.access import ALL_CAMERAS, CameraScope, Role
from custodes.types.cases import CaseMember
from custodes.units import NS_PER_S, CameraId, Ns
from custodes.web.gate import ROUTES, Access

GOLDEN = Path(__file__).parent / "matrix.txt"
QUERIES = {
    "/api/v1/cameras/{camera_id}/timeline": "?from=1&to=2",
    "/api/v1/cameras/{camera_id}/tracks": "?from=1&to=2",
    "/api/v1/cameras/{camera_id}/boxes": "?at=1",
    "/api/v1/cameras/{camera_id}/masks": "?at=1",
    "/api/v1/tracks": "?from=1&to=2",
    "/api/v1/search": "?camera=gate&from=1&to=2",
    "/api/v1/review": "?camera=gate&from=1&to=2",
    "/api/v1/flows": "?from=1&to=2",
    "/api/v1/cameras/{camera_id}/traffic": "?from=1&to=2",
    "/api/v1/subject-access": "?camera=gate&from=1&to=2",
    "/api/v1/log/{index}/proof": "",
}
REQUEST = {
    "purpose": "case",
    "reference": "2026-7",
    "cameras": "gate",
    "begin": "2023-11-14T20:00",
    "end": "2023-11-14T20:30",
    "reason": "somebody was hurt at the gate",
}
CASE = {"title": "Bicycle", "reason": "stolen at the gate"}
ZONE = {
    "name": "Door",
    "camera": "gate",
    "polygon": "0,0 1,0 1,1",
    "basis": "explicit_consent",
    "px_per_m": "400",
    **{
        name: "written by the test"
        for name in ("reference", "purpose", "notice", "alternative", "necessity", "risks", "measures", "consulted")
    },
}
FORMS = {
    "/faces/zones": ZONE,
    "/faces/people/invite": {"name": "Somebody New", "purpose": "opening the door"},
    "/protection/invite": {"name": "Somebody New", "reason": "I was followed here before"},
    "/site/add-camera": {"url": "rtsp://192.0.2.7/1", "name": "Somewhere new"},
    "/cases": CASE,
    "/requests": REQUEST,
    "/requests/break-glass": REQUEST,
    "/people/invite": {"name": "Somebody New", "roles": "operator"},
    "/requests/{request_id}/review": {"justified": "yes", "note": "seen"},
}
BODIES = {
    "/site/cameras/{camera_id}/drawing": {"version": ""},
    "/requests/{request_id}/approve": {"credential": {"rawId": "AAAA"}},
    "/keys/{credential_id}/vouch": {"credential": {"rawId": "AAAA"}},
    "/faces/zones/{zone_id}/approve": {"credential": {"rawId": "AAAA"}},
    "/faces/candidates/{candidate_id}/say/{verdict}": {"credential": {"rawId": "AAAA"}},
    "/checkpoint/verify": {"token": "", "picture": ""},
    "/me/passkeys": {"credential": {}},
    "/prove/passkey": {"credential": {}},
    "/api/v1/cameras/{camera_id}/holds": {
        "purpose": "case",
        "reference": "2026-7",
        "start_ns": START_NS,
        "end_ns": START_NS + 60 * NS_PER_S,
        "expires_ns": START_NS + 90 * 86_400 * NS_PER_S,
    },
    "/api/v1/cameras/{camera_id}/holds/{hold_id}/release": {
        "purpose": "case",
        "reference": "2026-7",
        "reason": "the case is closed",
    },
}
PURPOSES = ("case", "alarm", "maintenance", "subject_access")


def session_of(site, role, cameras=ALL_CAMERAS):
    """A logged-in person with one role, or none, put where the app keeps them; later than all limits reach."""
    site.clock.advance(1000 * NS_PER_S)
    user_id, now_ns = secrets.token_hex(8), site.clock.now_ns()
    roles = frozenset({role} if role else ())
    site.catalog.put_account(
        Account(user_id=user_id, name=user_id, password_hash="", roles=roles, created_ns=now_ns, cameras=cameras)
    )
    for number in ("7", "2026-7"):
        site.case(number, CaseMember(user_id=user_id, name=user_id))
    site.case("other")
    cookie = secrets.token_urlsafe(32)
    session = LoginSession(
        token_hash=hashlib.sha256(cookie.encode()).digest(),
        user_id=user_id,
        csrf_token="csrf",
        created_ns=now_ns,
        last_seen_ns=now_ns,
        expires_ns=Ns(now_ns + 600 * NS_PER_S),
        proven_ns=now_ns,
    )
    site.catalog.put_session(session)
    site.client.cookies.clear()
    site.client.cookies.set("custodes_session", cookie)


def status_of(site, method, path):
    address = path.format(**PATHS) + QUERIES.get(path, "")
    headers = {"x-csrf-token": "csrf"}
    if method == "POST" and (path in BODIES or path.endswith("/options")):
        return site.client.request(method, address, json=BODIES.get(path, {}), headers=headers).status_code
    data = FORMS.get(path) if method == "POST" else None
    return site.client.request(method, address, data=data, headers=headers).status_code


def socket_says(site, camera, opening=None):
    """`opened` or `refused`."""
    path = f"/api/v1/cameras/{camera}/{'review' if opening else 'live'}"
    try:
        with site.socket(path) as socket:
            if opening:
                socket.send_json({"open": opening})
            return socket.receive_json()["type"]
    except WebSocketDisconnect:
        return "refused"


def table(site):
    """The whole table as text: one line per route and answer, roles behind it."""
    lines = []
    for path, methods in sorted(all_routes(site.app), key=lambda one: (one[0], sorted(one[1]))):
        if ROUTES[path] is Access.PUBLIC:
            lines.append(f"{'|'.join(sorted(methods - {'HEAD'}))} {path} everybody")
            continue
        for method in sorted(methods - {"HEAD", "WEBSOCKET"}):
            answers = {}
            for role in (None, *Role):
                session_of(site, role)
                answers.setdefault(status_of(site, method, path), []).append(role.value if role else "nobody")
            for status, roles in sorted(answers.items()):
                lines.append(f"{method} {path} {status} {' '.join(roles)}")
    for camera in ("gate", "none"):
        says = {}
        for role in (None, *Role):
            session_of(site, role)
            says.setdefault(socket_says(site, camera), []).append(role.value if role else "nobody")
        lines += [f"LIVE {camera} {answer} {' '.join(roles)}" for answer, roles in sorted(says.items())]
    for kind, purpose, fidelity in itertools.product(("still", "playback"), PURPOSES, ("masked", "unmasked")):
        opened = []
        for role in (None, *Role):
            session_of(site, role)
            if socket_says(site, "gate", opening(kind, purpose, fidelity)) == "opened":
                opened.append(role.value if role else "nobody")
        lines.append(f"REVIEW {kind} {purpose} {fidelity} opened {' '.join(opened) or '-'}")
    return "\n".join(lines) + "\n"


def opening(kind, purpose, fidelity):
    span = {"from_ns": START_NS, "to_ns": START_NS + 10**9, "speed": 1}
    return {"kind": kind, "purpose": purpose, "reference": "7", "fidelity": fidelity, **span}


def test_every_route_and_view_against_the_table(claimed):
    claimed.catalog.put_cameras([make_spec("gate")], is_exclusive=False)
    assert table(claimed) == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("role", list(Role))
def test_camera_that_is_not_theirs_is_shut_on_every_route_and_socket(claimed, role):
    only_yard = CameraScope(is_all=False, camera_ids=frozenset({CameraId("yard")}))
    session_of(claimed, role, only_yard)
    for path, methods in all_routes(claimed.app):
        if "{camera_id}" in path and ROUTES[path] is not Access.PUBLIC and "GET" in methods:
            assert status_of(claimed, "GET", path) == 403, path
    assert socket_says(claimed, "gate") == "refused"
    for purpose in PURPOSES:
        assert socket_says(claimed, "gate", opening("still", purpose, "masked")) == "refused"
    for path in ("/api/v1/cameras", "/api/v1/status", "/api/v1/system", "/api/v1/metrics", "/"):
        assert '"gate"' not in claimed.client.get(path).text, path
    assert claimed.views.opened == []


CONFUSED = (
    "//log",
    "/log/",
    "/LOG",
    "/log%00",
    "/log;x",
    "/./log",
    "/static/../log",
    "/static/..%2flog",
    "/static/%2e%2e/templates/log.html",
    "/static//etc/passwd",
    "/static/..%2f..%2fauth/service.py",
    "/login/../log",
    "/login/..%2flog",
    "/notice/..%2flog",
    "/notice/gate%2f..%2f..%2flog",
    "/api/v1/cameras/yard%2f..%2fgate/timeline?from=1&to=2",
    "/api/v1/cameras/yard/..%2fgate/timeline?from=1&to=2",
    "/api/v1/cameras/gate%20/timeline?from=1&to=2",
    "/api/v1/cameras/%67ate/timeline?from=1&to=2",
    "/api/v1/cameras/GATE/timeline?from=1&to=2",
    "/api/v1//log",
    "/api/v1/log/",
    "/api/v1/log/..%2f..%2fstatus/proof",
)


@pytest.mark.parametrize("path", CONFUSED)
def test_confused_path_opens_nothing_to_nobody_and_to_who_has_another_camera(claimed, path):
    only_yard = CameraScope(is_all=False, camera_ids=frozenset({CameraId("yard")}))
    for role, scope in ((None, ALL_CAMERAS), (Role.OPERATOR, only_yard)):
        session_of(claimed, role, scope)
        answer = claimed.client.request("GET", BASE + path)
        assert answer.status_code in (303, 307, 400, 401, 403, 404, 405), path
        assert "root:" not in answer.text and "entries" not in answer.text


def test_objects_of_others_cannot_be_taken_away(claimed):
    from tests.web.test_me import make_token
    from tests.web.test_requests import Person

    owner = Person(claimed)
    make_token(owner)
    owner.enrol()
    text = owner.get("/me").text
    paths = [text.split(f'action="/me/{kind}/')[1].split('"')[0] for kind in ("tokens", "passkeys")]
    for role in Role:
        session_of(claimed, role)
        for kind, path in zip(("tokens", "passkeys"), paths, strict=True):
            answer = claimed.client.post(f"/me/{kind}/{path}", headers={"x-csrf-token": "csrf"})
            assert answer.status_code in (400, 404)
    assert len(claimed.catalog.api_tokens()) == len(claimed.catalog.passkeys()) == 1


def test_passkey_of_somebody_else_cannot_be_enrolled(claimed):
    from tests.web.test_requests import Person, answer_to

    owner = Person(claimed)
    owner.enrol()
    session_of(claimed, Role.SUPERVISOR)
    thief = Person(claimed)
    thief.authenticator = FakeAuthenticator()
    thief.authenticator.credential_id = owner.authenticator.credential_id
    options = thief.post("/me/passkeys/options", json={})
    credential = answer_to(thief.authenticator.create, options)
    assert thief.post("/me/passkeys", json={"credential": credential}).status_code in (403, 409)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with tempfile.TemporaryDirectory() as folder, site_in(Path(folder)) as fresh:
        fresh.claim()
        fresh.catalog.put_cameras([make_spec("gate")], is_exclusive=False)
        sys.stdout.write(table(fresh))
