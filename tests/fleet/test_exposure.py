"""What scans saw from outside, matched with the inventory."""

import gzip
import json
from dataclasses import replace
from datetime import date

import pytest
from tests.fleet.fingerprints import GOLDEN

from custodes.adapters.fleet.scans import read_forwardings, read_scan
from custodes.errors import InvalidArgument
from custodes.fleet.exposure import Forwarding, match_exposure
from custodes.fleet.knowledge import load_knowledge
from custodes.fleet.observation import TlsSeen
from custodes.fleet.verdict import Severity, Topic

KNOWN = load_knowledge()
DIGEST = "ab" * 32
NMAP = """<?xml version="1.0"?><!DOCTYPE nmaprun><nmaprun start="1795000000"><host><address addr="10.1.0.7"
addrtype="ipv4"/><address addr="44:19:B6:00:00:01" addrtype="mac"/><ports><port protocol="tcp" portid="554"><state
state="open"/><service name="rtsp" product="Hikvision rtspd"/></port><port protocol="tcp" portid="23"><state
state="closed"/></port></ports></host></nmaprun>"""
SHODAN = {
    "ip_str": "198.51.100.7",
    "port": 8443,
    "product": "Dahua DVR",
    "asn": "AS64500",
    "org": "Example Net",
    "location": {"country_code": "AT"},
    "ssl": {"cert": {"fingerprint": {"sha256": DIGEST}}},
    "timestamp": "2026-11-01T10:00:00.0",
    "_shodan": {"module": "https"},
}
CENSYS = {
    "ip": "198.51.100.8",
    "location": {"country_code": "DE"},
    "autonomous_system": {"asn": 64501, "name": "OTHER"},
    "services": [{"port": 80, "service_name": "HTTP", "software": [{"product": "Hikvision Web Server"}]}, "odd"],
    "last_updated_at": "2026-11-02T00:00:00Z",
}


def inventory():
    tls = TlsSeen(
        port=443, version="TLSv1.2", is_old_offered=False, subject="", issuer="", is_self_signed=True, key_bits=2048,
        signature="sha256", not_after_ns=0, sha256=DIGEST,
    )  # fmt: skip
    gate = replace(GOLDEN["hikvision-open"].seen("gate"), host="10.1.0.7")
    yard = replace(GOLDEN["dahua-open"].seen("yard"), host="10.1.0.8", tls=(tls,))
    return [gate, yard, replace(GOLDEN["axis-open"].seen("door"), host="10.1.0.9")]


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_scans_of_three_kinds_are_matched_by_address_port_and_certificate(tmp_path):
    exposed = [
        *read_scan(write(tmp_path, "a.xml", NMAP)),
        *read_scan(write(tmp_path, "b.json.gz", gzip.compress(json.dumps(SHODAN).encode() + b"\n"))),
        *read_scan(write(tmp_path, "c.json", json.dumps([CENSYS]))),
    ]
    report = match_exposure(
        exposed, inventory(), [Forwarding(address="198.51.100.8", port=80, device_id="door")], KNOWN
    )
    assert {device: (one.severity, one.rule) for device, (one,) in report.by_device.items()} == {
        "gate": (Severity.MEDIUM, "port-554"),
        "yard": (Severity.CRITICAL, "port-8443"),
        "door": (Severity.CRITICAL, "port-80"),
    }
    (yard,) = report.by_device["yard"]
    assert (yard.topic, yard.source, yard.data_date) == (Topic.EXPOSURE, "Shodan", date(2026, 11, 1))
    assert "certificate" in yard.sentence
    assert report.hosts == 3
    assert dict(report.by_country) == {"unknown": 1, "AT": 1, "DE": 1}
    assert dict(report.by_network)["AS64500 Example Net"] == 1
    assert dict(report.by_maker) == {"Hikvision": 2, "Dahua": 1}


def test_a_shared_certificate_matches_nobody(tmp_path):
    twins = [replace(one, tls=inventory()[1].tls) for one in inventory()]
    report = match_exposure(read_scan(write(tmp_path, "b", json.dumps(SHODAN))), twins, [], KNOWN)
    assert report.by_device == {}
    assert len(report.unmatched) == 1


XXE = '<!DOCTYPE nmaprun [<!ENTITY x SYSTEM "file:///etc/passwd">]><nmaprun>&x;</nmaprun>'
LAUGHS = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><nmaprun>&c;</nmaprun>'


@pytest.mark.parametrize(
    "content",
    [XXE, LAUGHS, "<html/>", "<nmaprun", '{"ip_str": "not one"}', "[1, 2]", "{", '{"a": 1}', "words", "", "[" * 9999],
    ids=["xxe", "laughs", "html", "cut", "no-address", "numbers", "brace", "other-json", "words", "empty", "deep"],
)
def test_bad_scans_are_refused_by_name(tmp_path, content):
    with pytest.raises(InvalidArgument, match="scan-7"):
        read_scan(write(tmp_path, "scan-7", content))


def test_forwardings_are_read_and_checked():
    assert read_forwardings(b"public,port,device\n198.51.100.8,,gate\n", where="n") == [
        Forwarding(address="198.51.100.8", port=0, device_id="gate")
    ]
    with pytest.raises(InvalidArgument, match="n, line 2"):
        read_forwardings(b"public,port,device\nhome,80,gate\n", where="n")
