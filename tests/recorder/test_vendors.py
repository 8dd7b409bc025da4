"""What cameras of 15 vendors really said, said again by a scripted server: each opens, or gives one clear sentence."""

import os
import re
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import av
import pytest

from custodes.adapters.camera import open_camera
from custodes.errors import CameraChanged, CameraEnded, CameraError, CameraUnauthorized
from custodes.ports.camera import CameraSource
from custodes.runtime.clock import SystemClock
from custodes.testing.camera import file_spec, write_clip
from custodes.testing.rtp import access_units
from custodes.testing.rtsp_script import SDP, Camera, Conversation, Hook, Request, ScriptedServer
from custodes.types.media import Packet, StreamInfo

SHARED = Path(os.environ.get("CUSTODES_SHARED", Path(__file__).parents[3] / "shared"))
CAPTURES = SHARED / "data" / "network" / "rtsp-retina"
needs_captures = pytest.mark.skipif(not CAPTURES.is_dir(), reason="captures are not there")


@dataclass(frozen=True)
class Vendor:
    """Captured files; `payload_type` is the video's in the SDP."""

    describe: str
    setup: str = ""
    play: str = ""
    codec: str = "h264"
    payload_type: int = 96


VENDORS = {
    "Anjvision": Vendor("anjvision_describe", codec="hevc"),
    "Anpviz": Vendor("anpviz_sdp"),
    "Dahua": Vendor("dahua_describe_h264_aac_onvif", "dahua_setup", "dahua_play"),
    "Dahua H.265": Vendor("dahua_describe_h265_pcma", codec="hevc", payload_type=98),
    "Foscam": Vendor("foscam_describe"),
    "Geovision": Vendor("geovision_sdp", payload_type=105),
    "GW main": Vendor("gw_main_describe", "gw_main_setup_video", "gw_main_play"),
    "GW sub": Vendor("gw_sub_describe", "gw_sub_setup", "gw_sub_play"),
    "H264DVR": Vendor("h264dvr_describe", "", "h264dvr_play"),
    "Hikvision": Vendor("hikvision_describe", "hikvision_setup", "hikvision_play"),
    "Hikvision, space in its SSRC": Vendor("hikvision_describe", "hikvision_setup_ssrc_space"),
    "IPCAM": Vendor("ipcam_describe"),
    "Laureii": Vendor("foscam_describe", "", "laureii_play"),
    "Luckfox": Vendor("foscam_describe", "luckfox_rkipc_setup_tcp"),
    "Macrovideo": Vendor("macrovideo_describe"),
    "libavformat, no content type": Vendor("missing_content_type_describe"),
    "Reolink": Vendor("reolink_describe", "reolink_setup", "reolink_play"),
    "Reolink, control first": Vendor("reolink_describe_control_first", "reolink_setup", "reolink_play"),
    "TP-Link": Vendor("tplink_sdp", codec="hevc"),
    "Ubiquiti": Vendor("ubiquiti_sdp", payload_type=97),
    "VStarcam": Vendor("vstarcam_describe"),
    "Wowza": Vendor("bunny_describe", "bunny_setup", "bunny_play", payload_type=97),
    "Wowza, bad rtptime": Vendor("bunny_describe", "bunny_setup", "bad_rtptime", payload_type=97),
}


def replayed(name: str) -> Hook:
    """The captured reply, with this request's number and its own length."""
    raw = (CAPTURES / f"{name}.txt").read_bytes().replace(b"\r\n", b"\n")
    if name.endswith("_sdp"):
        raw = b"RTSP/1.0 200 OK\nCSeq: 0\nContent-Type: application/sdp\nContent-Length: 0\n\n" + raw
    head, _, body = raw.partition(b"\n\n")
    body = body.replace(b"\n", b"\r\n")
    head = re.sub(rb"(?im)^content-length:.*$", b"Content-Length: %d" % len(body), head).replace(b"\n", b"\r\n")

    def answer(conversation: Conversation, request: Request) -> None:
        number = request.headers["cseq"].encode()
        conversation.send(re.sub(rb"(?im)^(cseq): *\d+ *", rb"\1: " + number, head), b"\r\n\r\n", body)

    return answer


def vendor_camera(vendor: Vendor, clips: dict[str, Path]) -> Camera:
    hooks = {"DESCRIBE": vendor.describe, "SETUP": vendor.setup, "PLAY": vendor.play}
    return Camera(
        units=access_units(clips[vendor.codec]),
        codec=vendor.codec,
        payload_type=vendor.payload_type,
        fps=50,
        on={method: replayed(name) for method, name in hooks.items() if name},
    )


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    return {
        "h264": write_clip(folder / "a.h264", frames=20, gop=10),
        "hevc": write_clip(folder / "a.hevc", frames=20, gop=10, codec="libx265"),
    }


def play(script: Camera, *, transport: str = "tcp", packets: int = 12) -> tuple[StreamInfo, list[Packet]]:
    with ScriptedServer(script) as server:
        spec = replace(file_spec(Path("/x")), url=server.url(), transport=transport)
        source = open_camera(spec, SystemClock(), stall_s=5)
        try:
            info, seen = source.open(), []
            for item in source.packets():
                seen.append(item)
                if len(seen) == packets:
                    break
        finally:
            source.close()
    return info, seen


@needs_captures
@pytest.mark.parametrize("name", VENDORS)
def test_camera_when_it_says_what_a_vendor_s_said_then_video_comes_and_nothing_but_video_is_asked_for(
    name: str, clips: dict[str, Path]
) -> None:
    vendor = VENDORS[name]
    script = vendor_camera(vendor, clips)
    info, seen = play(script)
    # Size and parameters are the stream's own, whatever the description says.
    assert (info.codec, info.width_px, info.height_px) == (vendor.codec, 320, 240)
    assert len(seen) == 12
    assert sum(request.method == "SETUP" for request in script.seen) == 1


@needs_captures
def test_camera_when_it_wants_a_login_as_longse_does_then_says_that_none_is_configured() -> None:
    script = Camera(on={"DESCRIBE": replayed("longse_unauthorized"), "OPTIONS": replayed("longse_unauthorized")})
    with pytest.raises(CameraUnauthorized, match="none is configured"):
        play(script)


@pytest.mark.parametrize(
    ("wanted", "changes", "tried"),
    [
        ("tcp", {}, ["tcp"]),
        ("udp", {}, ["udp"]),
        ("tcp", {"refuses": frozenset({"tcp"})}, ["tcp", "udp"]),
        ("udp", {"refuses": frozenset({"udp"})}, ["udp", "tcp"]),
    ],
    ids=["tcp", "udp", "tcp refused", "udp refused"],
)
def test_camera_when_it_refuses_a_transport_then_the_other_one_is_used(
    wanted: str, changes: dict[str, frozenset[str]], tried: list[str], clips: dict[str, Path]
) -> None:
    script = replace(Camera(units=access_units(clips["h264"]), fps=50), **changes)  # type: ignore[arg-type]
    _, seen = play(script, transport=wanted)
    assert len(seen) == 12
    transports = [one.headers["transport"] for one in script.seen if one.method == "SETUP"]
    assert ["tcp" if "/TCP" in transport else "udp" for transport in transports] == tried


def test_camera_when_nothing_comes_over_udp_then_tcp_is_used(
    clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custodes.adapters.camera.rtsp.UDP_TIMEOUT_S", 1.0)
    script = Camera(units=access_units(clips["h264"]), fps=50, drops_udp=True)
    _, seen = play(script, transport="udp")
    assert len(seen) == 12


@pytest.mark.parametrize("every", [7, 31])
def test_camera_when_udp_packets_are_lost_then_recording_goes_on_and_time_stays_right(
    every: int, clips: dict[str, Path]
) -> None:
    script = Camera(units=access_units(clips["h264"]), fps=50, loses_every=every)
    info, seen = play(script, transport="udp", packets=100)
    assert len(seen) == 100
    assert all(after.dts > before.dts for before, after in pairwise(seen))
    assert all(round((b.pts - a.pts) / info.time_base_den * 50, 3) >= 1 for a, b in pairwise(seen))
    whole = {sum(len(unit) + 4 for unit in units) for units in script.units}
    assert any(len(item.payload) not in whole for item in seen)


def test_camera_when_it_changes_its_size_and_later_its_codec_then_new_runs_go_on_without_loss(
    clips: dict[str, Path], tmp_path: Path
) -> None:
    large = access_units(write_clip(tmp_path / "large.h264", frames=20, gop=10, size=(640, 480)))
    small = access_units(clips["h264"])
    cameras = [
        Camera(units=small + large, fps=50, pictures=40),
        Camera(units=access_units(clips["hevc"]), codec="hevc", sdp=SDP.replace("H264", "H265"), fps=50, pictures=20),
    ]
    connections = iter(cameras)
    with ScriptedServer(lambda conversation: next(connections)(conversation)) as server:
        spec = replace(file_spec(Path("/x")), url=server.url())
        told = [run for _ in cameras for run in runs(open_camera(spec, SystemClock(), stall_s=5))]
    assert [(info.codec, info.width_px, count) for info, count in told] == [
        ("h264", 320, 20),
        ("h264", 640, 20),
        ("hevc", 320, 20),
    ]
    assert len({info.run for info, _ in told}) == 3


def runs(source: CameraSource) -> list[tuple[StreamInfo, int]]:
    """Each run until the connection ends, and its packets."""
    told: list[tuple[StreamInfo, int]] = []
    try:
        while True:
            told.append((source.open(), 0))
            try:
                for _ in source.packets():
                    told[-1] = (told[-1][0], told[-1][1] + 1)
            except CameraChanged:
                continue
    except CameraEnded:
        return told
    finally:
        source.close()


def test_camera_when_it_sends_mjpeg_by_http_then_its_pictures_come_as_they_are(tmp_path: Path) -> None:
    with av.open(str(write_clip(tmp_path / "a.avi", frames=10, codec="mjpeg", pix_fmt="yuvj420p"))) as container:
        pictures = [bytes(packet) for packet in container.demux(video=0) if packet.size]

    def script(conversation: Conversation) -> None:
        conversation.request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n")
        for picture in pictures * 20:
            conversation.send(
                b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture), picture, b"\r\n"
            )
            conversation.wait(0.02)

    with ScriptedServer(script) as server:
        source = open_camera(replace(file_spec(Path("/x")), url=server.url("http")), SystemClock(), stall_s=5)
        info, seen = source.open(), []
        for item in source.packets():
            seen.append(item)
            if len(seen) == 15:
                break
        source.close()
    assert (info.codec, info.width_px, info.height_px) == ("mjpeg", 320, 240)
    assert {item.payload for item in seen} <= set(pictures)


@pytest.mark.parametrize("name", ["a.h264", "a.hevc", "a.ts"])
def test_camera_when_it_sends_a_raw_stream_or_mpeg_ts_by_http_then_its_pictures_come_as_they_are(
    name: str, tmp_path: Path
) -> None:
    codec = "libx265" if name.endswith("hevc") else "libx264"
    clip = write_clip(tmp_path / name, frames=60, fps=20, codec=codec)
    with av.open(str(clip)) as container:
        pictures = [bytes(packet) for packet in container.demux(video=0) if packet.size]

    def script(conversation: Conversation) -> None:
        conversation.request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n", clip.read_bytes())

    with ScriptedServer(script) as server:
        source = open_camera(replace(file_spec(Path("/x")), url=server.url("http")), SystemClock(), stall_s=5)
        info, seen = source.open(), []
        with pytest.raises(CameraError):
            for item in source.packets():
                seen.append(item)
        source.close()
    assert (info.codec, info.width_px, info.height_px) == ("hevc" if codec == "libx265" else "h264", 320, 240)
    assert [item.payload for item in seen] == pictures
    assert seen[0].is_keyframe
