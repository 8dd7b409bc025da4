"""Network cameras: RTSP over TCP or UDP, HTTP streams, and ONVIF cameras, which name one of these.

Credentials exist only in the URL handed to FFmpeg.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from custodes.adapters.camera.http_post import Login
from custodes.adapters.camera.onvif import EXCHANGE_TIMEOUT_S, OnvifCamera
from custodes.adapters.camera.source import DemuxedCamera
from custodes.errors import CameraGarbage, CameraNoVideo, CameraUnauthorized, CameraUnreachable
from custodes.media.demux import Demuxer
from custodes.ports.clock import Clock
from custodes.types.message import CameraSpec

OPEN_TIMEOUT_S = 10.0
UDP_TIMEOUT_S = 6.0
"""Where nothing came over UDP until then, a firewall or NAT keeps it away, and TCP is tried."""
CONNECT_BOUND_S = EXCHANGE_TIMEOUT_S + UDP_TIMEOUT_S + 2 * OPEN_TIMEOUT_S
MAX_SECRET_BYTES = 1024

_NETWORK_PROTOCOLS = "rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy,crypto"
_NETWORK_FORMATS = "rtsp,sdp,rtp,mpegts,mpjpeg,mjpeg,jpeg_pipe,h264,hevc,mov,mp4,matroska,webm,flv,m4v"
"""No playlist format: a hostile one makes FFmpeg open other addresses and files."""


def network_camera(
    spec: CameraSpec, clock: Clock, *, read_timeout_s: float, environ: Mapping[str, str]
) -> DemuxedCamera:
    """A source for rtsp(s), http(s) and onvif. Connects on `open`. Raises: CameraUnauthorized for a missing secret."""
    login = Login(username=spec.username, password=resolve_secret(spec, environ) if spec.username else "")

    def demuxer(url: str, options: Mapping[str, str], open_timeout_s: float) -> Demuxer:
        return Demuxer(
            url_with_credentials(url, login),
            where=spec.url,
            options=options,
            open_timeout_s=open_timeout_s,
            read_timeout_s=read_timeout_s,
        )

    def connect() -> Demuxer:
        url = spec.url
        if url.startswith("onvif:"):
            url = OnvifCamera(url, login=login, clock=clock).find_stream()
        try:
            if not url.startswith("rtsp"):
                return demuxer(url, _http_options(read_timeout_s), OPEN_TIMEOUT_S)
            if spec.transport == "udp":
                try:
                    return demuxer(url, _rtsp_options(read_timeout_s) | PREFER_UDP | ONLY_VIDEO, UDP_TIMEOUT_S)
                except (CameraUnreachable, CameraNoVideo):
                    pass  # silence over UDP is most often a firewall's; TCP tells whether it is the camera's
            try:
                return demuxer(url, _rtsp_options(read_timeout_s) | ONLY_VIDEO, OPEN_TIMEOUT_S)
            except CameraGarbage:
                pass  # FFmpeg's word for an answer without video, too: asked for all, it tells the two apart
            return demuxer(url, _rtsp_options(read_timeout_s), OPEN_TIMEOUT_S)
        except CameraUnauthorized:
            if spec.username:
                raise
        raise CameraUnauthorized(f"{spec.url} wants a user name and a password; none is configured")

    return DemuxedCamera(camera_id=spec.camera_id, where=spec.url, clock=clock, connect=connect)


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


ONLY_VIDEO = {"allowed_media_types": "video"}
"""Audio is not even asked for. It would also make FFmpeg rewrite pts at each RTCP report."""

PREFER_UDP = {"rtsp_flags": "0"}


def _rtsp_options(read_timeout_s: float) -> dict[str, str]:
    return {
        "protocol_whitelist": _NETWORK_PROTOCOLS,
        "format_whitelist": _NETWORK_FORMATS,
        # The other one when the camera refuses the first with 461.
        "rtsp_transport": "udp+tcp",
        "rtsp_flags": "prefer_tcp",
        # Both this and PyAV's own interrupt: either alone was seen to hang (PyAV #1112).
        "timeout": str(int(max(read_timeout_s, OPEN_TIMEOUT_S) * 1_000_000)),
        # Default is 5 s; cameras announce their parameters in SDP or with the first keyframe.
        "analyzeduration": "1500000",
    }


def _http_options(read_timeout_s: float) -> dict[str, str]:
    return {
        "protocol_whitelist": _NETWORK_PROTOCOLS,
        "format_whitelist": _NETWORK_FORMATS,
        "rw_timeout": str(int(read_timeout_s * 1_000_000)),
    }
