"""Bringing cameras in: asking one network, reading other systems' configuration, replacing a device."""

import socket
import threading
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.adapters.camera.discovery import discover_cameras, parse_answer
from custodes.adapters.fleet.frigate import frigate_cameras
from custodes.adapters.fleet.other_systems import read_cameras_of
from custodes.cli import camera_onboarding
from custodes.cli.main import run
from custodes.config.tree import MAX_RETENTION_H, AreaConfig
from custodes.errors import CameraUnreachable, InvalidArgument
from custodes.fleet.knowledge import load_knowledge
from custodes.runtime.clock import SystemClock
from custodes.testing.web import camera_row
from custodes.types.message import CameraTable

ID = uuid.UUID(int=7)
MATCH = """<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Header><RelatesTo>urn:uuid:{id}</RelatesTo>
</e:Header><e:Body><ProbeMatches><ProbeMatch><Scopes>onvif://www.onvif.org/name/HIKVISION%20DS-2CD
onvif://www.onvif.org/hardware/DS-2CD2142FWD-I</Scopes><XAddrs>http://192.0.2.99:8000/onvif/device_service
http://[fe80::1]/onvif/device_service</XAddrs></ProbeMatch></ProbeMatches></e:Body></e:Envelope>"""


def test_answers_within_the_time_are_cameras_at_the_address_they_came_from():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.bind(("127.0.0.1", 0))
        device.settimeout(30)

        def answer():
            probe, sender = device.recvfrom(65_535)
            assert b"NetworkVideoTransmitter" in probe
            device.sendto(b"\xff not xml", sender)
            device.sendto(MATCH.format(id=uuid.UUID(int=8)).encode(), sender)
            device.sendto(MATCH.format(id=ID).encode(), sender)
            device.sendto(MATCH.format(id=ID).encode(), sender)

        thread = threading.Thread(target=answer)
        thread.start()
        found = discover_cameras(
            "127.0.0.1", wait_s=1.0, clock=SystemClock(), group=device.getsockname(), new_id=lambda: ID
        )
        thread.join(30)
    (one,) = found
    assert (one.address, one.url, one.name) == ("127.0.0.1", "onvif://127.0.0.1:8000", "HIKVISION DS-2CD")


def test_a_strange_interface_is_refused():
    with pytest.raises(CameraUnreachable, match=r"203\.0\.113\.7"):
        discover_cameras("203.0.113.7", wait_s=0.1, clock=SystemClock())


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_answer_is_a_camera_or_none(raw):
    parse_answer(raw, "192.0.2.1", ID)
    parse_answer(MATCH.format(id=ID).encode().replace(b"8000", raw), "192.0.2.1", ID)


FRIGATE = """
go2rtc: {streams: {yard: ["rtsp://viewer:s%40crt@192.0.2.8/h264Preview_01_main", "ffmpeg:yard#audio=aac"]}}
cameras:
  Front Door:
    ffmpeg:
      inputs:
        - {path: "rtsp://v:{FRIGATE_RTSP_PASSWORD}@192.0.2.7:554/sub", roles: [detect]}
        - {path: "rtsp://v:{FRIGATE_RTSP_PASSWORD}@192.0.2.7:554/main?x=1", roles: [record]}
  front-door: {enabled: false, ffmpeg: {inputs: [{path: "rtsp://127.0.0.1:8554/yard", roles: [record]}]}}
"""
MEDIAMTX = "paths:\n  lot: {source: 'rtsp://a:b@192.0.2.9:8554/x'}\n  pub: {source: publisher}\n  all_others:\n"
ZONEMINDER = "Id\tName\tPath\tUser\tPass\n1\tHall\trtsp://192.0.2.10/1\tadmin\tp w\n2\tUSB\t/dev/video0\t\t\n"
TABLE = "id;name;url;username;password\ngate;Gate;onvif://192.0.2.11?stream=main;viewer;env:GATE\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            FRIGATE,
            [
                ("front-door", "rtsp://192.0.2.7:554/main?x=1", "v", "", "env:FRIGATE_RTSP_PASSWORD"),
                ("front-door-2", "rtsp://192.0.2.8/h264Preview_01_main", "viewer", "s@crt", ""),
            ],
        ),
        (MEDIAMTX, [("lot", "rtsp://192.0.2.9:8554/x", "a", "b", "")]),
        (ZONEMINDER, [("hall", "rtsp://192.0.2.10/1", "admin", "p w", "")]),
        (TABLE, [("gate", "onvif://192.0.2.11?stream=main", "viewer", "", "env:GATE")]),
    ],
    ids=["frigate", "mediamtx", "zoneminder", "csv"],
)
def test_cameras_of_other_systems(text, wanted):
    found = read_cameras_of(text.encode(), where="f")
    assert [(one.camera_id, one.url, one.username, one.password, one.password_ref) for one in found] == wanted


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "words",
        "cameras: 3",
        "!!python/object/apply:os.system [ls]",
        "cameras: {a: {}}",
        "url\nhttp://[\n",
        "x: &a [*a]",
    ],
)
def test_what_is_no_configuration_is_refused_by_name(text):
    with pytest.raises(InvalidArgument, match="site-f"):
        read_cameras_of(text.encode(), where="site-f")


class Socket:
    """The server's side of two commands: what was put."""

    def __init__(self):
        self.put = []

    def read(self, _socket):
        return CameraTable(cameras=(camera_row("lot", "Lot"),), log_size=0, checkpoint="")

    def take(self, _socket, specs, *, is_exclusive, keeps_rest):
        assert not is_exclusive
        assert keeps_rest
        self.put += specs


@pytest.fixture
def server(monkeypatch, tmp_path):
    found = Socket()
    monkeypatch.setattr(camera_onboarding, "read_cameras", found.read)
    monkeypatch.setattr(camera_onboarding, "put_cameras", found.take)
    (tmp_path / "site.json").write_text("{}")
    return found


def test_import_shows_its_plan_and_adds_only_when_told(server, tmp_path, capsys):
    config = tmp_path / "mediamtx.yml"
    config.write_text(MEDIAMTX.replace("lot:", "yard:"))
    arguments = ["camera", "import", str(config), "--data", str(tmp_path)]
    assert run(arguments) != 0
    assert "--secrets" in capsys.readouterr().err
    arguments += ["--secrets", str(tmp_path / "secrets")]
    assert run(arguments) == 0
    assert "nothing was added" in capsys.readouterr().out
    assert server.put == []
    assert not (tmp_path / "secrets").exists()
    assert run([*arguments, "--yes"]) == 0
    (spec,) = server.put
    assert spec.password_ref == f"file:{tmp_path / 'secrets' / 'yard'}"
    assert (tmp_path / "secrets" / "yard").read_text() == "b"
    assert (tmp_path / "secrets" / "yard").stat().st_mode & 0o777 == 0o600
    assert "b@" not in capsys.readouterr().out


def test_import_leaves_what_is_there_alone(server, tmp_path, capsys):
    config = tmp_path / "m.yml"
    config.write_text(MEDIAMTX)
    assert run(["camera", "import", str(config), "--data", str(tmp_path), "--yes"]) == 0
    assert "there already" in capsys.readouterr().out
    assert server.put == []


def test_quirks_know_a_makers_paths():
    known = load_knowledge()
    stream = known.stream_of("HIKVISION DS-2CD")
    assert stream is not None
    assert stream.main == "/Streaming/Channels/101"
    assert known.stream_of("nobody") is None


FRIGATE_WHOLE = """
record: {enabled: true, retain: {days: 3}}
detect: {width: 640, height: 480}
objects: {mask: "0,0,0.5,0,0.5,0.1"}
cameras:
  lot:
    enabled: false
    ffmpeg: {inputs: [{path: "rtsp://192.0.2.7/main", roles: [record, detect]}]}
    motion: {mask: ["0,0,0.1,0,0.1,0.1"]}
    zones: {drive: {coordinates: "0,0,1,0,1,1"}}
    objects:
      filters:
        person: {mask: ["0,0,320,0,320,240", "words", "0,0,1,0"]}
        dog: {mask: "0,0,1,0,1,1"}
  hall:
    ffmpeg: {inputs: [{path: "rtsp://192.0.2.8/main", roles: [record]}]}
    record: {continuous: {days: 2}, motion: {days: 7}}
    objects: {mask: {glass: {coordinates: "0.1,0.1,0.2,0.1,0.2,0.2"}}}
"""


def test_frigates_masks_retention_and_switch_come_along_and_the_rest_is_said():
    lot, hall = read_cameras_of(FRIGATE_WHOLE.encode(), where="f")
    everywhere = (((0.0, 0.0), (0.5, 0.0), (0.5, 0.1)), ())
    assert lot.masks == (everywhere, (((0.0, 0.0), (0.5, 0.0), (0.5, 0.5)), ("person",)))
    assert (lot.is_enabled, lot.retention_h) == (False, 72.0)
    for words in ("motion masks stay there", "zones stay there", "2 object masks cannot be read"):
        assert words in lot.note
    assert hall.masks == (everywhere, (((0.1, 0.1), (0.2, 0.1), (0.2, 0.2)), ()))
    assert (hall.is_enabled, hall.retention_h, hall.note) == (True, 168.0, "")


def test_frigates_camera_is_added_as_it_was(server, tmp_path, capsys):
    config = tmp_path / "frigate.yml"
    config.write_text(FRIGATE_WHOLE.replace("  lot:", "  lot2:"))
    assert run(["camera", "import", str(config), "--data", str(tmp_path), "--yes"]) == 0
    lot, hall = server.put
    assert "switched off there, and here; kept 72 h; 2 masks" in capsys.readouterr().out
    assert (lot.is_enabled, lot.retention_h) == (False, 72.0)
    assert [(area.is_mask, len(area.classes)) for area in lot.detect_areas] == [(True, 0), (True, 1)]
    assert hall.is_enabled


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**6) | st.floats(allow_nan=True) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["record", "retain", "days", "objects", "mask", "filters", "person", "detect", "zones", "ffmpeg"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(TREES, TREES)
@settings(max_examples=150, deadline=None)
def test_any_frigate_tree_gives_cameras_that_can_be_configured(whole, own):
    top = whole if isinstance(whole, dict) else {}
    for one in frigate_cameras({**top, "cameras": {"a": own}}):
        assert 0 <= one.retention_h <= MAX_RETENTION_H
        for polygon, classes in one.masks:
            AreaConfig(polygon=polygon, classes=classes)
