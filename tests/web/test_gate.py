"""Every route has a rule; every answer has its headers; foreign hosts, origins and bodies are turned away."""

import pytest
from starlette.routing import Mount
from starlette.websockets import WebSocketDisconnect

from custodes.types.access import AuditKind
from custodes.web.gate import ROUTES, Access

PATHS = {
    "sha256": "0" * 64,
    "camera_id": "gate",
    "change_id": "none",
    "device_id": "gate",
    "index": "0",
    "user_id": "nobody",
    "request_id": "none",
    "credential_id": "none",
    "token_id": "none",
    "hold_id": "none",
    "layout_id": "none",
    "zoom": "1",
    "x": "0",
    "y": "0",
    "vehicle_id": "none",
    "number": "other",
    "export_id": "none",
    "question_id": "none",
    "erasure_id": "none",
    "session_id": "none",
    "zone_id": "none",
    "person_id": "none",
    "candidate_id": "none",
    "which": "probe",
    "verdict": "same",
    "token": "none",
    "version": "7",
}


def all_routes(app):
    """Every (path, methods) the application answers, included routers and mounts too."""
    found, todo = [], list(app.routes)
    while todo:
        route = todo.pop()
        inner = getattr(route, "original_router", None)
        if inner is not None:
            todo.extend(inner.routes)
        elif isinstance(route, Mount):
            found.append((route.path, {"GET"}))
        else:
            found.append((route.path, getattr(route, "methods", None) or {"WEBSOCKET"}))
    return found


def concrete(path):
    return path.format(**PATHS)


def test_every_route_has_a_rule_and_every_rule_a_route(site):
    paths = {path for path, _ in all_routes(site.app)}
    assert len(paths) > 15
    assert paths == set(ROUTES)


def test_nothing_but_public_routes_answers_without_login(claimed):
    claimed.client.cookies.clear()
    for path, methods in all_routes(claimed.app):
        if ROUTES[path] is Access.PUBLIC:
            continue
        for method in methods - {"HEAD", "WEBSOCKET"}:
            answer = claimed.client.request(method, concrete(path))
            assert answer.status_code == 401, (method, path)
            assert answer.json()["kind"] == "unauthenticated"
        if "WEBSOCKET" in methods:
            with pytest.raises(WebSocketDisconnect), claimed.socket(concrete(path)) as socket:
                socket.receive_json()
    assert claimed.views.opened == []


def test_route_without_a_rule_is_denied_to_everybody(claimed):
    @claimed.app.get("/forgotten")
    async def forgotten():
        return "secret"

    answer = claimed.client.get("/forgotten")
    assert answer.status_code == 403
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("roles", "path", "status"),
    [
        ((), "/api/v1/cameras/gate/timeline?from=1&to=2", 403),
        (("operator",), "/api/v1/cameras/gate/timeline?from=1&to=2", 200),
        (("auditor",), "/api/v1/cameras/gate/timeline?from=1&to=2", 403),
        ((), "/api/v1/log", 403),
        (("operator", "investigator"), "/api/v1/log", 403),
        (("auditor",), "/api/v1/log", 200),
        ((), "/api/v1/system", 200),
    ],
)
def test_list_is_open_to_the_roles_of_the_policy_and_logged(site, roles, path, status):
    site.claim(roles=roles)
    answer = site.client.get(path)
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["detail"]
        assert site.warden.kinds()[-1] is AuditKind.ACCESS_DENIED


def test_list_while_warden_is_down_fails_closed(claimed):
    claimed.warden.is_down = True
    assert claimed.client.get("/api/v1/cameras/gate/timeline?from=1&to=2").status_code == 503


def test_reading_a_timeline_again_and_again_is_logged_once_per_quarter_hour(claimed):
    for _ in range(20):
        claimed.client.get("/api/v1/cameras/gate/timeline?from=1&to=2")
    assert claimed.warden.kinds().count(AuditKind.ACCESS_GRANTED) == 1


@pytest.mark.parametrize(
    "path", ["/login", "/", "/api/v1/status", "/static/app.css", "/nothing", "/api/v1/cameras/gate"]
)
def test_every_answer_has_the_strict_headers(claimed, path):
    headers = claimed.client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "media-src blob:" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static/") else "no-store")


def test_answers_behind_tls_tell_browsers_to_stay_with_it(make_site):
    for path in ("/login", "/static/icon.svg", "/nowhere"):
        told = make_site(behind_tls=True).client.get(path).headers["strict-transport-security"]
        assert told == "max-age=31536000; includeSubDomains"
        assert "strict-transport-security" not in make_site().client.get(path).headers, "not where there is none"


def test_pages_have_no_inline_script_or_style(claimed):
    for path in ("/login", "/", "/cameras/gate", "/log", "/system", "/nothing"):
        text = claimed.client.get(path, headers={"accept": "text/html"}).text
        assert "<style" not in text
        assert " style=" not in text
        assert " onclick=" not in text
        assert text.count("<script") == text.count("<script src=") + text.count('<script type="module" src=')
        assert "//" not in text.replace("http://www.w3.org", "").replace("rtsp://192.168.1.20", "")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::2]:80"])
def test_foreign_host_name_is_refused(claimed, host):
    assert claimed.client.get("/login", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8600", "127.0.0.1:1", "[::1]:8600"])
def test_loopback_names_are_answered(claimed, host):
    assert claimed.client.get("/login", headers={"host": host}).status_code in (200, 303)


def test_configured_host_name_is_answered(make_site):
    site = make_site(hosts=["cctv.example"])
    assert site.client.get("/first-boot", headers={"host": "cctv.example"}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:81", "file://"])
def test_form_from_elsewhere_is_refused(claimed, origin):
    answer = claimed.client.post("/login", data={"name": "a", "password": "b"}, headers={"origin": origin})
    assert answer.status_code == 403
    assert AuditKind.LOGIN_FAILED not in claimed.warden.kinds()


@pytest.mark.parametrize("path", ["/api/v1/cameras/gate/live", "/api/v1/cameras/gate/review"])
def test_websocket_from_elsewhere_is_refused_before_it_opens(claimed, path):
    with claimed.socket(path):
        pass  # our own page may
    opened = len(claimed.views.opened)
    for origin in ("http://evil.example", "null"):
        with pytest.raises(WebSocketDisconnect), claimed.socket(path, origin=origin):
            pass
    with pytest.raises(WebSocketDisconnect), claimed.socket(path, host="evil.example", origin="http://evil.example"):
        pass
    assert len(claimed.views.opened) == opened


def test_large_body_is_refused(claimed):
    assert claimed.client.post("/login", content=b"x" * 70_000).status_code == 413


def test_large_chunked_body_is_cut_off(claimed):
    def chunks():
        for _ in range(20):
            yield b"name=" + b"x" * 8000

    answer = claimed.client.post(
        "/login", content=chunks(), headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code >= 400
    assert AuditKind.LOGIN_FAILED not in claimed.warden.kinds()


def test_docs_pages_do_not_exist_and_openapi_needs_login(claimed):
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert claimed.client.get(path).status_code == 404
    paths = claimed.client.get("/api/v1/openapi.json").json()["paths"]
    assert "/api/v1/status" in paths
    claimed.client.cookies.clear()
    assert claimed.client.get("/api/v1/openapi.json").status_code == 401


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/api/v1/cameras/none/timeline?from=1&to=2", 404, "not_found"),
        ("/api/v1/cameras/gate/timeline?from=2&to=1", 400, "invalid_argument"),
        ("/api/v1/cameras/gate/timeline?from=1&to=2&stream=third", 400, "invalid_argument"),
        ("/api/v1/cameras/gate.second/timeline?from=1&to=2", 400, "invalid_argument"),
        ("/api/v1/cameras/gate/timeline?from=0&to=99999999999999999", 400, "invalid_argument"),
        ("/api/v1/cameras/gate/timeline?from=x&to=2", 400, "invalid_argument"),
        ("/api/v1/cameras/gate/timeline?from=-1&to=2", 400, "invalid_argument"),
        ("/api/v1/log?limit=100000", 400, "invalid_argument"),
        ("/api/v1/log?kind=nonsense", 400, "invalid_argument"),
        ("/api/v1/log/999999/proof", 404, "not_found"),
        (f"/api/v1/log/{2**63}/proof", 404, "not_found"),
        ("/api/v1/nothing", 404, "not_found"),
    ],
)
def test_bad_request_gets_a_problem_document(claimed, path, status, kind):
    answer = claimed.client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["kind"] == kind
    assert answer.json()["detail"]
