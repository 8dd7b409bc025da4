"""ONVIF cameras: from an address to a stream, with logins, wrong clocks, real captures and hostile answers."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from custodes.adapters.camera import open_camera, soap
from custodes.adapters.camera.http_post import Deadline, Login, digest_line, post
from custodes.adapters.camera.onvif import OnvifCamera, choose
from custodes.errors import CameraError, CameraGarbage, CameraNoVideo, CameraUnauthorized, CameraUnreachable
from custodes.runtime.clock import SystemClock
from custodes.testing.camera import file_spec, write_clip
from custodes.testing.onvif import ENVELOPE, OnvifServer, answers
from custodes.testing.rtsp import RtspServer, prepare_clip
from custodes.testing.tcp import tcp_server
from custodes.units import NS_PER_S

SHARED = Path(os.environ.get("CUSTODES_SHARED", Path(__file__).parents[3] / "shared")) / "data"
NOBODY = Login(username="", password="")
BOB = Login(username="bob", password="geh:<eim>&")
needs_captures = pytest.mark.skipif(not SHARED.is_dir(), reason="captures are not there")


def find(server: OnvifServer, *, login: Login = NOBODY, query: str = "", path: str = "") -> str:
    url = f"onvif://127.0.0.1:{server.port}{path}{query}"
    return OnvifCamera(url, login=login, clock=SystemClock()).find_stream()


@pytest.mark.parametrize("media2", [False, True], ids=["profile S", "profile T"])
@pytest.mark.parametrize(
    ("query", "expected"),
    [("", "/main"), ("?stream=main", "/main"), ("?stream=sub", "/sub"), ("?profile=sub", "/sub")],
)
def test_stream_when_asked_for_then_the_right_profile_s_on_the_configured_host(
    media2: bool, query: str, expected: str
) -> None:
    with OnvifServer(answers=answers(port=8554, media2=media2)) as server:
        assert find(server, query=query) == f"rtsp://127.0.0.1:8554{expected}"
        assert [one.partition(" ")[0] for one in server.seen] == [
            "GetSystemDateAndTime",
            "GetServices",
            "GetProfiles",
            "GetStreamUri",
        ]


@pytest.mark.parametrize("auth", ["wsse", "MD5", "SHA-256"])
def test_login_when_right_and_the_camera_s_clock_is_24_years_behind_then_in_and_no_password_travels(auth: str) -> None:
    with OnvifServer(answers=answers(port=1554), login=("bob", BOB.password), auth=auth) as server:
        assert find(server, login=BOB) == "rtsp://127.0.0.1:1554/main"
        assert all(b"geh:" not in request for request in server.requests)


@pytest.mark.parametrize("auth", ["wsse", "MD5"])
def test_time_when_it_wants_a_login_even_for_that_then_ours_and_the_stream_all_the_same(auth: str) -> None:
    told = answers(port=1554)
    with OnvifServer(answers=told, login=("bob", BOB.password), auth=auth, is_time_shut=True, clock="ours") as server:
        assert find(server, login=BOB) == "rtsp://127.0.0.1:1554/main"
        assert b"uthorization" not in server.requests[0]
        assert b"UsernameToken" not in server.requests[0]


@pytest.mark.parametrize("auth", ["wsse", "MD5"])
@pytest.mark.parametrize("login", [NOBODY, replace(BOB, password="falsch")], ids=["none", "wrong"])
def test_login_when_missing_or_wrong_then_unauthorized_without_the_password(auth: str, login: Login) -> None:
    with OnvifServer(answers=answers(port=1554), login=("bob", BOB.password), auth=auth) as server:
        with pytest.raises(CameraUnauthorized) as caught:
            find(server, login=login)
        assert "falsch" not in str(caught.value)
        assert len(server.seen) <= 4  # cameras lock accounts


def test_login_when_only_basic_is_offered_then_refused_and_nothing_secret_was_sent() -> None:
    sent: list[bytes] = []
    reply = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
    with raw_server(reply, sent) as port, pytest.raises(CameraUnauthorized, match="keeps the password secret"):
        ask(port, login=BOB)
    assert all(b"uthorization" not in request for request in sent)


def test_digest_when_computed_then_as_in_rfc_2617_s_form() -> None:
    given = {"realm": "r", "nonce": "n", "opaque": "o"}
    line = digest_line(given, "/p", Login(username="u", password="p"), cnonce="")
    # echo -n u:r:p | md5sum; echo -n POST:/p | md5sum; echo -n HA1:n:HA2 | md5sum
    assert 'response="1440be4ce0611fffa07157c02ad703a5"' in line
    assert line.endswith('opaque="o"\r\n')


@needs_captures
def test_stream_when_the_answers_are_a_bosch_camera_s_then_found() -> None:
    folder = SHARED / "network" / "onvif-bosch-capture"
    captured = {path.name: path.read_bytes() for path in folder.glob("*_response.xml")}
    replies = {
        "GetSystemDateAndTime": captured["capture_002_response.xml"],
        "GetCapabilities": captured["capture_003_response.xml"],
        "GetProfiles": captured["capture_005_response.xml"],
        "GetStreamUri": captured["capture_006_response.xml"],
    }
    with OnvifServer(answers=replies) as server:
        assert find(server) == "rtsp://127.0.0.1:554/rtsp_tunnel?p=0&line=1&inst=1&vcd=2"
        assert server.seen[1:3] == ["GetServices /onvif/device_service", "GetCapabilities /onvif/device_service"]
        assert server.seen[3] == "GetProfiles /onvif/media_service"


@needs_captures
def test_stream_when_the_answers_are_a_gsoap_camera_s_then_found() -> None:
    folder = SHARED / "network" / "onvif-mock-npm"
    names = ("GetSystemDateAndTime", "GetServices", "GetProfiles", "GetStreamUri")
    with OnvifServer(answers={name: (folder / f"{name}.xml").read_bytes() for name in names}) as server:
        assert find(server, path="/onvif/services") == "rtsp://127.0.0.1:554/h264main"


@needs_captures
@pytest.mark.parametrize("folder", ["network/onvif-mock-npm", "corrupt/soap", "network/onvif-bosch-capture"])
def test_parse_when_fed_every_captured_answer_as_any_operation_then_only_camera_errors(folder: str) -> None:
    for path in sorted((SHARED / folder).glob("*.xml")):
        for operation in ("GetServices", "GetProfiles", "GetStreamUri", "GetSystemDateAndTime", "GetCapabilities"):
            try:
                read_all(path.read_bytes(), operation)
            except CameraError as error:
                assert len(str(error)) < 300


def read_all(answer: bytes, operation: str) -> None:
    content = soap.parse(answer, where="cam", operation=operation)
    soap.time_of(content), soap.services_of(content), soap.profiles_of(content)
    soap.uri_of(content, where="cam")


def body(inner: str) -> bytes:
    return ENVELOPE.format(body=inner).encode()


HOSTILE = {
    "empty": b"",
    "html": b"<html><body>login</body></html>",
    "entity bomb": b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]>'
    + body("<GetServicesResponse>&c;</GetServicesResponse>"),
    "external entity": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + body("<a>&x;</a>"),
    "dtd alone": b'<!DOCTYPE a SYSTEM "http://192.0.2.1/x.dtd">' + body("<GetServicesResponse/>"),
    "utf-16 claimed": b'<?xml version="1.0" encoding="utf-16"?>' + body("<a/>")[21:],
    "unknown encoding": b'<?xml version="1.0" encoding="ebcdic-x"?><a/>',
    "deep": body("<GetServicesResponse>" + "<a>" * 50_000 + "</a>" * 50_000 + "</GetServicesResponse>"),
    "cut": body("<GetServicesResponse/>")[:-30],
    "no body": b'<e:Envelope xmlns:e="x"><e:Header/></e:Envelope>',
    "empty body": body(""),
    "comment for a body": body("<!-- -->"),
    "another message": body("<GetProfilesResponse/>"),
    "fault with control characters": body(
        "<Fault><Reason><Text>x\t\n" + "\u202e" * 9 + "A" * 9999 + "</Text></Reason></Fault>"
    ),
    "nul": b"\0" * 1000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_parse_when_the_answer_is_hostile_then_garbage_in_one_clean_sentence(name: str) -> None:
    with pytest.raises(CameraGarbage) as caught:
        soap.parse(HOSTILE[name], where="cam", operation="GetServices")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "uri",
    ["", "rtsp://192.0.2.1/" + "a" * 3000, "rtsp://h/\x7f", "file:///etc/passwd", "concat:/etc/passwd", "rtsp://[::1/x",
     "rtsp://h:99999/x", "rtsp://h/a b", "rtsp://h/ä", "tcp://192.0.2.1:22"],
)  # fmt: skip
def test_stream_when_the_camera_names_no_usable_address_then_garbage(uri: str) -> None:
    replies = answers(port=1)
    replies["GetStreamUri main"] = body(
        f"<GetStreamUriResponse><MediaUri><Uri>{uri}</Uri></MediaUri></GetStreamUriResponse>"
    )
    with OnvifServer(answers=replies) as server, pytest.raises(CameraGarbage):
        find(server)


def test_stream_when_the_camera_names_credentials_and_another_host_then_neither_is_used() -> None:
    replies = answers(port=1)
    uri = "rtsp://admin:admin@169.254.169.254:99/x?a=1"
    replies["GetStreamUri main"] = body(f"<GetStreamUriResponse><Uri>{uri}</Uri></GetStreamUriResponse>")
    with OnvifServer(answers=replies) as server:
        assert find(server) == "rtsp://127.0.0.1:99/x?a=1"


@pytest.mark.parametrize("wanted", [{}, {"profile": "nine"}])
def test_choose_when_there_is_no_such_profile_then_no_video(wanted: dict[str, str]) -> None:
    with pytest.raises(CameraNoVideo):
        choose(
            [] if not wanted else [soap.Profile(token="a", encoding="", width_px=1, height_px=1)], wanted, where="c"
        )


def test_profiles_when_there_are_a_thousand_then_bounded() -> None:
    many = '<Profiles token="a"><VideoEncoderConfiguration/></Profiles>' * 1000
    content = soap.parse(
        body(f"<GetProfilesResponse>{many}</GetProfilesResponse>"), where="c", operation="GetProfiles"
    )
    assert len(soap.profiles_of(content)) == soap.MAX_PROFILES


@contextmanager
def raw_server(reply: bytes, sent: list[bytes], *, drip: bool = False) -> Iterator[int]:
    """Accepts connections until the end; with `drip` a byte every 50 ms for ever."""
    stopping = threading.Event()

    def answer(connection: socket.socket) -> None:
        sent.append(connection.recv(65_536))
        connection.sendall(reply)
        while drip and not stopping.wait(0.05):
            connection.sendall(b"x")

    with tcp_server(answer) as port:
        try:
            yield port
        finally:
            stopping.set()


def ask(port: int, *, login: Login = NOBODY, seconds: float = 20.0) -> bytes:
    clock = SystemClock()
    deadline = Deadline(monotonic_ns=clock.monotonic_ns, end_ns=clock.monotonic_ns() + int(seconds * NS_PER_S))
    return post("127.0.0.1", port, "/x", b"<a/>", login=login, deadline=deadline, where="cam")


@pytest.mark.parametrize(
    ("reply", "drip", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", True, CameraUnreachable),
        (b"HTTP/1.1 200 OK\r\nX: ", True, CameraUnreachable),
        (b"", True, CameraUnreachable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx", False, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", False, None),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n", False, CameraGarbage),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", False, CameraGarbage),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", False, CameraGarbage),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (1 << 20) + b"xx", False, CameraGarbage),
        (b"RTSP/1.0 200 OK\r\n\r\n", False, CameraGarbage),
        (b"HTTP/1.1 302 Go\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n", False, CameraGarbage),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", False, CameraUnreachable),
        (b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest nonce="a\r\n\r\n', False, CameraUnauthorized),
        (b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=x\r\n\r\n", False, CameraUnauthorized),
        (b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest nonce=,qop=,=,,\r\n\r\n", False, CameraUnauthorized),
        (b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest nonce="a", algorithm=ROT13\r\n\r\n', False, CameraUnauthorized),
    ],
)
def test_post_when_the_answer_is_hostile_then_one_camera_error_in_time(
    reply: bytes, drip: bool, expected: type[CameraError] | None
) -> None:
    with raw_server(reply, [], drip=drip) as port:
        if expected is None:
            ask(port)
            return
        with pytest.raises(expected):
            ask(port, login=BOB, seconds=0.5 if drip else 20.0)


@pytest.mark.rtsp
def test_source_when_onvif_leads_to_a_real_rtsp_server_with_a_login_then_packets_come(tmp_path: Path) -> None:
    clip = prepare_clip(write_clip(tmp_path / "a.mp4"), tmp_path / "a.h264")
    with (
        RtspServer({"main": clip}, login="bob:geheim", is_digest=True) as rtsp,
        OnvifServer(answers=answers(port=rtsp.port), login=("bob", "geheim")) as server,
    ):
        spec = replace(
            file_spec(Path("/x")), url=f"onvif://127.0.0.1:{server.port}", username="bob", password_ref="env:P"
        )
        source = open_camera(spec, SystemClock(), environ={"P": "geheim"})
        info = source.open()
        first = next(iter(source.packets()))
        source.close()
    assert (info.codec, info.width_px, info.height_px) == ("h264", 320, 240)
    assert first.is_keyframe
