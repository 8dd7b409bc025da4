"""Run by `unshare -n`: a whole audit with a capture of every interface; prints what left and what was said.

The camera answers what a hostile one would: it names another host in services, redirects, and streams. Every
address is routed back into the namespace, so that a single packet towards another host is seen.
"""

import json
import socket
import struct
import subprocess
import threading

from custodes.adapters.fleet.door import ListedDoor
from custodes.adapters.fleet.survey import Survey, Target
from custodes.runtime.clock import SystemClock
from custodes.testing.ending import joined
from custodes.testing.onvif import ENVELOPE, OnvifServer, answers
from custodes.testing.tcp import tcp_server

ELSEWHERE = "10.66.0.9"
ETH_P_ALL = 3
CONTROL = b"a packet that leaves"
REDIRECT = (
    f"HTTP/1.1 302 Found\r\nLocation: http://{ELSEWHERE}/\r\nServer: App-webs/\r\nContent-Length: 0\r\n"
    'WWW-Authenticate: Basic realm="x"\r\n\r\n'
).encode()
UNAUTHORISED = (
    b'RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nContent-Base: rtsp://10.66.0.9/\r\nWWW-Authenticate: Digest realm="IP '
    b'Camera(1)", nonce="a"\r\nWWW-Authenticate: Basic realm="IP Camera(1)"\r\n\r\n'
)


def main() -> None:
    # Every address leads into this namespace, so that a packet towards anybody is seen.
    for command in ("ip link set lo up", "ip route add local 0.0.0.0/0 dev lo"):
        subprocess.run(command.split(), check=True, timeout=600)
    capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    capture.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    done = threading.Event()
    packets: list[tuple[str, bytes]] = []

    def keep() -> None:
        capture.settimeout(0.2)
        while True:
            try:
                payload, address = capture.recvfrom(65_535)
            except TimeoutError:
                if done.is_set():
                    return
                continue
            packets.append((address[0], payload))

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    camera = answers(port=554, host=ELSEWHERE)
    camera["GetDeviceInformation"] = ENVELOPE.format(body="<GetDeviceInformationResponse/>").encode()
    with (
        OnvifServer(answers=camera, login=("admin", "admin")) as onvif,
        tcp_server(lambda sock: (sock.recv(4096), sock.sendall(REDIRECT))[0]) as web,
        tcp_server(lambda sock: [sock.sendall(UNAUTHORISED) for _ in iter(lambda: sock.recv(4096), b"")]) as rtsp,
    ):
        seen = []
        for http_port in (onvif.port, web):
            target = Target(
                device_id="a", name="a", host="127.0.0.1", http_port=http_port, rtsp_port=rtsp, https_port=web,
                stream_path="/Streaming/Channels/101",
            )  # fmt: skip
            door = ListedDoor(["127.0.0.1"])
            survey = Survey(door=door, clock=SystemClock(), pause=lambda: None, with_ports=True)
            seen += survey.run([target], lambda _: None)
        asked = list(onvif.seen)
    # The same capture sees a packet that does go elsewhere; it is counted apart.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stray:
        stray.sendto(CONTROL, (ELSEWHERE, 9))
    done.set()
    joined(keeper)
    control = [payload for _, payload in packets if payload.endswith(CONTROL)]
    packets = [(interface, payload) for interface, payload in packets if not payload.endswith(CONTROL)]
    targets, said = set(), b"".join(payload for _, payload in packets)
    for interface, payload in packets:
        kind = struct.unpack("!H", payload[12:14])[0]
        if kind == 0x0800:
            targets.add(f"{interface} {socket.inet_ntoa(payload[30:34])}")
        elif kind != 0x86DD:  # IPv6 of an interface that comes up is the kernel's own
            targets.add(f"{interface} {kind:#x}")
    print(
        json.dumps(
            {
                "control": len(control),
                "packets": len(packets),
                "targets": sorted(targets),
                "logins": sum(said.count(word) for word in (b"Authorization:", b"UsernameToken", b"Proxy-Auth")),
                "asked": asked,
                "needs_login": [one.onvif.needs_login for one in seen if one.onvif],
                "servers": [banner.server for one in seen for banner in one.banners],
                "realms": [banner.realm for one in seen for banner in one.banners],
            }
        )
    )


if __name__ == "__main__":
    main()
