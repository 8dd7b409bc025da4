"""A camera's own events in the running recorder: heard, bounded, and said while they last."""

import re
import time
from dataclasses import replace

import pytest
from tests.fleet.test_devices import EVENT, recorder, said
from tests.server.test_live_state import camera_status

from custodes.adapters.camera import soap, soap_device
from custodes.adapters.camera.device_says import LASTS_NS, MAX_DETAIL, MAX_LASTING, MOTION_LASTS_NS, LastingWords
from custodes.app.recorder_devices import DeviceListener, DeviceListeners
from custodes.app.serving.facts import checked
from custodes.errors import ProtocolError
from custodes.runtime.clock import SystemClock
from custodes.testing.catalog import make_spec
from custodes.testing.clock import ManualClock
from custodes.testing.onvif import OnvifServer
from custodes.types.codec import decode, encode
from custodes.types.event import HEARD, DeviceSaying, DeviceWord
from custodes.units import CameraId, Ns

MOTION = "tns1:RuleEngine/tns1:CellMotionDetector/tns1:Motion"
INPUT = "tns1:Device/tns1:Trigger/tns1:DigitalInput"
CARD = "tns1:Device/tns1:HardwareFailure/tns1:StorageFailure"


def notice(topic, name, value, source="1", operation="Changed"):
    return (
        f"<NotificationMessage><Topic>{topic}</Topic><Message><Message UtcTime='2026-11-26T01:02:03Z' "
        f"PropertyOperation='{operation}'><Source><SimpleItem Name='Token' Value='{source}'/></Source>"
        f"<Data><SimpleItem Name='{name}' Value='{value}'/></Data></Message></Message></NotificationMessage>"
    )


def pulled(*notices):
    return said(f"<PullMessagesResponse>{''.join(notices)}</PullMessagesResponse>")


def events(*notices):
    return soap_device.events_of(soap.parse(pulled(*notices), where="x", operation="PullMessages"))


def words(lasting, now_ns=0):
    return {one.word: one.detail for one in lasting.sayings(now_ns)}


def camera_spec(camera, **more):
    spec = replace(
        make_spec("gate"), url=f"onvif://127.0.0.1:{camera.port}", username="admin", password_ref="env:GATE"
    )
    return replace(spec, **more)


def until(check):
    end = time.monotonic() + 60
    while not check():
        assert time.monotonic() < end, "it did not come within a minute"
        time.sleep(0.05)


@pytest.fixture
def listening():
    started = []

    def listen(spec, **more):
        listener = DeviceListener(spec, clock=SystemClock(), environ={"GATE": "secret"}, again_s=0.1, **more)
        started.append(listener)
        listener.start()
        return listener

    yield listen
    for one in started:
        one.stop()


def test_each_word_lasts_until_it_is_taken_back():
    lasting = LastingWords()
    lasting.take(
        events(
            notice(MOTION, "IsMotion", "true", operation="Initialized"),
            notice(INPUT, "LogicalState", "true", "door"),
            notice(INPUT, "LogicalState", "1", "gate"),
            notice(CARD, "Failed", "true"),
            notice("tns1:VideoSource/GlobalSceneChange/ImagingService", "State", "true"),
        ),
        Ns(5),
    )
    assert words(lasting) == {
        DeviceWord.MOTION: "Motion 1",
        DeviceWord.TAMPERING: "ImagingService 1",
        DeviceWord.INPUT: "DigitalInput door, DigitalInput gate",
        DeviceWord.STORAGE: "StorageFailure 1",
    }
    lasting.take(events(notice(INPUT, "LogicalState", "false", "door"), notice(MOTION, "IsMotion", "true")), Ns(9))
    assert words(lasting)[DeviceWord.INPUT] == "DigitalInput gate"
    assert lasting.sayings(Ns(9))[0].start_ns == 5, "said again is the same motion"
    lasting.take(events(notice(INPUT, "LogicalState", "true", "gate", operation="Deleted")), Ns(9))
    assert DeviceWord.INPUT not in words(lasting)
    assert DeviceWord.MOTION not in words(lasting, Ns(10 + MOTION_LASTS_NS)), "a camera that never takes it back"
    assert words(lasting, Ns(10 + LASTS_NS)) == {}


@pytest.mark.parametrize(
    "topic",
    ["tns1:RuleEngine/FaceRecognition/Face", "tns1:RuleEngine/LicensePlate", "tns1:VideoSource/ImageTooDark", "", "/"],
)
def test_what_is_none_of_ours_is_not_read(topic):
    lasting = LastingWords()
    lasting.take(
        events(notice(topic, "State", "true"), notice(MOTION, "Name", "true"), notice(MOTION, "State", "?")), Ns(1)
    )
    assert words(lasting) == {}


def test_a_flood_is_bounded():
    lasting = LastingWords()
    for n in range(40):
        lasting.take(events(*(notice(INPUT, "LogicalState", "true", f"{'x' * 200}{n}-{m}") for m in range(20))), Ns(n))
    (one,) = lasting.sayings(Ns(50))
    assert len(one.detail) <= MAX_DETAIL + 20
    lasting = LastingWords()
    lasting.take(events(*(notice(INPUT, "LogicalState", "true", f"{n}") for n in range(100))), Ns(1))
    assert words(lasting)[DeviceWord.INPUT].endswith(f"and {MAX_LASTING - 3} more")


def test_a_device_is_heard_with_the_cameras_login_and_taken_at_its_word(listening):
    with OnvifServer(answers=recorder(PullMessages=said(EVENT)), login=("admin", "secret")) as camera:
        listener = listening(camera_spec(camera))
        until(lambda: listener.says()[1])
        hearing, (one,) = listener.says()
        assert (hearing, one.word, one.detail) == (HEARD, DeviceWord.TAMPERING, "Global 1")
        camera.answers = recorder(PullMessages=said(EVENT.replace('Value="true"', 'Value="false"')))
        until(lambda: listener.says() == (HEARD, ()))
    assert not any(re.match("Set|Create(?!PullPoint)", one) for one in camera.seen), "nothing is set in the device"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"\xff\x00 no XML", "not XML"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "not XML"),
        (b"<x>" * 40_000, "not XML"),
        (b"x" * (2 << 20), "1048576"),
        (b"", ""),
    ],
)
def test_a_device_that_answers_badly_is_not_heard_and_asked_again(listening, answer, reason):
    with OnvifServer(answers=recorder(PullMessages=answer)) as camera:
        listener = listening(camera_spec(camera))
        until(lambda: camera.seen.count("PullMessages /onvif/pull") >= 2)
        until(lambda: "not asked" not in listener.says()[0])
        hearing, lasting = listener.says()
        assert hearing != HEARD
        assert reason in hearing
        assert lasting == ()
        camera.answers = recorder(PullMessages=said(EVENT))
        until(lambda: listener.says()[1])


def test_a_refused_login_is_not_tried_again_soon(listening):
    with OnvifServer(answers=recorder(), login=("admin", "other")) as camera:
        listener = listening(camera_spec(camera))
        until(lambda: "refuses" in listener.says()[0] or "password" in listener.says()[0])
        tried = [one for one in camera.seen if not one.startswith("GetSystemDateAndTime")]
        time.sleep(0.5)
        assert [one for one in camera.seen if not one.startswith("GetSystemDateAndTime")] == tried


def test_cameras_that_are_named_are_listened_to_and_others_are_not():
    with OnvifServer(answers=recorder(), login=("admin", "secret")) as camera:
        listeners = DeviceListeners(("gate", "yard"), clock=SystemClock(), environ={"GATE": "secret"})
        gate = camera_spec(camera)
        yard = replace(make_spec(), camera_id=CameraId("yard"), url="rtsp://10.0.0.7/x")
        other = replace(gate, camera_id=CameraId("other"))
        listeners.follow([gate, yard, other])
        status = replace(camera_status(ManualClock()), camera_id=CameraId("gate"))
        until(lambda: listeners.tell(status).device_says)
        told = checked(decode(encode(listeners.tell(status))))
        assert [one.word for one in told.device_says] == [DeviceWord.TAMPERING]
        assert "onvif://" in listeners.tell(replace(status, camera_id=CameraId("yard"))).device_events
        assert listeners.tell(replace(status, camera_id=CameraId("other"))).device_events == ""
        listeners.follow([])
        assert listeners.tell(status) == status


@pytest.mark.parametrize("count_and_detail", [(5, "x"), (1, "x" * 501)])
def test_more_than_there_is_to_say_is_no_fact(count_and_detail):
    count, detail = count_and_detail
    one = DeviceSaying(word=DeviceWord.MOTION, start_ns=Ns(1), detail=detail)
    with pytest.raises(ProtocolError, match="more said by the device"):
        checked(replace(camera_status(ManualClock()), device_says=(one,) * count))
