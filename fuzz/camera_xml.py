"""ONVIF answers: whatever a camera sends, `adapters.camera.soap` gives a value or a CameraError.

python -m fuzz.camera_xml [-max_total_time=60] [CORPUS]
"""

from custodes.adapters.camera import soap, soap_device
from custodes.adapters.camera.onvif import choose
from custodes.errors import CameraError
from custodes.testing.onvif import NOT_AUTHORIZED, answers

OPERATIONS = ("GetServices", "GetCapabilities", "GetProfiles", "GetStreamUri", "GetSystemDateAndTime")


def one(case: bytes) -> None:
    """The first byte chooses what was asked."""
    operation = OPERATIONS[case[0] % len(OPERATIONS)] if case else OPERATIONS[0]
    try:
        content = soap.parse(case[1:], where="cam", operation=operation)
        soap.time_of(content)
        services = soap.services_of(content)
        assert all(len(address) <= soap.MAX_URI_CHARS for address in services.values())
        profiles = soap.profiles_of(content)
        assert len(profiles) <= soap.MAX_PROFILES
        assert soap.uri_of(content, where="cam").isprintable()
        soap_device.ntp_of(content)
        assert len(soap_device.events_of(content)) <= soap_device.MAX_EVENTS
        choose(profiles, {}, where="cam")
    except CameraError as error:
        assert str(error).isprintable() and len(str(error)) < 400


def seeds() -> list[bytes]:
    """A small camera's answers, each as the answer to what it belongs to and to something else."""
    told = [*answers(port=1).values(), *answers(port=1, media2=True).values(), NOT_AUTHORIZED]
    return [bytes((number,)) + answer for answer in told for number in range(len(OPERATIONS))]
