"""Asking devices: only the listed, never with a login that is not theirs, bounded whatever they answer."""

import json
import os
import socket
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from custodes.adapters.camera.http_post import Login
from custodes.adapters.fleet.banner import MAX_BODY_BYTES, MAX_HEAD_BYTES, banner_of
from custodes.adapters.fleet.door import ListedDoor
from custodes.adapters.fleet.inventory import read_inventory
from custodes.adapters.fleet.survey import Survey, Target
from custodes.errors import CameraGarbage, CameraUnreachable, InvalidArgument, PermissionDenied
from custodes.runtime.clock import SystemClock
from custodes.testing.onvif import ENVELOPE, OnvifServer, answers
from custodes.testing.tcp import tcp_server

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]
DEVICE = ENVELOPE.format(
    body="<GetDeviceInformationResponse><Manufacturer>HIKVISION</Manufacturer><Model>DS-2CD2142FWD-I</Model>"
    "<FirmwareVersion>V5.4.1 build 160525</FirmwareVersion><SerialNumber>1</SerialNumber><HardwareId>88</HardwareId>"
    "</GetDeviceInformationResponse>"
).encode()
SCOPES = ENVELOPE.format(
    body="<GetScopesResponse><Scopes><ScopeItem>onvif://www.onvif.org/name/HIKVISION</ScopeItem></Scopes>"
    "</GetScopesResponse>"
).encode()


def survey(**more):
    door = more.pop("door", ListedDoor([HOST]))
    return Survey(door=door, clock=SystemClock(), pause=lambda: None, **more)


def target(**ports):
    closed = {"http_port": 9, "rtsp_port": 9, "https_port": 9}
    return Target(device_id="gate", name="Gate", host=HOST, **{**closed, **ports})


def look(one, **more):
    (seen,) = survey(**more).run([one], lambda _: None)
    return seen


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace")
def test_full_audit_sends_nothing_to_others_and_tries_no_login():
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "tests.fleet.in_namespace"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["packets"] > 50, "the capture saw the audit"
    assert found["control"] > 0, "and would have seen a packet that goes elsewhere"
    assert found["targets"] == ["lo 127.0.0.1"]
    assert found["logins"] == 0
    assert found["needs_login"] == [True]
    assert any(one.startswith("GetDeviceInformation") for one in found["asked"])
    assert "App-webs/" in found["servers"]
    assert "IP Camera(1)" in found["realms"]


def test_open_onvif_device_tells_what_it_is():
    told = {**answers(port=554), "GetDeviceInformation": DEVICE, "GetScopes": SCOPES}
    with OnvifServer(answers=told) as camera:
        seen = look(target(http_port=camera.port))
    assert seen.onvif is not None
    assert (seen.onvif.manufacturer, seen.onvif.model) == ("HIKVISION", "DS-2CD2142FWD-I")
    assert seen.onvif.scopes == ("onvif://www.onvif.org/name/HIKVISION",)
    assert not seen.onvif.needs_login
    assert seen.onvif.clock_offset_s is not None
    assert seen.onvif.clock_offset_s < -86400 * 365, "its clock stands in 2001"


def test_own_login_is_used_once_and_only_where_it_is_wanted():
    told = {**answers(port=554), "GetDeviceInformation": DEVICE, "GetScopes": SCOPES}
    with OnvifServer(answers=told, login=("viewer", "right")) as camera:
        seen = look(target(http_port=camera.port, login=Login(username="viewer", password="right")))
        with_token = [one for one in camera.requests if b"UsernameToken" in one]
    assert seen.onvif is not None
    assert seen.onvif.model == "DS-2CD2142FWD-I"
    assert seen.onvif.needs_login
    assert len(with_token) == 2, "device information and scopes"


BOMB = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">%s]><a>&z;</a>' % b"".join(
    b'<!ENTITY c%d "&b;&b;">' % n for n in range(50)
)
XXE = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY z SYSTEM "file:///etc/passwd">]><a>&z;</a>'
DEEP = b"<a>" * 100_000


@pytest.mark.parametrize(
    "body",
    [BOMB, XXE, DEEP, b"", b"\x00" * 1000, b"<Envelope", b"x" * 50_000_000],
    ids=["billion-laughs", "xxe", "deep", "empty", "zeros", "cut", "50-MB"],
)
def test_hostile_soap_is_a_problem_in_words_and_nothing_else(body):
    def answer(sock):
        sock.settimeout(20)
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with tcp_server(answer) as port:
        seen = look(target(http_port=port))
    assert seen.onvif is None
    assert seen.problems
    assert all("root:" not in one and len(one) <= 200 for one in seen.problems)


def test_peer_that_sends_a_byte_now_and_then_ends_at_the_deadline():
    def drip(sock):
        sock.settimeout(20)
        sock.recv(65536)
        while True:
            sock.sendall(b"H")
            time.sleep(0.05)

    with tcp_server(drip) as port:
        seen = look(target(http_port=port), timeout_s=0.3)
    assert seen.onvif is None
    assert seen.banners == ()
    assert any("in time" in one for one in seen.problems)


def test_rtsp_head_and_sdp_are_bounded():
    def endless(sock):
        sock.settimeout(20)
        sock.recv(4096)
        sock.sendall(b"RTSP/1.0 200 OK\r\nX: " + b"x" * (2 * MAX_HEAD_BYTES))

    with tcp_server(endless) as port:
        seen = look(target(rtsp_port=port))
    assert seen.banners == ()

    def long_sdp(sock):
        sock.settimeout(20)
        sock.recv(4096)
        sock.sendall(b"RTSP/1.0 200 OK\r\nServer: Rtsp Server/3.0\r\n\r\n")
        sock.recv(4096)
        sock.sendall(b"RTSP/1.0 200 OK\r\nContent-Length: 90000000\r\n\r\nv=0\r\ns=Media Server\r\n")
        sock.sendall(b"a" * (2 * MAX_BODY_BYTES))

    with tcp_server(long_sdp) as port:
        (banner,) = look(target(rtsp_port=port)).banners
    assert banner.is_open
    assert (banner.server, banner.title) == ("Rtsp Server/3.0", "Media Server")


def test_stored_answer_reads_as_a_live_one():
    raw = b'RTSP/1.0 401 Unauthorized\r\nServer: H264DVR 1.0\r\nWWW-Authenticate: Basic realm="a\x07b"\r\n\r\n'
    banner = banner_of("rtsp", 554, raw)
    assert (banner.status, banner.server, banner.realm, banner.has_basic) == (401, "H264DVR 1.0", "a b", True)
    with pytest.raises(CameraGarbage):
        banner_of("rtsp", 554, b"SSH-2.0-dropbear\r\n\r\n")


def self_signed(folder):
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Hikvision")])
    now = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "camera.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return pem


def test_tls_port_shows_its_certificate_and_what_it_agrees_to(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(self_signed(tmp_path))

    def speak(sock):
        sock.settimeout(20)
        try:
            with context.wrap_socket(sock, server_side=True) as speaking:
                speaking.recv(1)
        except ssl.SSLError:
            return

    with tcp_server(speak) as port:
        (tls,) = look(target(https_port=port)).tls
    assert (tls.key_bits, tls.is_self_signed, tls.subject) == (1024, True, "O=Hikvision")
    assert tls.version == "TLSv1.3"
    assert not tls.is_old_offered
    assert len(tls.sha256) == 64


def test_ports_are_looked_at_only_when_asked(monkeypatch):
    with tcp_server(lambda sock: None) as port:
        monkeypatch.setattr("custodes.adapters.fleet.survey.KNOWN_PORTS", {port: ("x", "low"), 9: ("y", "low")})
        assert look(target()).open_ports is None
        assert look(target(), with_ports=True).open_ports == (port,)


@pytest.mark.parametrize(
    ("host", "error"),
    [
        ("192.0.2.1", PermissionDenied),
        ("8.8.8.8", PermissionDenied),
        ("239.255.255.250", InvalidArgument),
        ("255.255.255.255", InvalidArgument),
        ("0.0.0.0", InvalidArgument),
        ("no-such-host.invalid", CameraUnreachable),
    ],
)
def test_door_refuses(host, error, monkeypatch):
    def unknown(*_args, **_more):
        raise socket.gaierror(-2, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    door = ListedDoor([HOST] if host == "192.0.2.1" else [host])
    with pytest.raises(error):
        door.admit(host)


def test_door_lets_a_public_address_pass_only_when_it_is_the_operators_own():
    assert ListedDoor(["8.8.8.8"], attested=frozenset({"8.8.8.8"})).admit("8.8.8.8") == "8.8.8.8"


def test_inventory_reads_what_it_names():
    rows = list(read_inventory(b"host,id,url,http_port\n10.0.0.7,n1,rtsp://10.0.0.7:8554/a?b=1,8080\n", where="l.csv"))
    assert [(one.host, one.device_id, one.rtsp_port, one.stream_path, one.http_port) for one in rows] == [
        ("10.0.0.7", "n1", 8554, "/a?b=1", 8080)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "name\nx\n",
        "host\n10.0.0.0/24\n",
        "host,id\n10.0.0.1,=cmd\n",
        "host,http_port\n10.0.0.1,99999\n",
        "host,x\na,b\n",
    ],
)
def test_inventory_refuses_what_it_does_not_understand(text):
    with pytest.raises(InvalidArgument, match=r"l\.csv"):
        list(read_inventory(text.encode(), where="l.csv"))
