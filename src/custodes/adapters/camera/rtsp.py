"""Network cameras: RTSP over TCP or UDP, HTTP streams, and ONVIF cameras, which name one of these.

Credentials exist only in the URL handed to FFmpeg.
"""

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from custodes.adapters.camera.http_post import Login
from custodes.adapters.camera.onvif import OnvifCamera
from custodes.adapters.camera.onvif_talk import EXCHANGE_TIMEOUT_S
from custodes.adapters.camera.source import DemuxedCamera
from custodes.errors import CameraGarbage, CameraNoVideo, CameraUnauthorized, CameraUnreachable
from custodes.media.demux import NEVER_DECODED, Demuxer
from custodes.ports.clock import Clock
from custodes.types.message import CameraSpec
from custodes.units import NS_PER_S

OPEN_TIMEOUT_S = 10.0
UDP_TIMEOUT_S = 6.0
"""Where nothing came over UDP until then, a firewall or NAT keeps it away, and TCP is tried."""
TEARDOWN_S = 0.5
CONNECT_BOUND_S = EXCHANGE_TIMEOUT_S + UDP_TIMEOUT_S + 3 * OPEN_TIMEOUT_S + TEARDOWN_S
MAX_SECRET_BYTES = 1024

_NETWORK_PROTOCOLS = "rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy,crypto"
_NETWORK_FORMATS = "rtsp,sdp,rtp,mpegts,mpjpeg,mjpeg,jpeg_pipe,h264,hevc,mov,mp4,matroska,webm,flv,m4v"
"""No playlist format: a hostile one makes FFmpeg open other addresses and files."""

_WHITELISTS = {
    "protocol_whitelist": _NETWORK_PROTOCOLS,
    "format_whitelist": _NETWORK_FORMATS,
    "codec_whitelist": NEVER_DECODED,
}

ONLY_VIDEO = {"allowed_media_types": "video"}
"""Audio is not even asked for. It would also make FFmpeg rewrite pts at each RTCP report."""

PREFER_UDP = {"rtsp_flags": "0"}


def network_camera(
    spec: CameraSpec, clock: Clock, *, read_timeout_s: float, environ: Mapping[str, str]
) -> DemuxedCamera:
    """A source for rtsp(s), http(s) and onvif. Connects on `open`. Raises: CameraUnauthorized for a missing secret."""
    login = Login(username=spec.username, password=resolve_secret(spec, environ) if spec.username else "")
    connection = _Connection(spec, login, clock, read_timeout_s)
    return DemuxedCamera(camera_id=spec.camera_id, where=spec.url, clock=clock, connect=connection.open)


class _Connection:
    """Tries what may lead to video, in order."""

    def __init__(self, spec: CameraSpec, login: Login, clock: Clock, read_timeout_s: float) -> None:
        self._spec = spec
        self._login = login
        self._clock = clock
        self._read_timeout_s = read_timeout_s

    def open(self) -> Demuxer:
        """Raises: CameraError."""
        url = self._spec.url
        if url.startswith("onvif:"):
            url = OnvifCamera(url, login=self._login, clock=self._clock).find_stream()
        try:
            return self._open_rtsp(url) if url.startswith("rtsp") else self._demuxer(url, self._http_options())
        except CameraUnauthorized:
            if self._login.username:
                raise
        raise CameraUnauthorized(f"{self._spec.url} wants a user name and a password; none is configured")

    def _open_rtsp(self, url: str) -> Demuxer:
        opened = self._open_udp(url) if self._spec.transport == "udp" else None
        if opened is not None:
            return opened
        try:
            return self._demuxer(url, self._rtsp_options() | ONLY_VIDEO)
        except CameraGarbage:
            pass  # FFmpeg's word for an answer without video, too: asked for all, it tells the two apart
        with contextlib.suppress(CameraUnreachable):
            return self._demuxer(url, self._rtsp_options())
        # A server still ending the first session may refuse the next (GStreamer's does, with 503).
        time.sleep(TEARDOWN_S)
        return self._demuxer(url, self._rtsp_options())

    def _open_udp(self, url: str) -> Demuxer | None:
        """None for silence, which is most often a firewall's: TCP tells whether it is the camera's."""
        end_ns = self._clock.monotonic_ns() + int(UDP_TIMEOUT_S * NS_PER_S)
        try:
            opened = self._demuxer(url, self._rtsp_options() | PREFER_UDP | ONLY_VIDEO, UDP_TIMEOUT_S)
        except (CameraUnreachable, CameraNoVideo):
            return None
        if self._clock.monotonic_ns() < end_ns:
            return opened
        opened.close()  # FFmpeg opens a stream of which nothing came, too, when its time is over
        return None

    def _demuxer(self, url: str, options: Mapping[str, str], open_timeout_s: float = 0.0) -> Demuxer:
        return Demuxer(
            url_with_credentials(url, self._login),
            where=self._spec.url,
            options=options,
            open_timeout_s=open_timeout_s or OPEN_TIMEOUT_S,
            read_timeout_s=self._read_timeout_s,
        )

    def _rtsp_options(self) -> dict[str, str]:
        return {
            **_WHITELISTS,
            # The other one when the camera refuses the first with 461.
            "rtsp_transport": "udp+tcp",
            "rtsp_flags": "prefer_tcp",
            # Both this and PyAV's own interrupt: either alone was seen to hang (PyAV #1112).
            "timeout": str(int(max(self._read_timeout_s, OPEN_TIMEOUT_S) * 1_000_000)),
            # Default is 5 s; cameras announce their parameters in SDP or with the first keyframe.
            "analyzeduration": "1500000",
        }

    def _http_options(self) -> dict[str, str]:
        return {
            **_WHITELISTS,
            "rw_timeout": str(int(self._read_timeout_s * 1_000_000)),
        }


def url_with_credentials(url: str, login: Login) -> str:
    """The URL for FFmpeg. Never log it."""
    if not login.username:
        return url
    parts = urlsplit(url)
    user = quote(login.username, safe="") + (f":{quote(login.password, safe='')}" if login.password else "")
    return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}"))


def resolve_secret(spec: CameraSpec, environ: Mapping[str, str]) -> str:
    """The password that `password_ref` points at. Raises: CameraUnauthorized naming the reference, not the value."""
    kind, _, name = spec.password_ref.partition(":")
    if not kind:
        return ""
    if kind == "env":
        if name not in environ:
            raise CameraUnauthorized(f"password of camera {spec.camera_id}: environment variable {name} is not set")
        return environ[name]
    try:
        with Path(name).open("rb") as stream:
            raw = stream.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "unreadable"
        raise CameraUnauthorized(f"password of camera {spec.camera_id}: {name}: {reason.lower()}") from error
    if len(raw) > MAX_SECRET_BYTES:
        raise CameraUnauthorized(f"password of camera {spec.camera_id}: {name} is not a password file")
    return raw.decode("utf-8", errors="replace").strip("\r\n")
