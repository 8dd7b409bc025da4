"""Network cameras: RTSP over TCP or UDP, and HTTP streams. Credentials exist only in the URL handed to FFmpeg."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from custodes.adapters.camera.source import DemuxedCamera
from custodes.errors import CameraUnauthorized
from custodes.media.demux import Demuxer
from custodes.ports.clock import Clock
from custodes.types.message import CameraSpec

OPEN_TIMEOUT_S = 10.0
MAX_SECRET_BYTES = 1024

_NETWORK_PROTOCOLS = "rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy,crypto"
_NETWORK_FORMATS = "rtsp,sdp,rtp,mpegts,mpjpeg,mjpeg,jpeg_pipe,h264,hevc,mov,mp4,matroska,webm,flv,m4v"
"""No playlist format: a hostile one makes FFmpeg open other addresses and files."""


def network_camera(
    spec: CameraSpec, clock: Clock, *, read_timeout_s: float, environ: Mapping[str, str]
) -> DemuxedCamera:
    """A source for rtsp(s) and http(s). Connects on `open`. Raises: CameraUnauthorized for a missing secret."""
    url = url_with_credentials(spec, environ)

    def connect() -> Demuxer:
        try:
            return Demuxer(
                url,
                where=spec.url,
                options=_options(spec, read_timeout_s),
                open_timeout_s=OPEN_TIMEOUT_S,
                read_timeout_s=read_timeout_s,
            )
        except CameraUnauthorized:
            if spec.username:
                raise
        raise CameraUnauthorized(f"{spec.url} wants a user name and a password; none is configured")

    return DemuxedCamera(camera_id=spec.camera_id, where=spec.url, clock=clock, connect=connect)


def url_with_credentials(spec: CameraSpec, environ: Mapping[str, str]) -> str:
    """The URL for FFmpeg. Never log it."""
    if not spec.username:
        return spec.url
    parts = urlsplit(spec.url)
    secret = resolve_secret(spec, environ)
    login = quote(spec.username, safe="") + (f":{quote(secret, safe='')}" if secret else "")
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))


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


def _options(spec: CameraSpec, read_timeout_s: float) -> dict[str, str]:
    options = {"protocol_whitelist": _NETWORK_PROTOCOLS, "format_whitelist": _NETWORK_FORMATS}
    if spec.url.startswith("rtsp"):
        options |= {
            "rtsp_transport": spec.transport,
            # Both this and PyAV's own interrupt: either alone was seen to hang (PyAV #1112).
            "timeout": str(int(max(read_timeout_s, OPEN_TIMEOUT_S) * 1_000_000)),
            # Default is 5 s; cameras announce their parameters in SDP or with the first keyframe.
            "analyzeduration": "1500000",
        }
    else:
        options |= {"rw_timeout": str(int(read_timeout_s * 1_000_000))}
    return options
