"""Hostile cameras that speak HTTP: MJPEG, raw streams, playlists, and ONVIF answers. See `hostile`."""

import zlib

from custodes.testing.hostile import (
    ENDED,
    GARBAGE,
    NO_VIDEO,
    PLAYS,
    STALLED,
    UNREACHABLE,
    Behaviour,
    behaviour,
    flood,
    raw,
)
from custodes.testing.hostile_stream import MIB, Units
from custodes.testing.onvif import ENVELOPE
from custodes.testing.rtsp_script import Script

_OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
_MJPEG = _OK + b"Content-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n"
_PART = b"--b\r\nContent-Type: image/jpeg\r\n\r\n"
_GIANT_PART = b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: 2147483647\r\n\r\n\xff\xd8"
_PLAYLIST = b"Content-Type: application/vnd.apple.mpegurl\r\n\r\n#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
_SOAP = _OK + b"Content-Type: application/soap+xml\r\n\r\n"


def _annexb(pictures: Units) -> bytes:
    return b"".join(b"\0\0\0\1" + unit for picture in pictures for unit in picture)


def _raw_h264(units: Units) -> Script:
    """A real stream that turns into noise without start codes."""
    return flood(_OK + b"Content-Type: video/h264\r\n\r\n" + _annexb(units) * 3, b"\xa5" * 65_536)


def _redirect(target: bytes) -> Script:
    return raw(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + target + b"\r\n\r\n")


def _gzip_bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(MIB) for _ in range(200)) + packer.flush()


def _soap(body: str) -> bytes:
    return _SOAP + ENVELOPE.format(body=body).encode()


_ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "lol"}">' for n in range(10))
_BOMB = _SOAP + f"<!DOCTYPE x [{_ENTITIES}]>".encode() + ENVELOPE.format(body="&e9;").encode()


def _http(script: Script, *expects: str, is_quick: bool = True) -> Behaviour:
    return behaviour(lambda units: script, *expects, is_quick=is_quick, scheme="http")


def _onvif(script: Script, *expects: str, is_quick: bool = True) -> Behaviour:
    return behaviour(lambda units: script, *expects, is_quick=is_quick, scheme="onvif")


HTTP: dict[str, Behaviour] = {
    "HTTP: redirects to itself": _http(_redirect(b"/x"), UNREACHABLE, GARBAGE),
    "HTTP: redirects to a file": _http(_redirect(b"file:///etc/passwd"), UNREACHABLE, GARBAGE),
    "HTTP: headers without end": _http(
        flood(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 5000), UNREACHABLE, GARBAGE, is_quick=False
    ),
    "HTTP: a header line without end": _http(
        flood(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 65_536), UNREACHABLE, GARBAGE, is_quick=False
    ),
    "HTTP: a playlist of local files": _http(raw(_OK + _PLAYLIST), UNREACHABLE, GARBAGE),
    "HTTP: a gzip bomb": _http(raw(_OK + b"Content-Encoding: gzip\r\n\r\n" + _gzip_bomb()), UNREACHABLE, GARBAGE),
    "HTTP: chunks that lie": _http(
        raw(_OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc\r\n-5\r\n"), UNREACHABLE, GARBAGE
    ),
    "HTTP: noise": _http(
        flood(_OK + b"\r\n", bytes(range(1, 256)) * 257), UNREACHABLE, GARBAGE, NO_VIDEO, PLAYS, is_quick=False
    ),
    "HTTP: MJPEG without a picture": _http(
        flood(_MJPEG, _PART), UNREACHABLE, GARBAGE, NO_VIDEO, PLAYS, is_quick=False
    ),
    "HTTP: a JPEG without end": _http(
        flood(_MJPEG + _PART + b"\xff\xd8\xff\xe0", b"\x11" * 65_536),
        UNREACHABLE,
        GARBAGE,
        NO_VIDEO,
        STALLED,
        PLAYS,
        is_quick=False,
    ),
    "HTTP: a JPEG of 2 GB": _http(
        flood(_MJPEG + _GIANT_PART, b"\x11" * 65_536),
        UNREACHABLE,
        GARBAGE,
        NO_VIDEO,
        PLAYS,
        is_quick=False,
    ),
    "HTTP: a stream that turns to noise": behaviour(
        _raw_h264, GARBAGE, PLAYS, STALLED, ENDED, scheme="http", is_quick=False
    ),
    "ONVIF: says nothing": _onvif(lambda conversation: conversation.hold(), UNREACHABLE, is_quick=False),
    "ONVIF: an entity bomb": _onvif(raw(_BOMB), GARBAGE),
    "ONVIF: an answer without end": _onvif(flood(_SOAP, b"<a>" * 20_000), GARBAGE),
    "ONVIF: a web page": _onvif(raw(_OK + b"\r\n<html>"), GARBAGE),
    "ONVIF: no media service": _onvif(raw(_soap("<GetServicesResponse/>")), GARBAGE),
}
