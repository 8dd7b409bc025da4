"""Reading what other tools saw of the cameras' traffic, and telling what it is."""

import gzip
import io
import ipaddress
import itertools
import json
import re
import shutil
import struct
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.adapters.fleet.conntrack import read_conntrack
from custodes.adapters.fleet.dns_log import read_dns_log
from custodes.adapters.fleet.netflow import read_netflow5, read_nfdump
from custodes.adapters.fleet.netflow_templates import read_templated
from custodes.adapters.fleet.pcap import read_pcap
from custodes.adapters.fleet.traffic_files import read_traffic
from custodes.adapters.fleet.wire_names import dns_of, server_name_of
from custodes.adapters.fleet.zeek import read_zeek
from custodes.errors import InvalidArgument
from custodes.fleet.egress import AllowedPeer, EgressWatch
from custodes.fleet.egress_class import Suspicion
from custodes.fleet.flow import DnsAnswer, DnsQuestion, Flow
from custodes.fleet.knowledge import load_knowledge
from custodes.fleet.networks import read_networks
from custodes.fleet.walls import nftables, switch_acl

CAMERA, RECORDER, PEER = "10.1.0.7", "10.1.0.2", "93.184.216.34"
KNOWN = load_knowledge()
S = 1_000_000_000
T0 = 1_795_000_000 * S
ALLOWED = [AllowedPeer(network=ipaddress.ip_network("10.1.0.2/32"))]


def judge(*told, allowed=ALLOWED, networks=None):
    watch = EgressWatch({CAMERA: "gate", "10.1.0.8": "yard"}, allowed, KNOWN, networks)
    watch.take_all(told)
    return watch.report()


def flow(peer=PEER, port=443, protocol="tcp", *, at_s=0.0, **more):
    return Flow(T0 + int(at_s * S), CAMERA, peer, port, protocol, **more)


CONNTRACK = """\
[1795000000.250000]\t    [NEW] tcp      6 120 SYN_SENT src=10.1.0.7 dst=93.184.216.34 sport=40000 dport=443 \
[UNREPLIED] src=93.184.216.34 dst=10.1.0.7 sport=443 dport=40000 id=1
[1795000000.300000]\t [UPDATE] tcp      6 60 SYN_RECV src=10.1.0.7 dst=93.184.216.34 sport=40000 dport=443 \
src=93.184.216.34 dst=10.1.0.7 sport=443 dport=40000 id=1
[1795000060.000000]\t[DESTROY] tcp      6 src=10.1.0.7 dst=93.184.216.34 sport=40000 dport=443 packets=9 bytes=1200 \
src=93.184.216.34 dst=10.1.0.7 sport=443 dport=40000 packets=7 bytes=4000 [ASSURED] id=1
[1795000061.5]\t[DESTROY] udp      17 src=10.1.0.7 dst=10.1.0.2 sport=5 dport=123 packets=1 bytes=76 src=10.1.0.2 \
dst=10.1.0.7 sport=123 dport=5 packets=1 bytes=76
conntrack v1.4.7 (conntrack-tools): 2 flow events have been shown.
"""


def test_conntrack_counts_a_connection_once_and_its_bytes_at_the_end():
    flows = list(read_conntrack(io.StringIO(CONNTRACK)))
    assert [(one.target, one.port, one.protocol, one.sent, one.received, one.connections) for one in flows] == [
        (PEER, 443, "tcp", 0, 0, 1),
        (PEER, 443, "tcp", 1200, 4000, 0),
        (RECORDER, 123, "udp", 76, 76, 1),
    ]
    assert flows[0].start_ns == T0 + S // 4


def test_conntrack_list_of_the_present_is_read_too():
    line = (
        "ipv4     2 tcp      6 431999 ESTABLISHED src=10.1.0.7 dst=93.184.216.34 sport=1 dport=8800 packets=1 "
        "bytes=60 src=93.184.216.34 dst=10.1.0.7 sport=8800 dport=1 packets=1 bytes=52 [ASSURED] mark=0 use=1"
    )
    (one,) = read_conntrack([line])
    assert (one.protocol, one.port, one.sent, one.received, one.start_ns) == ("tcp", 8800, 60, 52, 0)


ZEEK_CONN = (
    "#separator \\x09\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\torig_bytes\tresp_bytes\n"
    f"1795000000.5\tC1\t{CAMERA}\t40000\t{PEER}\t443\ttcp\t100\t-\n"
)
ZEEK_SSL = {
    "ts": 1795000000.5,
    "id.orig_h": CAMERA,
    "id.resp_h": PEER,
    "id.resp_p": 443,
    "server_name": "A.Hik-Connect.com",
}
ZEEK_DNS = {
    "ts": 1795000000,
    "id.orig_h": CAMERA,
    "id.resp_h": RECORDER,
    "query": "x.reolink.com",
    "answers": [PEER, "n.x"],
}


def test_zeeks_logs_in_both_forms():
    assert list(read_zeek(io.StringIO(ZEEK_CONN))) == [Flow(T0 + S // 2, CAMERA, PEER, 443, "tcp", 100, 0, 1)]
    told = list(read_zeek([json.dumps(ZEEK_SSL), json.dumps(ZEEK_DNS), "{broken", "[]"]))
    assert told[0] == Flow(T0 + S // 2, CAMERA, PEER, 443, "tcp", 0, 0, 0, "a.hik-connect.com")
    assert told[1:] == [DnsQuestion(T0, CAMERA, "x.reolink.com"), DnsAnswer("x.reolink.com", PEER)]


def test_resolvers_logs():
    lines = [
        f"Nov 18 11:06:40 gw dnsmasq[7]: query[A] P2P.Example.com from {CAMERA}",
        f"Nov 18 11:06:40 gw dnsmasq[7]: reply p2p.example.com is {PEER}",
        "Nov 18 11:06:40 gw dnsmasq[7]: reply p2p.example.com is <CNAME>",
        f"[1795000000] unbound[1:0] info: {CAMERA} time.example.org. A IN",
    ]
    found = list(read_dns_log(lines, year=2026))
    assert found[0].name == "p2p.example.com"
    assert found[1] == DnsAnswer("p2p.example.com", PEER)
    assert found[2] == DnsQuestion(T0, CAMERA, "time.example.org")
    assert len(found) == 3


def netflow5(*targets):
    head = struct.pack("!HHIIIIBBH", 5, len(targets), 10_000, T0 // S, 0, 0, 0, 0, 0)
    rows = [
        ipaddress.ip_address(CAMERA).packed + ipaddress.ip_address(one).packed
        + struct.pack("!4sHHIIIIHHBBBBHHBBH", b"", 0, 0, 3, 180, 9_000, 9_500, 4000, 51820, 0, 0, 17, 0, 0, 0, 0, 0, 0)
        for one in targets
    ]  # fmt: skip
    return head + b"".join(rows)


def test_netflow_5_and_nfdumps_csv():
    (one,) = read_netflow5(netflow5(PEER), where="n")
    assert one == Flow(T0 - S, CAMERA, PEER, 51820, "udp", 180)
    with pytest.raises(InvalidArgument, match="cut off at byte"):
        list(read_netflow5(netflow5(PEER)[:-1], where="n"))
    with pytest.raises(InvalidArgument, match="no NetFlow version 5 at byte 72"):
        list(read_netflow5(netflow5(PEER) + b"\0" * 80, where="n"))
    text = f"ts,te,td,sa,da,sp,dp,pr,ibyt,obyt\n2026-11-18 11:06:40,x,1,{CAMERA},{PEER},9,443,TCP,55,66\nSummary,,,\n"
    (row,) = read_nfdump(io.StringIO(text), where="n")
    assert (row.target, row.port, row.protocol, row.sent, row.received) == (PEER, 443, "tcp", 55, 66)


def ip(source, target, number, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, number, 0,
                       ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed)  # fmt: skip
    return b"\0" * 12 + b"\x08\x00" + head + payload


def tcp(sport, dport, flags, data=b""):
    return struct.pack("!HHIIBBHHH", sport, dport, 0, 0, 0x50, flags, 0, 0, 0) + data


def hello(name):
    sni = struct.pack("!HHHBH", 0, len(name) + 5, len(name) + 3, 0, len(name)) + name
    body = b"\x03\x03" + b"r" * 32 + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" + struct.pack("!H", len(sni)) + sni
    return b"\x16\x03\x01" + struct.pack("!H", len(body) + 4) + b"\x01" + len(body).to_bytes(3, "big") + body


def dns(name, answer=None):
    labels = b"".join(bytes([len(one)]) + one for one in name.encode().split(b".")) + b"\0"
    flags, count = (0x8180, 1) if answer else (0x0100, 0)
    message = struct.pack("!HHHHHH", 1, flags, 1, count, 0, 0) + labels + b"\0\x01\0\x01"
    if answer:
        message += b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + ipaddress.ip_address(answer).packed
    return message


def capture(*frames):
    out = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for number, frame in enumerate(frames):
        out += struct.pack("<IIII", T0 // S + number, 0, len(frame), len(frame)) + frame
    return out


FRAMES = (
    ip(CAMERA, RECORDER, 17, struct.pack("!HHHH", 999, 53, 0, 0) + dns("dev.easy4ip.com")),
    ip(RECORDER, CAMERA, 17, struct.pack("!HHHH", 53, 999, 0, 0) + dns("dev.easy4ip.com", PEER)),
    ip(CAMERA, PEER, 6, tcp(40000, 443, 2)),
    ip(PEER, CAMERA, 6, tcp(443, 40000, 0x12)),
    ip(CAMERA, PEER, 6, tcp(40000, 443, 0x18, hello(b"www.easy4ip.com"))),
)


def test_capture_gives_who_began_server_name_and_questions():
    told = list(read_pcap(io.BytesIO(capture(*FRAMES)), where="c"))
    assert DnsQuestion(T0, CAMERA, "dev.easy4ip.com") in told
    assert DnsAnswer("dev.easy4ip.com", PEER) in told
    to_peer = [one for one in told if type(one) is Flow and one.target == PEER]
    assert all(one.source == CAMERA and one.port == 443 for one in to_peer)
    assert sum(one.connections for one in to_peer) == 1
    assert "www.easy4ip.com" in {one.name for one in to_peer}
    (finding,) = judge(*told).findings
    assert (finding.suspicion, finding.name) == (Suspicion.VENDOR, "www.easy4ip.com")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_bent_captures_end_in_an_error_of_ours_or_in_flows(data):
    good = bytearray(capture(*FRAMES))
    for _ in range(data.draw(st.integers(1, 6))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = good[: data.draw(st.integers(0, len(good)))]
    try:
        list(read_pcap(io.BytesIO(bytes(cut)), where="c"))
    except InvalidArgument:
        return


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_no_name_or_a_clean_one(raw):
    assert re.fullmatch(r"[!-~]*", server_name_of(raw))
    for one in itertools.islice(dns_of(raw, at_ns=0, client=CAMERA), 100):
        assert len(one.name) < 10_000


@given(st.lists(st.text(max_size=200), max_size=20))
@settings(max_examples=40, deadline=None)
def test_any_lines_are_passed_over_or_read(lines):
    list(read_conntrack([f"{one} src=a dst=b" for one in lines]))
    list(read_zeek(["#fields\tts\tid.orig_h\tid.resp_h\tproto", *lines]))
    list(read_dns_log(lines, year=2026))


FILES = {
    "conntrack": CONNTRACK.encode(),
    "zeek": ZEEK_CONN.encode(),
    "capture": capture(*FRAMES),
    "netflow": netflow5(PEER),
    "netflow 9": bytes.fromhex(
        "00090002000027106afd86c00000000100000007000000280104000800080004000c000400070002000b000200040001000100040016000400"
        "150004010400200a0100075db8d8229c40ca6c11000000b4000023280000251c000000"
    ),
    "packed": gzip.compress(CONNTRACK.encode()),
}


@pytest.mark.parametrize("name", FILES)
def test_files_are_known_by_their_content(tmp_path, name):
    path = tmp_path / "anything"
    path.write_bytes(FILES[name])
    assert any(type(one) is Flow and one.target == PEER for one in read_traffic(path))


def test_another_file_is_refused_by_name(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear camera\n")
    with pytest.raises(InvalidArgument, match=r"letter\.txt is none of"):
        list(read_traffic(path))


def test_what_is_allowed_and_what_stays_on_the_link_is_no_finding():
    report = judge(
        flow(RECORDER, 554),
        Flow(T0, RECORDER, CAMERA, 80, "tcp"),
        flow("239.255.255.250", 1900, "udp"),
        flow("255.255.255.255", 67, "udp"),
        flow("224.0.0.251", 5353, "udp"),
        Flow(T0, "10.1.0.99", PEER, 443, "tcp"),
    )
    assert report.findings == ()
    assert (report.allowed, report.foreign) == (5, 1)


def beats(gap_s, count, jitter=0.0):
    return [flow(at_s=n * gap_s + jitter * ((n * 7919) % 11 - 5)) for n in range(count)]


@pytest.mark.parametrize(
    ("told", "suspicion"),
    [
        ([flow(port=51820, protocol="udp")], Suspicion.TUNNEL),
        ([flow(port=0, protocol="gre")], Suspicion.TUNNEL),
        ([flow(port=32100, protocol="udp")], Suspicion.P2P),
        ([flow(sent=60_000_000)], Suspicion.UPLOAD),
        (beats(300, 12, jitter=2.0), Suspicion.BEACON),
        ([DnsAnswer("a.hik-connect.com", PEER), flow()], Suspicion.VENDOR),
        ([flow(name="p2p.reolink.com")], Suspicion.VENDOR),
        ([Flow(T0, PEER, CAMERA, 23, "tcp")], Suspicion.INBOUND),
        ([flow("10.1.0.8", 80)], Suspicion.NEIGHBOUR),
        ([flow("8.8.8.8", 53, "udp")], Suspicion.NAMES),
        ([flow(port=123, protocol="udp")], Suspicion.TIME),
        ([flow()], Suspicion.OTHER),
        ([flow(at_s=at) for at in (0, 9, 800, 4000, 4100, 9000, 9700, 30_000, 31_000, 70_000)], Suspicion.OTHER),
    ],
)
def test_what_it_looks_like(told, suspicion):
    (finding,) = judge(*told).findings
    assert finding.suspicion is suspicion


def test_a_search_among_many_relays_is_one_finding():
    report = judge(*(flow(f"93.184.{n}.9", 20_000 + n, "udp") for n in range(40)))
    (finding,) = report.findings
    assert (finding.suspicion, finding.peers) == (Suspicion.P2P, 40)


def test_a_tunnel_through_names_is_found_and_a_clouds_names_are_not():
    tunnel = [DnsQuestion(T0 + n, CAMERA, f"{n:032x}{n:08x}.t.example.org") for n in range(300)]
    cloud = [DnsQuestion(T0 + n, CAMERA, f"relay{n}.eu.example.net") for n in range(300)]
    (finding,) = judge(*tunnel, *cloud).findings
    assert (finding.suspicion, finding.peer) == (Suspicion.TUNNEL, "example.org")


def test_whose_a_peer_is_comes_from_the_operators_table():
    table = read_networks(b"network,country,name\n93.184.0.0/16,ZZ,Wide\n93.184.216.0/24,XX,Narrow\n", where="t")
    (finding,) = judge(flow(), networks=table).findings
    assert (finding.whose.country, finding.whose.name) == ("XX", "Narrow")
    assert table.find("93.184.1.1").name == "Wide"
    assert table.find("10.0.0.1").name == ""
    with pytest.raises(InvalidArgument, match="t, line 3"):
        read_networks(b"network,country,name\n10.0.0.0/8,XX,a\nnonsense,XX,b\n", where="t")


def test_proposed_rules_name_only_addresses_and_are_understood(tmp_path):
    rules = nftables(
        [CAMERA, "fd00::7"],
        [*ALLOWED, AllowedPeer(network=ipaddress.ip_network("10.1.0.3/32"), port=123, protocol="udp")],
    )
    assert "ip daddr 10.1.0.3/32 udp dport 123 accept" in rules
    assert "drop" in rules
    assert rules.startswith("# proposal")
    with pytest.raises(ValueError, match="does not appear"):
        nftables(["10.1.0.7; flush ruleset"], [])
    acl = switch_acl([CAMERA], ALLOWED)
    assert f" permit ip host {CAMERA} 10.1.0.2 0.0.0.0" in acl
    assert f" deny ip host {CAMERA} any log" in acl
    if shutil.which("nft"):
        (tmp_path / "r").write_text(rules)
        subprocess.run(["nft", "-c", "-f", str(tmp_path / "r")], check=True, timeout=30)


SCAPY_V9 = bytes.fromhex(
    "00090002000027106afd86c00000000100000007000000280104000800080004000c000400070002000b000200040001000100040016000400"
    "150004010400200a0100075db8d8229c40ca6c11000000b4000023280000251c000000"
)
"""Made by scapy: a template and one record, 10.1.0.7 to 93.184.216.34, UDP 51820, 180 bytes."""


def test_netflow_9_as_another_program_writes_it():
    (one,) = read_templated(SCAPY_V9, where="n")
    assert one == Flow(T0 - S, CAMERA, PEER, 51820, "udp", 180)
    assert len(list(read_templated(SCAPY_V9 * 3, where="n"))) == 3


def sets(*found):
    return b"".join(struct.pack("!HH", number, len(body) + 4) + body for number, body in found)


def ipfix(*found, seconds=T0 // S):
    body = sets(*found)
    return struct.pack("!HHIII", 10, 16 + len(body), seconds, 1, 9) + body


def template(number, *fields):
    return struct.pack("!HH", number, len(fields)) + b"".join(
        struct.pack("!HH", element, length) + (struct.pack("!I", 29305) if element & 0x8000 else b"")
        for element, length in fields
    )


FIELDS = ((27, 16), (28, 16), (4, 1), (11, 2), (0x8001, 8), (82, 0xFFFF), (231, 8), (232, 8), (152, 8))


def record(name=b"eth0"):
    six = ipaddress.ip_address("2001:db8::7").packed + ipaddress.ip_address("2001:db8::22").packed
    return six + struct.pack("!BHQ", 6, 443, 77) + bytes([len(name)]) + name + struct.pack("!QQQ", 10, 20, T0 // 10**6)


def test_ipfix_with_enterprise_and_variable_fields_and_a_template_that_comes_late():
    flows = list(read_templated(
        ipfix((300, record() + record(b""))) + ipfix((2, template(300, *FIELDS)), (300, record())), where="n",
    ))  # fmt: skip
    assert len(flows) == 3
    assert set(flows) == {Flow(T0, "2001:db8::7", "2001:db8::22", 443, "tcp", 10, 20)}


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (SCAPY_V9[:-4], "set of 32 bytes"),
        (SCAPY_V9[:10], "cut off at byte 0"),
        (SCAPY_V9 + b"\x00\x07", "cut off"),
        (b"\x00\x0b" * 20, "neither NetFlow version 9 nor IPFIX at byte 0"),
        (ipfix((300, record())), "the templates of none"),
        (ipfix((2, template(300, (1, 0)))), "records are empty"),
        (ipfix((2, struct.pack("!HH", 300, 60_000))), "60000 fields"),
        (ipfix((2, struct.pack("!HH", 300, 3) + b"\0\1\0\4")), "template is cut off"),
        (ipfix((2, template(300, *FIELDS)), (300, record(b"e" * 200)[:80])), "is cut off"),
        (b"".join(ipfix((2, template(256 + k % 60_000, (1, 4)))) for k in range(5000)), "more than 4096 templates"),
        (ipfix((2, template(300, (4, 1))))[:-1], "cut off"),
        (struct.pack("!HHIIIIHH", 9, 1, 0, 0, 0, 0, 256, 3), "set of 3 bytes"),
    ],
)
def test_export_packets_that_are_wrong_are_named(payload, message):
    with pytest.raises(InvalidArgument, match=message):
        list(read_templated(payload, where="n"))


def test_records_that_fit_no_template_wait_in_bounded_room():
    many = ipfix((300, bytes(60_000))) * 200 + ipfix((2, template(301, *FIELDS)), (301, record()))
    assert len(list(read_templated(many, where="n"))) == 1
