"""The fleet: stored answers of 10,000 devices to a report, and a day of connection tracking of 1,000 cameras.

    python -m bench.fleet [--smoke]

`audit_10k_s`: SOAP answers, HTTP and RTSP banners and a certificate for each device are parsed, weighed, judged and
written as CSV and JSON. `conntrack_24h_1k_s`: a file of `conntrack -E -o timestamp` lines, about 550 connections a
camera and day (time, names, polls of the recorder, RTSP, multicast), two lines each, is read and judged. Among them
are planted ways to phone home, by six kinds; a planted one counts as found when any finding names its camera and peer
(`planted_found`), as told right when the class is right, too (`class_right`). Every other finding is a false one.
A smoke run takes a twentieth and multiplies.
"""

import argparse
import ipaddress
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from custodes.adapters.camera import soap
from custodes.adapters.fleet.banner import banner_of
from custodes.adapters.fleet.onvif_facts import facts_of
from custodes.adapters.fleet.tls import tls_seen
from custodes.adapters.fleet.traffic_files import read_traffic
from custodes.fleet.audit import judge_fleet
from custodes.fleet.egress import AllowedPeer, EgressWatch
from custodes.fleet.egress_class import Suspicion
from custodes.fleet.knowledge import load_knowledge
from custodes.fleet.observation import Observation, OnvifSeen
from custodes.fleet.tables import to_csv, to_json
from custodes.units import NS_PER_S, Ns
from eval.report import Report

NOW = Ns(1_795_600_000 * NS_PER_S)
DAY_S = 86_400
KINDS = (
    ("HIKVISION", "DS-2CD2142FWD-I", "V5.4.1 build {build}", "App-webs/", "IP Camera(1)", "/ISAPI/1", "4419b6"),
    ("ABUS", "IPCB42510A", "V5.5.82 build {build}", "App-webs/", "IP Camera(99)", "/Streaming/Channels/101", "c056e3"),
    ("Dahua", "IPC-HFW5231E-Z", "2.8.R, build: 20{build}", "", "Login to 4J01234PAZ567", "/cam/realmonitor", "9002a9"),
    ("AXIS", "P3245-V", "10.12.{build}", "", "AXIS_ACCC8E000001", "/axis-media/media.amp", "accc8e"),
    ("Hanwha Techwin", "XNV-8080R", "1.41.03_{build}", "", "iPolis", "/profile1/media.smp", "000918"),
    ("Reolink", "RLC-410W", "v3.0.0.{build}", "nginx", "", "/h264Preview_01_main", "ec71db"),
    ("PTZOptics", "PT30X-NDI-GY-G2", "6.3.{build}", "", "", "/1", "000000"),
    ("IPCAM", "C9F0SeZ3N0PbL0", "V13.1.{build}", "", "", "/0", "000000"),
)  # fmt: skip


def soap_answer(body: str) -> bytes:
    return (
        '<?xml version="1.0"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" '
        f'xmlns:tds="http://www.onvif.org/ver10/device/wsdl"><e:Body>{body}</e:Body></e:Envelope>'
    ).encode()


def certificate(organisation: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)])
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(begin).not_valid_after(begin + timedelta(days=3650))
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def stored_answers(count: int) -> Iterator[tuple[str, str, str, bytes, bytes, bytes, bytes, bytes]]:
    """(id, path, MAC, device information, scopes, HTTP, RTSP, certificate) as they would lie on a disk."""
    rng = random.Random(7)
    certificates = {kind[0]: certificate(kind[0]) for kind in KINDS}
    for number in range(count):
        maker, model, firmware, server, realm, path, prefix = KINDS[number % len(KINDS)]
        build = f"{rng.randint(15, 24)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}"
        tail = f"{number:06x}"
        device = soap_answer(
            f"<tds:GetDeviceInformationResponse><tds:Manufacturer>{maker}</tds:Manufacturer><tds:Model>{model}</tds:Model>"
            f"<tds:FirmwareVersion>{firmware.format(build=build)}</tds:FirmwareVersion><tds:SerialNumber>{number}"
            "</tds:SerialNumber><tds:HardwareId>88</tds:HardwareId></tds:GetDeviceInformationResponse>"
        )
        items = [f"name/{maker}", f"hardware/{model}", "type/video_encoder", "Profile/Streaming", "location/x"]
        scopes = "".join(f"<Scopes><ScopeItem>onvif://www.onvif.org/{one}</ScopeItem></Scopes>" for one in items)
        http = f"HTTP/1.1 200 OK\r\nServer: {server}\r\nContent-Length: 0\r\n\r\n".encode()
        rtsp = f'RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\nWWW-Authenticate: Digest realm="{realm}", nonce="1"\r\n\r\n'
        yield (
            f"cam-{number}",
            path,
            ":".join((prefix + tail)[place : place + 2] for place in range(0, 12, 2)),
            device,
            soap_answer(f"<tds:GetScopesResponse>{scopes}</tds:GetScopesResponse>"),
            http,
            rtsp.encode(),
            certificates[maker],
        )


def measure_audit(report: Report, count: int) -> None:
    known = load_knowledge()
    answers = list(stored_answers(count))
    start = time.perf_counter()
    observations = []
    for device_id, path, mac, device, scopes, http, rtsp, der in answers:
        onvif = OnvifSeen(**facts_of(soap.parse(device, where=device_id, operation="GetDeviceInformation")))
        told = soap.scopes_of(soap.parse(scopes, where=device_id, operation="GetScopes"))
        observations.append(
            Observation(
                device_id=device_id,
                name=device_id,
                host="192.0.2.1",
                stream_path=path,
                mac=mac,
                onvif=replace(onvif, scopes=tuple(told)),
                banners=(banner_of("http", 80, http), banner_of("rtsp", 554, rtsp)),
                tls=(tls_seen(443, "TLSv1.2", der, is_old_offered=False),),
                observed_ns=NOW,
            )
        )
    found = judge_fleet(observations, known, now_ns=NOW)
    size = len(to_csv(found)) + len(to_json(found))
    taken = time.perf_counter() - start
    assert size > count * 100
    report.results["audit_10k_s"] = taken * 10_000 / count
    report.results["verdicts_per_device"] = sum(len(one.verdicts) for one in found.devices) / count


RECORDER, CLOCK, RESOLVER = "10.8.0.2", "10.8.0.3", "10.8.0.4"


def line(at_s: float, kind: str, protocol: str, source: str, target: str, sport: int, dport: int, sent: int) -> str:
    number = 17 if protocol == "udp" else 6
    if kind == "NEW":
        state = "30" if protocol == "udp" else "120 SYN_SENT"
        ends = f"src={source} dst={target} sport={sport} dport={dport}"
        return (
            f"[{at_s:.6f}]\t    [NEW] {protocol:<8} {number} {state} {ends} "
            f"[UNREPLIED] src={target} dst={source} sport={dport} dport={sport}\n"
        )
    return (
        f"[{at_s:.6f}]\t[DESTROY] {protocol:<8} {number} src={source} dst={target} sport={sport} dport={dport} "
        f"packets=4 bytes={sent} src={target} dst={source} sport={dport} dport={sport} packets=3 bytes=900 [ASSURED]\n"
    )


def benign(rng: random.Random, camera: str) -> Iterator[tuple[float, str, str, str, int, int]]:
    """(second, protocol, source, target, port, bytes) of one day."""
    for beat in range(84):
        yield beat * 1024 + rng.random() * 30, "udp", camera, CLOCK, 123, 76
    for _ in range(60):
        yield rng.random() * DAY_S, "udp", camera, RESOLVER, 53, 70
    for beat in range(288):
        yield beat * 300 + rng.random() * 5, "tcp", RECORDER, camera, 80, 3000
    for _ in range(10):
        yield rng.random() * DAY_S, "tcp", RECORDER, camera, 554, 400_000_000
    for _ in range(40):
        yield rng.random() * DAY_S, "tcp", camera, RECORDER, 8080, 20_000
    for beat in range(48):
        yield beat * 1800 + rng.random() * 9, "udp", camera, "239.255.255.250", 3702, 900
    for _ in range(20):
        yield rng.random() * DAY_S, "udp", camera, "224.0.0.251", 5353, 200
    for beat in range(2):
        yield beat * 43_200 + rng.random() * 60, "udp", camera, "255.255.255.255", 67, 340


def planted(
    rng: random.Random, camera: str, way: int
) -> tuple[str, Suspicion, list[tuple[float, str, str, str, int, int]]]:
    """(its peer, what it should be called, the connections)."""
    peer = str(
        ipaddress.ip_address(
            rng.randrange(int(ipaddress.ip_address("93.0.0.0")), int(ipaddress.ip_address("94.0.0.0")))
        )
    )
    begin = rng.random() * DAY_S / 4
    if way == 0:
        gap = rng.choice([60, 300, 900, 3600])
        beats = [begin + n * gap + rng.random() * gap * 0.1 for n in range(min(int(DAY_S * 0.7 / gap), 200))]
        return peer, Suspicion.BEACON, [(at, "tcp", camera, peer, 443, 800) for at in beats]
    if way == 1:
        return peer, Suspicion.P2P, [(begin + n * 40, "udp", camera, peer, 8800, 300) for n in range(9)]
    if way == 2:
        return peer, Suspicion.TUNNEL, [(begin, "udp", camera, peer, 51820, 9_000_000)]
    if way == 3:
        return peer, Suspicion.UPLOAD, [(begin, "tcp", camera, peer, 443, 80_000_000)]
    if way == 4:
        return peer, Suspicion.OTHER, [(begin, "tcp", camera, peer, rng.choice([80, 443, 8883]), 500)]
    return peer, Suspicion.INBOUND, [(begin, "tcp", peer, camera, 80, 500)]


def write_day(path: Path, cameras: list[str]) -> dict[tuple[str, str], Suspicion]:
    """The file, sorted by time as conntrack writes; what is planted in it. One camera in three phones home."""
    rng = random.Random(11)
    rows: list[tuple[float, str]] = []
    hidden: dict[tuple[str, str], Suspicion] = {}
    for number, camera in enumerate(cameras):
        flows = list(benign(rng, camera))
        if number % 3 == 0:
            peer, suspicion, more = planted(rng, camera, number // 3 % 6)
            hidden[camera, peer] = suspicion
            flows += more
        for at_s, protocol, source, target, port, sent in flows:
            sport, base = rng.randint(20_000, 60_000), NOW / NS_PER_S - DAY_S
            rows.append((at_s, line(base + at_s, "NEW", protocol, source, target, sport, port, 0)))
            end = at_s + 1 + rng.random() * 60
            rows.append((end, line(base + end, "DESTROY", protocol, source, target, sport, port, sent)))
    rows.sort()
    with path.open("w", encoding="ascii") as stream:
        stream.writelines(text for _, text in rows)
    return hidden


def measure_traffic(report: Report, folder: Path, count: int) -> None:
    cameras = [str(ipaddress.ip_address("10.9.0.0") + number) for number in range(1, count + 1)]
    path = folder / "conntrack.log"
    hidden = write_day(path, cameras)
    allowed = [AllowedPeer(network=ipaddress.ip_network(one)) for one in (RECORDER, CLOCK, RESOLVER)]
    start = time.perf_counter()
    watch = EgressWatch({camera: camera for camera in cameras}, allowed, load_knowledge())
    watch.take_all(read_traffic(path))
    found = watch.report()
    taken = time.perf_counter() - start
    told = {(one.device, one.peer): one.suspicion for one in found.findings}
    report.results["conntrack_24h_1k_s"] = taken * 1000 / count
    report.results["flows_per_s"] = found.flows / taken
    report.results["planted"] = len(hidden)
    report.results["planted_found"] = sum(one in told for one in hidden) / len(hidden)
    report.results["class_right"] = sum(told.get(one) is wanted for one, wanted in hidden.items()) / len(hidden)
    report.results["false_findings_a_day"] = len(set(told) - set(hidden))
    report.config["lines"] = found.flows
    report.config["megabytes"] = path.stat().st_size // 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.fleet")
    parser.add_argument("--smoke", action="store_true")
    smoke = parser.parse_args().smoke
    devices, cameras = (500, 50) if smoke else (10_000, 1000)
    report = Report("bench.fleet", smoke=smoke, config={"devices": devices, "cameras": cameras})
    report.progress(1, 2, "audit")
    measure_audit(report, devices)
    report.progress(2, 2, "a day of traffic")
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as name:
        measure_traffic(report, Path(name), cameras)
    report.finish()


if __name__ == "__main__":
    main()
