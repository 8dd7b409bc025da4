"""Hostile cameras: what a broken, hijacked or malicious device on the network may do, one behaviour each.

Each runs on a scripted server on loopback; `custodes.testing.hostile_child` is the client, in a process of its own, so
that memory and time can be measured. What comes by HTTP and ONVIF is in `hostile_http`.
"""

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from custodes.testing.camera import write_clip
from custodes.testing.hostile_stream import (
    MIB,
    Units,
    aggregates,
    ahead_report,
    bad_rtp,
    bent,
    cut_interleaved,
    giant_sps,
    goodbye,
    hang_up,
    huge_picture,
    lying_report,
    new_size,
    no_keyframe,
    noise,
    own_requests,
    random_timestamp,
    sei_bomb,
    slices_of_one_picture,
    stall,
    streaming,
    tiny_packets,
    unknown_channels,
)
from custodes.testing.rtp import access_units
from custodes.testing.rtsp_script import (
    FIRST_TIMESTAMP,
    SDP,
    Camera,
    Conversation,
    Hook,
    Request,
    Script,
    endless,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """`make`: from a clip's access units to a script. `is_quick`: over in a second or two, so in the fast subset."""

    make: Callable[[Units], Script]
    expects: frozenset[str]
    """Names of the CameraErrors that are right, `plays` where video is to come (for some seconds at least)."""
    scheme: str = "rtsp"
    is_quick: bool = True


def clip_units(folder: Path) -> Units:
    """20 pictures of 320×240, a keyframe every 10."""
    return access_units(write_clip(folder / "hostile.h264", frames=20, gop=10))


# -- before PLAY ------------------------------------------------------------------------------------------------------


def _silent(conversation: Conversation) -> None:
    conversation.hold()


def raw(*pieces: bytes, pause_s: float = 0.0) -> Script:
    """Whatever is asked: these bytes, and the end."""

    def script(conversation: Conversation) -> None:
        conversation.request()
        conversation.drip(pieces, seconds=pause_s)

    return script


def flood(first: bytes, piece: bytes, *, times: int = 1 << 30, pause_s: float = 0.0) -> Script:
    """Whatever is asked: `first`, then `piece` again and again."""

    def script(conversation: Conversation) -> None:
        conversation.request()
        conversation.send(first)
        for one in endless(piece, times=times):
            conversation.send(one)
            if pause_s:
                conversation.wait(pause_s)

    return script


def _on(**hooks: Hook) -> Callable[[Units], Script]:
    return lambda units: Camera(units=units, on=dict(hooks), fps=25)


def _described(sdp: str) -> Callable[[Units], Script]:
    return lambda units: Camera(units=units, sdp=sdp, fps=25)


def _endless_401(conversation: Conversation, request: Request) -> None:
    nonce = random.randbytes(8).hex()  # noqa: S311 - a camera's, not ours
    challenge = f'WWW-Authenticate: Digest realm="r", nonce="{nonce}", stale=TRUE\r\n'
    conversation.reply(request, challenge, status="401 Unauthorized")


def _redirect(target: str) -> Hook:
    def hook(conversation: Conversation, request: Request) -> None:
        location = request.uri if target == "self" else target
        conversation.reply(request, f"Location: {location}\r\n", status="302 Moved")

    return hook


def _giant_body(conversation: Conversation, request: Request) -> None:
    head = f"RTSP/1.0 200 OK\r\nCSeq: {request.headers['cseq']}\r\nContent-Type: application/sdp\r\n"
    conversation.send(head.encode(), b"Content-Length: 2000000000\r\n\r\n")
    for piece in endless(b"a=x:" + b"y" * 1000 + b"\r\n"):
        conversation.send(piece * 100)


def _short_body(conversation: Conversation, request: Request) -> None:
    head = f"RTSP/1.0 200 OK\r\nCSeq: {request.headers['cseq']}\r\nContent-Type: application/sdp\r\n"
    conversation.send(head.encode(), b"Content-Length: 500\r\n\r\nv=0\r\n")
    conversation.hold()


def _length(text: str) -> Hook:
    def hook(conversation: Conversation, request: Request) -> None:
        conversation.send(
            f"RTSP/1.0 200 OK\r\nCSeq: {request.headers['cseq']}\r\nContent-Type: application/sdp\r\n"
            f"Content-Length: {text}\r\n\r\n{SDP}".encode()
        )

    return hook


def _set_up_as(transport: str) -> Hook:
    def hook(conversation: Conversation, request: Request) -> None:
        conversation.reply(request, f"Session: 1\r\nTransport: {transport}\r\n")

    return hook


def _status(status: str) -> Hook:
    def hook(conversation: Conversation, request: Request) -> None:
        conversation.reply(request, status=status)

    return hook


_MANY_STREAMS = SDP + "".join(
    f"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:t{number}\r\n" for number in range(5000)
)
_LONG_SPROP = SDP.replace(
    "packetization-mode=1", "packetization-mode=1;sprop-parameter-sets=" + base64.b64encode(MIB[:600_000]).decode()
)


UNREACHABLE, GARBAGE, NO_VIDEO = "CameraUnreachable", "CameraGarbage", "CameraNoVideo"
STALLED, UNAUTHORIZED, ENDED, PLAYS = "CameraStalled", "CameraUnauthorized", "CameraEnded", "plays"


def behaviour(
    make: Callable[[Units], Script], *expects: str, is_quick: bool = True, scheme: str = "rtsp"
) -> Behaviour:
    """One of the table."""
    return Behaviour(make=make, expects=frozenset(expects), is_quick=is_quick, scheme=scheme)


def _always(script: Script) -> Callable[[Units], Script]:
    return lambda units: script


_SLOW_REPLY = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nX-Slow: " + b"y" * 1000

RTSP: dict[str, Behaviour] = {
    "accepts and says nothing": behaviour(_always(_silent), UNREACHABLE, is_quick=False),
    "slow-loris": behaviour(
        _always(raw(*(bytes((byte,)) for byte in _SLOW_REPLY), pause_s=0.1)), UNREACHABLE, is_quick=False
    ),
    "a header line without end": behaviour(
        _always(flood(b"RTSP/1.0 200 OK\r\nX: ", b"y" * 65_536)), UNREACHABLE, GARBAGE, is_quick=False
    ),
    "headers without end": behaviour(
        _always(flood(b"RTSP/1.0 200 OK\r\n", b"X: y\r\n" * 5000)), UNREACHABLE, GARBAGE, is_quick=False
    ),
    "noise for replies": behaviour(_always(raw(bytes(range(1, 256)) * 400)), UNREACHABLE, GARBAGE, is_quick=False),
    "hangs up": behaviour(_always(raw()), UNREACHABLE, GARBAGE),
    "a description of 2 GB": behaviour(_on(DESCRIBE=_giant_body), UNREACHABLE, GARBAGE),
    "a description that stops": behaviour(_on(DESCRIBE=_short_body), UNREACHABLE, is_quick=False),
    "a negative length": behaviour(_on(DESCRIBE=_length("-1")), UNREACHABLE, GARBAGE, is_quick=False),
    "a length that is none": behaviour(_on(DESCRIBE=_length("0x7fffffff")), UNREACHABLE, GARBAGE, NO_VIDEO),
    "a length of 2^64": behaviour(_on(DESCRIBE=_length("18446744073709551617")), UNREACHABLE, GARBAGE, is_quick=False),
    "401 for ever": behaviour(_on(DESCRIBE=_endless_401), UNAUTHORIZED),
    "404": behaviour(_on(DESCRIBE=_status("404 Not Found")), UNREACHABLE),
    "500": behaviour(_on(DESCRIBE=_status("500 Oops")), UNREACHABLE, GARBAGE),
    "redirects to itself": behaviour(_on(DESCRIBE=_redirect("self")), UNREACHABLE, GARBAGE, is_quick=False),
    "redirects to a file": behaviour(_on(DESCRIBE=_redirect("file:///etc/passwd")), UNREACHABLE, GARBAGE),
    "redirects to nowhere": behaviour(_on(DESCRIBE=_redirect("rtsp://127.0.0.1:1/x")), UNREACHABLE, GARBAGE),
    "5,000 streams": behaviour(_described(_MANY_STREAMS), UNREACHABLE, GARBAGE, PLAYS, is_quick=False),
    "parameter sets of 600 kB": behaviour(_described(_LONG_SPROP), UNREACHABLE, GARBAGE, PLAYS),
    "a description of noise": behaviour(_described("\x00\x7f\u20ac" * 5000), UNREACHABLE, GARBAGE, NO_VIDEO),
    "sound alone": behaviour(
        _described("v=0\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\na=control:a\r\n"), NO_VIDEO, is_quick=False
    ),
    "no transport will do": behaviour(_on(SETUP=_status("461 Unsupported Transport")), UNREACHABLE),
    "channels beyond a byte": behaviour(
        _on(SETUP=_set_up_as("RTP/AVP/TCP;unicast;interleaved=70000-70001")),
        UNREACHABLE,
        GARBAGE,
        NO_VIDEO,
        STALLED,
        is_quick=False,
    ),
    "a transport of noise": behaviour(_on(SETUP=_set_up_as("\x7f;;=;,=1-")), UNREACHABLE, GARBAGE),
    "session unknown at PLAY": behaviour(_on(PLAY=_status("454 Session Not Found")), UNREACHABLE, GARBAGE),
    "plays nothing": behaviour(
        streaming(lambda talk, outlet, units: talk.hold()), UNREACHABLE, GARBAGE, NO_VIDEO, STALLED, is_quick=False
    ),
    "hangs up at PLAY": behaviour(streaming(hang_up), UNREACHABLE, GARBAGE, NO_VIDEO, ENDED),
    "stops after a second": behaviour(streaming(stall), STALLED, is_quick=False),
    "a frame that drips": behaviour(
        streaming(cut_interleaved), UNREACHABLE, GARBAGE, NO_VIDEO, STALLED, is_quick=False
    ),
    "broken RTP and RTCP": behaviour(streaming(bad_rtp), UNREACHABLE, GARBAGE, NO_VIDEO, STALLED, is_quick=False),
    "noise for pictures": behaviour(streaming(noise), PLAYS, GARBAGE),
    "aggregates that lie": behaviour(streaming(aggregates), PLAYS),
    "a picture without end": behaviour(
        streaming(huge_picture), UNREACHABLE, GARBAGE, STALLED, NO_VIDEO, PLAYS, is_quick=False
    ),
    "slices without end": behaviour(
        streaming(slices_of_one_picture), GARBAGE, STALLED, NO_VIDEO, PLAYS, is_quick=False
    ),
    "a million tiny packets": behaviour(streaming(tiny_packets), PLAYS, GARBAGE, STALLED, NO_VIDEO, is_quick=False),
    "channels nobody set up": behaviour(
        streaming(unknown_channels), UNREACHABLE, GARBAGE, NO_VIDEO, STALLED, is_quick=False
    ),
    "requests of its own": behaviour(streaming(own_requests), PLAYS, UNREACHABLE, GARBAGE, ENDED, is_quick=False),
    "timestamps at random": behaviour(bent(timestamp=random_timestamp), PLAYS),
    "timestamps that stand still": behaviour(bent(timestamp=lambda number: FIRST_TIMESTAMP), PLAYS, STALLED, NO_VIDEO),
    "timestamps that run back": behaviour(bent(timestamp=lambda number: FIRST_TIMESTAMP - number * 3600), PLAYS),
    "reports at random": behaviour(bent(report=lying_report), PLAYS),
    "a clock ten years ahead": behaviour(bent(report=ahead_report), PLAYS),
    "goodbye in each report": behaviour(bent(report=goodbye), PLAYS, ENDED, GARBAGE),
    "SEI bombs": behaviour(bent(change=sei_bomb), PLAYS, is_quick=False),
    "new parameters each picture": behaviour(bent(change=new_size), PLAYS, GARBAGE),
    "a million pixels wide": behaviour(bent(change=giant_sps), GARBAGE, NO_VIDEO, PLAYS, is_quick=False),
    "never a keyframe": behaviour(bent(change=no_keyframe), NO_VIDEO, is_quick=False),
}
