"""A recorder's channels, time servers, abilities and events over ONVIF; against our camera and published answers."""

import csv
import io
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.server.test_signers import RecordingLog

from custodes.adapters.camera import soap, soap_device
from custodes.cli import camera_device
from custodes.cli.main import run
from custodes.config import Assignment, SiteIdentity, SitePaths, write_assignment, write_identity
from custodes.errors import InvalidArgument
from custodes.testing.catalog import make_spec
from custodes.testing.onvif import ENVELOPE, OnvifServer, answers
from custodes.types.access import AuditKind
from custodes.units import Ns

MOCK = Path(os.environ.get("CUSTODES_SHARED", "../shared")) / "data/network/onvif-mock-npm"
NTP = "<GetNTPResponse><NTPInformation><FromDHCP>{dhcp}</FromDHCP>{server}</NTPInformation></GetNTPResponse>"
FROM_DHCP = NTP.format(dhcp="true", server="<NTPFromDHCP><DNSname>pool.example</DNSname></NTPFromDHCP>")
WRITTEN = NTP.format(dhcp="false", server="<NTPManual><IPv4Address>10.0.0.2</IPv4Address></NTPManual>")
EVENT = (
    "<PullMessagesResponse><NotificationMessage><Topic>tns1:RuleEngine/tnsx:Tamper/Global</Topic><Message><Message "
    'UtcTime="2026-11-26T01:02:03Z"><Source><SimpleItem Name="Source" Value="1"/></Source><Data><SimpleItem '
    'Name="State" Value="true"/></Data></Message></Message></NotificationMessage></PullMessagesResponse>'
)


def said(body):
    return ENVELOPE.format(body=body).encode()


def recorder(**more):
    """Four channels with two profiles each, PTZ and events."""
    namespace = "http://www.onvif.org/ver10/media/wsdl"
    profiles = "".join(
        f'<Profiles token="c{n}-{kind}"><Name>=Gate {n}</Name><VideoSourceConfiguration><SourceToken>src{n}'
        f"</SourceToken></VideoSourceConfiguration><VideoEncoderConfiguration><Encoding>H264</Encoding><Resolution>"
        f"<Width>{width}</Width><Height>{width * 9 // 16}</Height></Resolution></VideoEncoderConfiguration></Profiles>"
        for n in range(1, 5)
        for kind, width in (("sub", 640), ("main", 1920))
    )
    services = "".join(
        f"<Service><Namespace>{one}</Namespace><XAddr>http://10.66.0.9/onvif/{number}</XAddr></Service>"
        for number, one in enumerate((namespace, soap_device.PTZ_NS, soap_device.EVENTS_NS))
    )
    point = "<SubscriptionReference><Address>http://10.66.0.9/onvif/pull</Address></SubscriptionReference>"
    return {
        **answers(port=554),
        "GetServices": said(f"<GetServicesResponse>{services}</GetServicesResponse>"),
        "GetProfiles": said(f"<GetProfilesResponse>{profiles}</GetProfilesResponse>"),
        "GetNTP": said(FROM_DHCP),
        "CreatePullPointSubscription": said(
            f"<CreatePullPointSubscriptionResponse>{point}</CreatePullPointSubscriptionResponse>"
        ),
        "PullMessages": said(EVENT),
        **more,
    }


@pytest.fixture
def site(tmp_path, monkeypatch):
    paths = SitePaths(tmp_path / "site")
    paths.data_dir.mkdir()
    write_identity(paths.identity, SiteIdentity(site_id="ab" * 8, name="Site", created_ns=Ns(1)))
    monkeypatch.setenv("GATE", "secret")
    return paths


def with_camera(site, camera):
    spec = replace(
        make_spec("gate"), url=f"onvif://127.0.0.1:{camera.port}", username="admin", password_ref="env:GATE"
    )
    write_assignment(site.assignment, Assignment(version=1, cameras=(spec,)))
    return ["--data", str(site.data_dir)]


def test_abilities_are_read_and_nothing_is_written(site, capsys):
    with OnvifServer(answers=recorder(), login=("admin", "secret")) as camera:
        assert run(["camera", "abilities", "gate", *with_camera(site, camera)]) == 0
        asked = [one.split()[0] for one in camera.seen]
    shown = capsys.readouterr().out
    assert re.search(r"pan, tilt, zoom +yes", shown)
    assert re.search(r"imaging settings +no", shown)
    assert re.search(r"video sources +4", shown)
    assert "pool.example (from DHCP)" in shown
    assert all(one.startswith("Get") for one in asked), asked


def test_a_recorders_channels_become_a_list_that_can_be_imported(site, capsys, tmp_path):
    with OnvifServer(answers=recorder()) as camera:
        url = f"onvif://127.0.0.1:{camera.port}"
        assert run(["camera", "channels", url, "--prefix", "yard"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["id"] for row in rows] == ["yard-1", "yard-2", "yard-3", "yard-4"]
    assert rows[2]["url"] == f"{url}?profile=c3-main"
    assert rows[0]["name"] == "Gate 1", "no spreadsheet computes it"


def test_channels_by_template_without_asking(capsys):
    assert run(["camera", "channels", "onvif://10.0.0.9", "--template", "hikvision", "--count", "2"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["url"] for row in rows] == [f"rtsp://10.0.0.9:554/Streaming/Channels/{n}01" for n in (1, 2)]
    assert run(["camera", "channels", "onvif://10.0.0.9", "--template", "reolink", "--count", "11"]) == 0
    assert "h264Preview_11_main" in capsys.readouterr().out
    assert run(["camera", "channels", "onvif://10.0.0.9", "--template", "axis", "--count", "1"]) != 0
    assert "there are Dahua, Hikvision" in capsys.readouterr().err


def test_a_time_server_is_written_only_when_said_and_after_the_log(site, capsys, monkeypatch):
    log = RecordingLog()
    monkeypatch.setattr(camera_device, "note", lambda paths, kind, name, details: log.records.append((kind, details)))
    with OnvifServer(answers=recorder(SetNTP=said("<SetNTPResponse/>")), login=("admin", "secret")) as camera:
        options = with_camera(site, camera)
        assert run(["camera", "ntp", "gate", "--server", "10.0.0.2", *options]) == 0
        assert "nothing was written" in capsys.readouterr().out
        assert not any(one.startswith("SetNTP") for one in camera.seen)
        assert log.records == []
        camera.answers = recorder(SetNTP=said("<SetNTPResponse/>"), GetNTP=said(WRITTEN))
        assert run(["camera", "ntp", "gate", "--server", "10.0.0.2", "--yes", *options]) == 0
        (request,) = [one for one in camera.requests if b"<SetNTP" in one]
    assert capsys.readouterr().out.endswith("gate now: 10.0.0.2\n")
    assert b"<FromDHCP>false</FromDHCP>" in request
    ((kind, details),) = log.records
    assert kind is AuditKind.DEVICE_CHANGED
    assert details["what"] == "SetNTP, not from DHCP, server 10.0.0.2"


def test_without_the_log_no_time_server_is_written(site, capsys):
    with OnvifServer(answers=recorder(SetNTP=said("<SetNTPResponse/>")), login=("admin", "secret")) as camera:
        assert run(["camera", "ntp", "gate", "--server", "10.0.0.2", "--yes", *with_camera(site, camera)]) != 0
        assert not any(one.startswith("SetNTP") for one in camera.seen)


@pytest.mark.parametrize("server", ["", "a b", "$(reboot)", "a;b", "x" * 300, "-x", "a..b", "<x/>", "10.0.0.2\n"])
def test_what_is_no_host_is_written_to_no_device(server):
    with pytest.raises(InvalidArgument, match="no address and no name"):
        soap_device.set_ntp(server)


@pytest.mark.parametrize(
    ("server", "element"), [("10.0.0.2", "IPv4Address"), ("fd00::1", "IPv6Address"), ("ntp.example.org", "DNSname")]
)
def test_a_host_is_written_as_what_it_is(server, element):
    assert f"<{element} " in soap_device.set_ntp(server)


def test_events_are_heard_from_the_configured_host_alone(site, capsys):
    with OnvifServer(answers=recorder(), login=("admin", "secret")) as camera:
        assert run(["camera", "events", "gate", "--for", "0.3", *with_camera(site, camera)]) == 0
        assert "PullMessages /onvif/pull" in camera.seen
    assert "2026-11-26T01:02:03Z  RuleEngine/Tamper/Global  Source 1, State true" in capsys.readouterr().out


def test_answers_of_another_simulator():
    if not MOCK.exists():
        pytest.skip("no published answers here")

    def content(name, operation):
        text = re.sub(r"\{\{.*?\}\}", "", (MOCK / name).read_text())
        return soap.parse(text.encode(), where="mock", operation=operation)

    found = soap_device.ntp_of(content("device.GetNTP.xml", "GetNTP"))
    assert (found.is_from_dhcp, found.servers) == (False, ("192.168.1.168",))
    content("device.SetNTP.xml", "SetNTP")
    events = soap_device.events_of(content("PullMessages.xml", "PullMessages"))
    assert [one.topic for one in events] == ["RuleEngine/CellMotionDetector/Motion"] * 2
    assert ("IsMotion", "true") in events[0].items
    created = content("events.CreatePullPointSubscription.xml", "CreatePullPointSubscription")
    assert soap_device.pull_point_of(created, where="mock").startswith("http://")


def test_a_hostile_answer_is_bounded():
    many = EVENT.replace("</PullMessagesResponse>", "").replace("<PullMessagesResponse>", "")
    answer = soap.parse(
        said(f"<PullMessagesResponse>{many * 5000}</PullMessagesResponse>"), where="x", operation="PullMessages"
    )
    assert len(soap_device.events_of(answer)) == soap_device.MAX_EVENTS


def test_a_camera_without_onvif_says_what_to_name(site, capsys):
    spec = replace(make_spec("gate"), url="rtsp://10.0.0.7/x")
    write_assignment(site.assignment, Assignment(version=1, cameras=(spec,)))
    assert run(["camera", "abilities", "gate", "--data", str(site.data_dir)]) != 0
    assert "onvif://10.0.0.7" in capsys.readouterr().err
    assert run(["camera", "abilities", "nobody", "--data", str(site.data_dir)]) != 0
