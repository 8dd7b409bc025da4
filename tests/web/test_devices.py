"""Web push, end to end but for the browser: a push service on loopback, which decrypts as a browser would."""

import asyncio
import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import http_ece
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.web.test_exports import ann, ben  # noqa: F401 (fixtures)
from tests.web.test_requests import asked

from custodes.adapters.notify.webpush import PushSender, make_key, read_key
from custodes.app.serving.outside import open_push
from custodes.app.serving.push import MAX_DEVICES, PushFeed
from custodes.config import SiteConfig, SitePaths
from custodes.errors import InvalidArgument, KeyMissing, Unavailable
from custodes.testing.ending import joined
from custodes.testing.web import InlineCatalog
from custodes.types.access import AuditKind, CameraScope, Role
from custodes.types.push import PushDevice
from custodes.units import NS_PER_S, CameraId

CONTACT = "mailto:guard@example.org"


def text_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Browser:
    """The half of a subscription that only the browser has."""

    def __init__(self, endpoint: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = b"0123456789abcdef"
        self.endpoint = endpoint

    @property
    def point(self) -> bytes:
        form = serialization.PublicFormat.UncompressedPoint
        return self.key.public_key().public_bytes(serialization.Encoding.X962, form)

    def subscription(self, **changes: object) -> dict[str, object]:
        keys = {"p256dh": text_of(self.point), "auth": text_of(self.auth)}
        return {"endpoint": self.endpoint, "keys": keys, "name": "My phone", **changes}

    def read(self, body: bytes) -> dict[str, object]:
        return json.loads(http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm"))


class PushService:
    """What a browser's vendor runs: takes messages, and answers with `status`."""

    def __init__(self) -> None:
        self.status = 201
        self.got: list[tuple[dict[str, str], bytes]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                service.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(service.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def service() -> Iterator[PushService]:
    found = PushService()
    thread = Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    joined(thread)
    found.server.server_close()


@pytest.fixture
def feed(claimed, service):
    """The site tells devices of that service."""
    deps = claimed.app.state.deps
    found = PushFeed(
        sender=PushSender(read_key(make_key()), contact=CONTACT, services=(service.host,)),
        catalog=InlineCatalog.over(claimed.catalog),
        warden=claimed.warden,
        clock=claimed.clock,
        may=deps.reads.may,
    )
    claimed.app.state.deps = replace(deps, push=found)
    return found


def look(site, feed) -> int:
    return site.client.portal.call(feed.look)


def test_devices_when_requests_are_filed_and_decided_are_told_in_words_that_name_nobody(ann, ben, feed, service):  # noqa: F811
    site = ann.site
    first, second = Browser(f"http://{service.host}/ann"), Browser(f"http://{service.host}/ben")
    for person, browser in ((ann, first), (ben, second)):
        assert person.post("/me/devices", json=browser.subscription()).status_code == 200
    assert "My phone" in ann.get("/me/devices").text
    assert look(site, feed) == 0, "what waits already is no news"
    request_id = asked(ann)
    assert look(site, feed) == 1
    headers, body = service.got.pop()
    told = second.read(body)
    assert told["path"] == f"/requests/{request_id}"
    assert "waits for your approval" in str(told["text"])
    assert not any(word in json.dumps(told) for word in ("Ada", "gate", "2026-7"))
    with pytest.raises(http_ece.ECEException):
        first.read(body)
    token = headers["authorization"].removeprefix("vapid t=").partition(",")[0]
    point = headers["authorization"].partition("k=")[2]
    assert point == feed.public_key
    public = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(), base64.urlsafe_b64decode(point + "=" * (-len(point) % 4))
    )
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    claims = jwt.decode(token, ECKey.import_key(pem), algorithms=["ES256"]).claims
    assert (claims["aud"], claims["sub"]) == (f"http://{service.host}", CONTACT)
    assert look(site, feed) == 0, "told once"
    assert ben.approve(request_id).status_code == 200
    assert look(site, feed) == 1
    assert "approved" in str(first.read(service.got.pop()[1])["text"])


def test_devices_of_a_rules_roles_are_told_of_an_alarm_if_they_may_see_the_camera(ann, ben, feed, service):  # noqa: F811
    first, second = Browser(f"http://{service.host}/ann"), Browser(f"http://{service.host}/ben")
    for person, browser in ((ann, first), (ben, second)):
        assert person.post("/me/devices", json=browser.subscription()).status_code == 200
    tell = feed.to_roles((Role.SUPERVISOR,))
    with pytest.raises(Unavailable):
        tell({"camera": "gate"})
    told = {"camera": "gate", "text": "Wrong way at the gate: Ada"}

    async def alarm() -> None:
        running = asyncio.create_task(feed.run())
        await asyncio.sleep(0)
        await asyncio.to_thread(tell, told)
        running.cancel()

    ann.site.client.portal.call(alarm)
    (got,) = service.got
    note = second.read(got[1])
    assert (note["path"], note["is_urgent"]) == ("/cameras/gate", True)
    assert "Ada" not in json.dumps(note) and "Wrong" not in json.dumps(note)
    (ben_account,) = [one for one in ann.site.catalog.accounts() if Role.SUPERVISOR in one.roles]
    elsewhere = CameraScope(is_all=False, camera_ids=frozenset({CameraId("yard")}))
    ann.site.catalog.put_account(replace(ben_account, cameras=elsewhere))
    ann.site.client.portal.call(alarm)
    assert len(service.got) == 1


def test_device_that_is_gone_is_forgotten_and_one_whose_service_fails_is_kept(ann, feed, service):  # noqa: F811
    browser = Browser(f"http://{service.host}/x")
    device_id = ann.post("/me/devices", json=browser.subscription()).json()["device_id"]
    assert ann.post(f"/me/devices/{device_id}/try").status_code == 200
    assert browser.read(service.got.pop()[1])["tag"] == "trial"
    service.status = 503
    assert ann.post(f"/me/devices/{device_id}/try").status_code == 503
    assert len(ann.site.catalog.push_devices()) == 1
    service.status = 410
    assert ann.post(f"/me/devices/{device_id}/try").status_code == 404
    assert ann.site.catalog.push_devices() == []
    log = ann.site.warden.log
    changes = [one.record for one in log.read(0, log.size) if one.record.kind is AuditKind.CREDENTIAL_CHANGED]
    assert changes[-1].details["what"] == "device My phone"


def test_devices_are_ones_own_and_few_and_a_browser_is_one(ann, ben, feed, service):  # noqa: F811
    browser = Browser(f"http://{service.host}/shared")
    device_id = ann.post("/me/devices", json=browser.subscription()).json()["device_id"]
    for act in ("remove", "try"):
        assert ben.post(f"/me/devices/{device_id}/{act}").status_code == 404
    assert ben.post("/me/devices", json=browser.subscription()).status_code == 200
    (only,) = ann.site.catalog.push_devices()
    assert only.device_id != device_id, "who sits before the browser last is told"
    for number in range(MAX_DEVICES):
        one = Browser(f"http://{service.host}/{number}")
        assert ann.post("/me/devices", json=one.subscription()).status_code == 200
    assert ann.post("/me/devices", json=Browser(f"http://{service.host}/more").subscription()).status_code == 429
    mine = next(one for one in ann.site.catalog.push_devices() if one.user_id != only.user_id)
    assert ann.post(f"/me/devices/{mine.device_id}/remove").status_code == 303
    assert mine not in ann.site.catalog.push_devices()


def test_device_when_made_up_is_refused(ann, feed, service):  # noqa: F811
    good = Browser(f"http://{service.host}/x").subscription()
    for wrong in (
        {"endpoint": "http://192.0.2.1/x"},
        {"endpoint": "file:///etc/passwd"},
        {"endpoint": f"http://someone@{service.host}/x"},
        {"endpoint": "x" * 2000},
        {"endpoint": ""},
        {"keys": None},
        {"keys": {"p256dh": "AAAA", "auth": "AAAA"}},
        {"keys": {"p256dh": text_of(b"\4" + bytes(64)), "auth": text_of(bytes(16))}},
        {"keys": {"p256dh": "ä", "auth": "%"}},
    ):
        answer = ann.post("/me/devices", json={**good, **wrong})
        assert answer.status_code == 400, (wrong, answer.text)
    assert service.got == []


@pytest.mark.parametrize(
    ("endpoint", "is_served"),
    [
        ("https://push.example/a", True),
        ("https://push.example:443/a", True),
        ("https://eu.wide.example/a", True),
        ("https://wide.example/a", False),
        ("https://push.example:8443/a", False),
        ("https://push.example.evil.test/a", False),
        ("https://evilwide.example/a", False),
        ("http://push.example/a", False),
        ("https://user@push.example/a", False),
        ("http://10.0.0.1:9/a", False),
        ("https://[::1/a", False),
    ],
)
def test_sender_when_asked_for_an_address_takes_those_of_its_services_alone(endpoint, is_served):
    browser = Browser(endpoint)
    sender = PushSender(
        read_key(make_key()), contact=CONTACT, services=("push.example", ".wide.example", "10.0.0.1:9")
    )
    device = PushDevice(
        device_id="d", user_id="u", name="n", endpoint=endpoint, p256dh=browser.point, auth=browser.auth,
        created_ns=NS_PER_S,
    )  # fmt: skip
    if is_served:
        sender.check(device)
    else:
        with pytest.raises(InvalidArgument, match="push service"):
            sender.check(device)


def test_key_when_it_is_none_is_said():
    with pytest.raises(KeyMissing, match="cannot be read"):
        read_key(b"rubbish")


def test_site_when_push_is_configured_makes_its_key_once_and_without_it_tells_nobody(claimed, tmp_path):
    paths = SitePaths(tmp_path)
    rest = (paths, InlineCatalog.over(claimed.catalog), claimed.warden, claimed.clock)
    assert open_push(SiteConfig(data_dir=tmp_path), *rest) is None
    assert not paths.push_key.exists()
    config = SiteConfig.model_validate({"data_dir": tmp_path, "push": {"contact": CONTACT}})
    first, second = open_push(config, *rest), open_push(config, *rest)
    assert first is not None and second is not None and first.public_key == second.public_key
    assert paths.push_key.stat().st_mode & 0o777 == 0o600
    paths.push_key.write_bytes(b"rubbish")
    assert open_push(config, *rest) is None, "the rest of the site goes on"


def test_page_when_the_site_tells_no_devices_says_how(ann):  # noqa: F811
    assert "push:" in ann.get("/me/devices").text
    assert ann.post("/me/devices", json={"endpoint": "x"}).status_code == 409
