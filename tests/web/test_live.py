"""Pictures over WebSocket: each opened through the broker, each refusal said, each end told to the warden."""

import json
import secrets
from dataclasses import replace

import pytest
from starlette.websockets import WebSocketDisconnect

from custodes.types.access import AuditKind, Role
from custodes.types.message import ViewKind

LIVE, REVIEW = "/api/v1/cameras/gate/live", "/api/v1/cameras/gate/review"
START_NS = 1_700_000_000_000_000_000


def wanted(**changes):
    return {
        "kind": "still",
        "from_ns": START_NS,
        "to_ns": START_NS + 10**9,
        "speed": 1,
        "purpose": "case",
        "reference": "2026-0117",
        **changes,
    }


def read_all(socket):
    """Messages in order; binary ones under "payload" of the text before them."""
    messages = []
    try:
        while True:
            event = socket.receive()
            if event["type"] == "websocket.close":
                return messages, event["code"]
            if event.get("text") is not None:
                messages.append(json.loads(event["text"]))
            else:
                messages[-1]["payload"] = event["bytes"]
    except WebSocketDisconnect as end:
        return messages, end.code


def test_live_sends_session_init_and_chunks_then_ends(claimed):
    with claimed.socket(LIVE) as socket:
        messages, code = read_all(socket)
    kinds = [message["type"] for message in messages]
    assert kinds[0] == "opened"
    assert kinds[1] == "init"
    assert kinds.count("chunk") == 6
    assert kinds[-1] == "ended"
    assert code == 1000
    init = messages[1]
    assert init["mime"].startswith('video/mp4; codecs="avc1.')
    assert init["payload"][4:8] == b"ftyp"
    chunk = next(message for message in messages if message["type"] == "chunk")
    assert b"moof" in chunk["payload"][:16]
    assert chunk["age_ms"] == 0
    assert chunk["is_fully_masked"] is False


def test_live_is_in_the_log_before_its_first_byte_and_at_its_end(claimed):
    with claimed.socket(LIVE) as socket:
        opened = socket.receive_json()
        granted = claimed.warden.log.read(opened["log_index"], 1)[0]
        read_all(socket)
    assert granted.record.kind is AuditKind.ACCESS_GRANTED
    assert granted.record.details["session"] == opened["session_id"]
    assert claimed.warden.kinds()[-1] is AuditKind.VIEW_ENDED
    assert claimed.views.running == 0


def test_live_when_the_page_goes_ends_the_view(claimed):
    claimed.views._frames = 1 << 30
    with claimed.socket(LIVE) as socket:
        socket.receive_json()
        assert claimed.views.running == 1
    assert claimed.views.running == 0
    assert claimed.warden.kinds()[-1] is AuditKind.VIEW_ENDED


def test_live_without_operator_role_is_refused_with_reasons(site):
    site.claim(roles=("auditor",))
    with site.socket(LIVE) as socket:
        messages, code = read_all(socket)
    assert [message["type"] for message in messages] == ["refused"]
    assert "No policy lets administrator, auditor watch live" in messages[0]["message"]
    assert code == 4403
    assert AuditKind.ACCESS_DENIED in site.warden.kinds()


def test_live_while_warden_is_down_shows_nothing(claimed):
    claimed.warden.is_down = True
    with claimed.socket(LIVE) as socket:
        messages, code = read_all(socket)
    assert [message["type"] for message in messages] == ["refused"]
    assert code == 4503
    assert claimed.views.opened == []


def test_live_of_unknown_camera_is_refused(claimed):
    with claimed.socket("/api/v1/cameras/none/live") as socket:
        messages, code = read_all(socket)
    assert messages[0]["status"] == 404
    assert code == 4404


def test_live_ends_when_the_session_has_ended(claimed, monkeypatch):
    monkeypatch.setattr("custodes.web.live._SESSION_CHECK_S", 0.01)
    claimed.views._frames = 1 << 30
    with claimed.socket(LIVE) as socket:
        assert socket.receive_json()["type"] == "opened"
        claimed.clock.advance(16 * 60 * 10**9)
        messages, code = read_all(socket)
    assert messages[-1]["type"] == "refused"
    assert code == 4401
    assert claimed.views.running == 0


def test_review_asks_the_warden_for_the_interval_and_purpose(claimed):
    with claimed.socket(REVIEW) as socket:
        socket.send_json({"open": wanted()})
        opened = socket.receive_json()
    details = claimed.warden.log.read(opened["log_index"], 1)[0].record.details
    assert details["action"] == "play_back"
    assert (details["start_ns"], details["end_ns"]) == (str(START_NS), str(START_NS + 10**9))
    assert (details["purpose"], details["reference"]) == ("case", "2026-0117")


def test_review_still_answers_each_seek_with_a_jpeg(claimed):
    with claimed.socket(REVIEW) as socket:
        socket.send_json({"open": wanted()})
        assert socket.receive_json()["type"] == "opened"
        for number in (1, 2):
            socket.send_json({"seek": START_NS + number * 10**8, "request_id": number})
            still = socket.receive_json()
            assert still["type"] == "still"
            assert still["request_id"] == number
            assert still["utc_ns"] == START_NS + number * 10**8
            assert socket.receive_bytes()[:3] == b"\xff\xd8\xff"


def test_review_playback_streams_to_the_end_of_the_interval(claimed):
    claimed.views._frames = 1000
    with claimed.socket(REVIEW) as socket:
        socket.send_json({"open": wanted(kind="playback", speed=2)})
        messages, code = read_all(socket)
    chunks = [message for message in messages if message["type"] == "chunk"]
    assert len(chunks) == 6
    assert chunks[1]["utc_ns"] - chunks[0]["utc_ns"] == 2 * 10**8
    assert code == 1000
    assert claimed.views.opened[0].kind is ViewKind.PLAYBACK


@pytest.mark.parametrize(
    "message",
    [
        {"open": wanted(reference="")},
        {"open": wanted(reference="   ")},
        {"open": wanted(purpose="live_duty")},
        {"open": wanted(purpose="curiosity")},
        {"open": wanted(to_ns=START_NS)},
        {"open": wanted(to_ns=START_NS + 26 * 3600 * 10**9)},
        {"open": wanted(speed=100)},
        {"open": wanted(speed="NaN")},
        {"open": wanted(from_ns=-1)},
        {"open": wanted(from_ns=2**70)},
        {"open": wanted(kind="live")},
        {"open": wanted(fidelity="clear")},
        {"open": wanted(reference="x" * 5000)},
        {"seek": START_NS},
        {},
        [],
    ],
)
def test_review_with_bad_opening_is_refused_and_opens_nothing(claimed, message):
    with claimed.socket(REVIEW) as socket:
        socket.send_json(message)
        messages, code = read_all(socket)
    assert messages[-1]["type"] == "refused"
    assert messages[-1]["kind"] == "invalid_argument"
    assert code == 4400
    assert claimed.views.opened == []


@pytest.mark.parametrize("command", ["", "{", '{"seek": -1}', '{"seek": "x"}', '{"stop": 1}', secrets.token_hex(2000)])
def test_review_with_bad_command_ends_the_view(claimed, command):
    with claimed.socket(REVIEW) as socket:
        socket.send_json({"open": wanted()})
        assert socket.receive_json()["type"] == "opened"
        socket.send_text(command)
        messages, code = read_all(socket)
    assert messages[-1]["type"] == "refused"
    assert code == 4400
    assert claimed.views.running == 0


def test_review_by_an_administrator_alone_is_refused(claimed):
    account = claimed.catalog.accounts()[0]
    claimed.catalog.put_account(replace(account, roles=frozenset({Role.ADMINISTRATOR})))
    with claimed.socket(REVIEW) as socket:
        socket.send_json({"open": wanted()})
        messages, code = read_all(socket)
    assert code == 4403
    assert messages[0]["type"] == "refused"
