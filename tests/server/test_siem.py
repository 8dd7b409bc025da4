"""The audit log at a syslog server: a real log, real sockets, servers that vanish and come back."""

import asyncio
import json
import re
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager, suppress

import pytest
from pydantic import ValidationError

from custodes.adapters.notify.syslog import SyslogSender
from custodes.app.serving.siem import SiemForwarder, as_message
from custodes.config import SitePaths, load_site_yaml
from custodes.config.outside import SiemConfig
from custodes.errors import ConfigError, DataLoss, Unavailable
from custodes.runtime.clock import SystemClock
from custodes.testing.web import LoggingWarden
from custodes.types.access import AuditKind, AuditRecord, LogEntry
from custodes.units import Ns

HEADER = re.compile(r"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (\S+) custodes - (\S+) - (.*)", re.DOTALL)


class Collector:
    """A TCP syslog server that reads octet-counted messages until it is told to go."""

    def __init__(self, context: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.messages: list[str] = []
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", port))
        self._open: list[socket.socket] = []
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
                if self._context is not None:
                    connection = self._context.wrap_socket(connection, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while True:
                length = b""
                while (digit := stream.read(1)) not in (b" ", b""):
                    length += digit
                if not length:
                    return
                self.messages.append(stream.read(int(length)).decode())

    def wait_for(self, count: int) -> list[str]:
        for _ in range(1200):
            if len(self.messages) >= count:
                return self.messages
            threading.Event().wait(0.05)
        raise AssertionError(f"{len(self.messages)} of {count} messages came")

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):  # the other side hung up before
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(60)


@contextmanager
def collecting(context=None):
    collector = Collector(context)
    try:
        yield collector
    finally:
        collector.stop()


def record(kind=AuditKind.LOGIN, actor="Ada Lovelace", subject="", **details):
    return AuditRecord(kind=kind, actor=actor, subject=subject, details=details)


@pytest.fixture
def warden(tmp_path):
    return LoggingWarden(tmp_path, SystemClock())


def forwarder(warden, tmp_path, server, **changes):
    config = SiemConfig(server=server, **changes)
    syslog = SyslogSender(config.server, ca_file=config.ca_file, certificate=config.certificate)
    return SiemForwarder(config=config, warden=warden, syslog=syslog, paths=SitePaths(tmp_path), site_id="ab" * 8)


def send_all(one):
    async def steps():
        while await one.step():
            pass

    asyncio.run(steps())


def add(warden, *records):
    async def append():
        for each in records:
            await warden.append(each)

    asyncio.run(append())


def numbers(messages):
    return [int(re.search(r"externalId=(\d+)", message)[1]) for message in messages]


def test_new_entries_arrive_in_order_and_say_who_did_what(warden, tmp_path):
    add(warden, record(actor="before"))
    with collecting() as collector:
        one = forwarder(warden, tmp_path, f"tcp://127.0.0.1:{collector.port}")
        send_all(one)
        add(warden, record(), record(AuditKind.ACCESS_DENIED, subject="gate", purpose="case", reference="2026=7|x"))
        add(warden, record(AuditKind.SEGMENT_SEALED, "process:recorder", "seg"), record(AuditKind.LOGOUT))
        send_all(one)
        messages = collector.wait_for(3)
    login, denied, logout = messages
    assert "before" not in login, "a new server begins at now"
    level, _, host, kind, text = HEADER.fullmatch(denied).groups()
    assert (level, host, kind) == (str(13 * 8 + 5), socket.gethostname(), "access_denied")
    assert text.startswith("CEF:0|custodes|custodes|")
    assert "|access_denied|access denied|5|" in text
    assert "suser=Ada Lovelace" in text
    assert "outcome=failure" in text
    assert '"reference": "2026\\=7|x"' in text, "= is escaped in values, | is not (CEF)"
    (entry,) = warden.log.read(numbers([denied])[0], 1)
    assert f"cs1={entry.leaf_hash.hex()}" in text, "a copy can be held against the log"
    assert numbers(messages) == sorted(numbers(messages))
    assert "|logout|" in logout


def test_server_that_vanishes_gets_what_it_may_have_lost_again_and_nothing_is_left_out(warden, tmp_path):
    collector = Collector()
    one = forwarder(warden, tmp_path, f"tcp://127.0.0.1:{collector.port}")
    send_all(one)
    first = warden.log.checkpoint().size
    add(warden, record(actor="one"))
    send_all(one)
    collector.wait_for(1)
    collector.stop()
    add(warden, record(actor="two"))
    with pytest.raises(Unavailable, match=r"syslog server 127\.0\.0\.1:\d+ does not take the log"):
        send_all(one)
    add(warden, record(actor="three"))
    again = Collector(port=collector.port)
    send_all(one)
    seen = numbers(again.wait_for(3))
    again.stop()
    assert seen == [first, first + 1, first + 2]


def test_restart_goes_on_where_it_was(warden, tmp_path):
    with collecting() as collector:
        server = f"tcp://127.0.0.1:{collector.port}"
        send_all(forwarder(warden, tmp_path, server))
        add(warden, record(actor="one"))
        send_all(forwarder(warden, tmp_path, server))
        add(warden, record(actor="two"))
        send_all(forwarder(warden, tmp_path, server))
        found = numbers(collector.wait_for(3))
    assert set(found) == set(range(min(found), min(found) + 2)), "at least once, none left out"


def test_quiet_log_of_recordings_alone_ends(warden, tmp_path):
    with collecting() as collector:
        one = forwarder(warden, tmp_path, f"tcp://127.0.0.1:{collector.port}")
        send_all(one)
        add(warden, *(record(AuditKind.SEGMENT_SEALED, "process:recorder") for _ in range(450)))
        send_all(one)
        add(warden, record(actor="last"))
        send_all(one)
        assert "suser=last" in collector.wait_for(1)[0]


def test_without_names_nobody_is_named(warden, tmp_path):
    with collecting() as collector:
        one = forwarder(warden, tmp_path, f"tcp://127.0.0.1:{collector.port}", names=False)
        send_all(one)
        add(warden, record(AuditKind.ACCESS_GRANTED, subject="gate", reference="somebody's case"))
        send_all(one)
        (message,) = collector.wait_for(1)
    for secret in ("Ada", "gate", "somebody"):
        assert secret not in message
    assert "externalId=" in message


def test_json_is_json(warden, tmp_path):
    with collecting() as collector:
        one = forwarder(warden, tmp_path, f"tcp://127.0.0.1:{collector.port}", format="json")
        send_all(one)
        add(warden, record(actor="Žofie\n<13>1 forged"))
        send_all(one)
        (message,) = collector.wait_for(1)
    told = json.loads(HEADER.fullmatch(message)[5])
    assert (told["kind"], told["actor"]) == ("login", "Žofie\n<13>1 forged")
    assert "\n" not in message


@pytest.mark.parametrize("name", ["a\nb", "a\r\n<14>1 - - - - - x", "a|b", "a=b", "a\\", "\x00", "\u2028x"])
def test_hostile_names_stay_within_their_field(name):
    entry = LogEntry(index=7, utc_ns=Ns(1_000_000_000), record=record(actor=name, subject=name), leaf_hash=bytes(32))
    text = as_message(entry, config=SiemConfig(server="udp://h"), host="h", site_id="s").decode()
    assert text.isprintable()
    extension = text.split("|", 8)[7]
    keys = re.findall(r"(?<!\\)(?:^| )(\w+)=", extension)
    assert keys.count("suser") <= 1
    assert len(keys) == len(set(keys))


def make_certificate(folder, name):
    subprocess.run(
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name}"
        f" -addext subjectAltName=IP:{name} -keyout key.pem -out cert.pem".split(),
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=600,
    )
    return folder / "cert.pem", folder / "key.pem"


def test_tls_server_has_to_be_the_one_that_is_configured(warden, tmp_path):
    cert, key = make_certificate(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with collecting(context) as collector:
        server = f"tls://127.0.0.1:{collector.port}"
        stranger = forwarder(warden, tmp_path, server)
        send_all(stranger)
        add(warden, record())
        with pytest.raises(Unavailable, match="certificate verify failed"):
            send_all(stranger)
        send_all(forwarder(warden, tmp_path, server, ca_file=cert))
        assert "suser=Ada Lovelace" in collector.wait_for(1)[0]


def test_udp_is_one_datagram_each(warden, tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(120)
        one = forwarder(warden, tmp_path, f"udp://127.0.0.1:{receiver.getsockname()[1]}")
        send_all(one)
        add(warden, record(actor="one"), record(actor="two"))
        send_all(one)
        texts = [receiver.recv(65536).decode() for _ in range(2)]
    assert ["suser=one" in texts[0], "suser=two" in texts[1]] == [True, True]


def test_position_that_is_no_position_is_said_and_nothing_is_sent(warden, tmp_path):
    SitePaths(tmp_path).siem.write_text("{}")
    with pytest.raises(DataLoss, match=r"siem\.json does not say how far the log went"):
        send_all(forwarder(warden, tmp_path, "tcp://127.0.0.1:9"))


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ("siem: {server: 'http://h'}", "siem.server"),
        ("siem: {server: 'tcp://user:pw@h'}", "siem.server"),
        ("siem: {server: 'tcp://h', ca_file: x.pem}", "ca_file and certificate are for tls:// servers"),
        ("siem: {server: 'tcp://h', format: leef}", "siem.format"),
        ("home: {server: 'mqtt://h', topic: 'a/#'}", "home.topic"),
        ("home: {server: 'tcp://h'}", "home.server"),
    ],
)
def test_wrong_configuration_is_named(tmp_path, tree, words):
    (tmp_path / "site.yaml").write_text(tree)
    with pytest.raises(ConfigError, match=re.escape(words)):
        load_site_yaml(tmp_path / "site.yaml")


def test_files_are_beside_the_configuration(tmp_path):
    (tmp_path / "site.yaml").write_text("siem: {server: 'tls://h', ca_file: ca.pem}\nhome: {server: 'mqtts://h'}\n")
    config = load_site_yaml(tmp_path / "site.yaml")
    assert config.siem.ca_file == tmp_path / "ca.pem"
    with pytest.raises(ConfigError, match="is no certificate"):
        SyslogSender(config.siem.server, ca_file=config.siem.ca_file)
    with pytest.raises(ValidationError):
        SiemConfig(server="tls://h", extra=1)
