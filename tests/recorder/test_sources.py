"""Camera sources on files and broken servers: the contract, and one clear error for each kind of bad input."""

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from custodes.adapters.camera import open_camera
from custodes.adapters.camera.http_post import Login
from custodes.adapters.camera.rtsp import resolve_secret, url_with_credentials
from custodes.errors import (
    CameraChanged,
    CameraEnded,
    CameraError,
    CameraGarbage,
    CameraNoVideo,
    CameraStalled,
    CameraUnauthorized,
    CameraUnreachable,
)
from custodes.media.demux import Demuxer
from custodes.ports.camera import CameraSource
from custodes.runtime.clock import SystemClock
from custodes.testing.camera import CameraSourceSuite, FastClock, file_spec, write_clip, write_tone
from custodes.testing.tcp import tcp_server
from custodes.types.media import Packet, StreamInfo
from custodes.types.message import CameraSpec
from custodes.units import CameraId

SHARED = Path(os.environ.get("CUSTODES_SHARED", Path(__file__).parents[3] / "shared"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "walk.mp4")


def file_source(path: Path, *, is_looped: bool = False) -> CameraSource:
    clock = FastClock()
    return open_camera(file_spec(path, is_looped=is_looped), clock, wait=clock.wait)


def play(source: CameraSource) -> tuple[list[tuple[StreamInfo, list[Packet]]], CameraError]:
    """All runs until the source ends, and why it did."""
    runs: list[tuple[StreamInfo, list[Packet]]] = []
    try:
        while True:
            runs.append((source.open(), []))
            try:
                for item in source.packets():
                    runs[-1][1].append(item)
            except CameraChanged:
                continue
    except CameraError as error:
        return runs, error
    finally:
        source.close()


def network_spec(url: str, **changes: str) -> CameraSpec:
    spec = CameraSpec(
        camera_id=CameraId("cam"),
        name="cam",
        url=url,
        username="",
        password_ref="",
        transport="tcp",
        is_enabled=True,
        is_looped=False,
    )
    return replace(spec, **changes)  # type: ignore[arg-type]


class TestFileCamera(CameraSourceSuite):
    @pytest.fixture(autouse=True)
    def _source(self, clip: Path) -> None:
        self.make_source: Callable[[], CameraSource] = lambda: file_source(clip)


class TestRawFileCamera(CameraSourceSuite):
    @pytest.fixture(autouse=True)
    def _source(self, tmp_path: Path) -> None:
        path = write_clip(tmp_path / "walk.h264")
        self.make_source: Callable[[], CameraSource] = lambda: file_source(path)


@pytest.mark.parametrize("name", ["walk.mp4", "walk.h264", "walk.hevc", "walk.avi"])
def test_packets_when_the_file_is_looped_then_time_goes_on_over_the_seam(name: str, tmp_path: Path) -> None:
    codec, pix_fmt = ("mjpeg", "yuvj420p") if name.endswith("avi") else ("libx264", "yuv420p")
    codec = "libx265" if name.endswith("hevc") else codec
    source = file_source(write_clip(tmp_path / name, frames=10, codec=codec, pix_fmt=pix_fmt), is_looped=True)
    info, seen = source.open(), []
    for item in source.packets():
        seen.append(item)
        if len(seen) == 35:
            break
    source.close()
    steps = {round((b.pts - a.pts) * info.time_base_num / info.time_base_den * 10, 2) for a, b in pairwise(seen)}
    assert steps == {1.0}
    assert seen[30].payload == seen[0].payload
    assert {round((b.utc_ns - a.utc_ns) / 1e9 * 10, 2) for a, b in pairwise(seen)} == {1.0}


def test_packets_when_the_resolution_changes_then_a_new_run_goes_on_without_loss(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "a.h264", frames=10).read_bytes()
    large = write_clip(tmp_path / "b.h264", frames=10, size=(640, 480)).read_bytes()
    path = tmp_path / "both.h264"
    path.write_bytes(small + large + small)
    runs, error = play(file_source(path))
    assert type(error) is CameraEnded
    assert [(info.width_px, info.height_px, len(packets)) for info, packets in runs] == [
        (320, 240, 10),
        (640, 480, 10),
        (320, 240, 10),
    ]
    assert len({info.run for info, _ in runs}) == 3
    assert all(packets[0].is_keyframe and packets[0].seq == 0 for _, packets in runs)


def hostile_files(folder: Path) -> dict[str, tuple[bytes, type[CameraError]]]:
    whole = write_clip(folder / "whole.mp4").read_bytes()
    raw = write_clip(folder / "whole.h264").read_bytes()
    return {
        "empty": (b"", CameraGarbage),
        "text": (b"no video, only words\n" * 100, CameraGarbage),
        "random": (bytes(range(7, 256, 3)) * 500, CameraGarbage),
        "moov cut off": (whole[: len(whole) // 2], CameraGarbage),
        "playlist": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", CameraGarbage),
        "concat script": (b"ffconcat version 1.0\nfile whole.mp4\n", CameraGarbage),
        "raw without a keyframe": (raw[raw.index(b"\x00\x00\x00\x01\x41") :][:2000], CameraError),  # type: ignore[dict-item]
        "raw, cut": (raw[: len(raw) // 2], CameraEnded),
    }


def test_play_when_the_file_is_hostile_then_one_clear_error_without_the_path_s_folder(tmp_path: Path) -> None:
    for name, (content, expected) in hostile_files(tmp_path).items():
        path = tmp_path / f"{name}.bin"
        path.write_bytes(content)
        _, error = play(file_source(path))
        assert isinstance(error, expected), name
        assert str(error).startswith(path.name), name
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda folder: folder / "absent.mp4", CameraUnreachable),
        (lambda folder: folder, CameraGarbage),
        (lambda folder: write_tone(folder / "tone.mp4"), CameraNoVideo),
        (lambda folder: write_clip(folder / "a.avi", codec="msmpeg4v3"), CameraGarbage),
        (lambda folder: Path("/dev/zero"), CameraGarbage),
    ],
    ids=["absent", "directory", "audio only", "codec MP4 cannot carry", "device"],
)
def test_open_when_the_file_cannot_be_a_camera_then_says_so(
    make: Callable[[Path], Path], expected: type[CameraError], tmp_path: Path
) -> None:
    with pytest.raises(expected):
        file_source(make(tmp_path)).open()


@pytest.mark.skipif(not (SHARED / "data" / "corrupt").is_dir(), reason="shared footage is not on this machine")
def test_play_when_the_shared_corrupt_clips_come_then_only_camera_errors() -> None:
    folder = SHARED / "data" / "corrupt"
    played = 0
    for path in sorted([*(folder / "openh264").iterdir(), *(folder / "mp4parse").iterdir()]):
        runs, error = play(file_source(path))
        assert isinstance(error, CameraError), path.name
        played += sum(len(packets) for _, packets in runs)
    assert played > 2000


def try_open(spec: CameraSpec, *, stall_s: float = 1.0, env: dict[str, str] | None = None) -> CameraError:
    source = open_camera(spec, SystemClock(), stall_s=stall_s, environ=env or {})
    with pytest.raises(CameraError) as caught:
        source.open()
    source.close()
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    return caught.value


def test_open_when_nothing_listens_then_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    error = try_open(network_spec(f"rtsp://127.0.0.1:{port}/x"))
    assert type(error) is CameraUnreachable
    assert "nothing listens" in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        b"\x00\xff" * 5000,
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>",
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 99999999999\r\n\r\n",
        b"",
    ],
    ids=["binary", "web page", "endless body", "closes"],
)
@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_open_when_the_server_sends_garbage_then_a_camera_error(answer: bytes, scheme: str) -> None:
    def reply(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)

    with tcp_server(reply) as port:
        error = try_open(network_spec(f"{scheme}://127.0.0.1:{port}/x"))
    assert isinstance(error, CameraGarbage | CameraUnreachable)
    assert str(error).startswith(f"{scheme}://127.0.0.1:{port}/x")


def test_open_when_a_password_is_wrong_then_unauthorized_and_neither_name_nor_password_in_the_words() -> None:
    def refuse(connection: socket.socket) -> None:
        while request := connection.recv(4096).decode():
            number = next(line for line in request.splitlines() if line.startswith("CSeq"))
            if request.startswith("OPTIONS"):
                reply = f"RTSP/1.0 200 OK\r\n{number}\r\nPublic: DESCRIBE\r\n\r\n"
            else:
                reply = f'RTSP/1.0 401 Unauthorized\r\n{number}\r\nWWW-Authenticate: Basic realm="cam"\r\n\r\n'
            connection.sendall(reply.encode())

    with tcp_server(refuse) as port:
        spec = network_spec(f"rtsp://127.0.0.1:{port}/x", username="bob", password_ref="env:CAM_PASSWORD")
        error = try_open(spec, env={"CAM_PASSWORD": "s3cret"})
    assert type(error) is CameraUnauthorized
    assert "s3cret" not in repr(error) and "bob" not in repr(error)
    assert "refuses" in str(error)


def test_open_when_no_password_is_configured_and_one_is_wanted_then_says_that() -> None:
    with tcp_server(lambda peer: peer.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")) as port:
        error = try_open(network_spec(f"http://127.0.0.1:{port}/x"))
    assert type(error) is CameraUnauthorized
    assert "none is configured" in str(error)


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_open_when_the_server_never_answers_then_unreachable(scheme: str) -> None:
    release = threading.Event()
    with tcp_server(lambda _: release.wait(20) and None) as port:
        where = f"{scheme}://127.0.0.1:{port}/x"
        with pytest.raises(CameraUnreachable, match="did not answer"):
            Demuxer(where, where=where, options={"timeout": "300000"}, open_timeout_s=0.3, read_timeout_s=0.3)
        release.set()


def test_credentials_when_they_hold_odd_characters_then_the_url_keeps_its_parts() -> None:
    spec = network_spec("rtsp://camera:554/live?x=1", username="a@b", password_ref="env:P")
    assert (
        url_with_credentials(spec.url, Login(username=spec.username, password=resolve_secret(spec, {"P": "p/w:@?#"})))
        == "rtsp://a%40b:p%2Fw%3A%40%3F%23@camera:554/live?x=1"
    )


@pytest.mark.parametrize("reference", ["env:NOT_SET", "file:/no/such/file", "file:/proc/kmsg-not"])
def test_credentials_when_the_reference_leads_nowhere_then_unauthorized_names_it(reference: str) -> None:
    spec = network_spec("rtsp://camera/x", username="a", password_ref=reference)
    with pytest.raises(CameraUnauthorized, match=reference.partition(":")[2].rpartition("/")[2]):
        open_camera(spec, SystemClock(), environ={})


def test_credentials_when_they_are_in_a_file_then_its_line_end_is_not_part_of_them(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("geheim\n")
    spec = network_spec("rtsp://camera/x", username="a", password_ref=f"file:{tmp_path / 'p'}")
    assert resolve_secret(spec, {}) == "geheim"


def test_packets_when_a_stream_falls_silent_then_stalled(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.h264", frames=30).read_bytes()
    release = threading.Event()

    def stream(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/h264\r\n\r\n" + clip)
        release.wait(20)

    with tcp_server(stream) as port:
        source = open_camera(network_spec(f"http://127.0.0.1:{port}/x"), SystemClock(), stall_s=1.0)
        _, error = play(source)
        release.set()
    assert type(error) is CameraStalled
