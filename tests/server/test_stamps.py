"""Time stamps from a real authority (`openssl ts` behind HTTP) into a real log, out again, and checked by openssl."""

import asyncio
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import custodes_verify
from custodes.adapters.witness.tsa import TimestampAuthority
from custodes.app.serving.witnesses import stamp_once
from custodes.audit.export import export_log, policy_text
from custodes.audit.verify import open_readonly, verify_log
from custodes.errors import ConfigError, DataLoss, InvalidArgument, LogCorrupt, Unavailable
from custodes.testing.audit import fake_signer, fill, open_test_log
from custodes.testing.clock import ManualClock
from custodes.testing.web import LoggingWarden

KEYS = fake_signer().keys
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
EXTENSIONS = """extendedKeyUsage=critical,timeStamping
keyUsage=critical,digitalSignature
basicConstraints=CA:FALSE
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""
CONFIG = """[tsa]
default_tsa = one
[one]
serial = {0}/serial
signer_cert = {0}/tsa.pem
signer_key = {0}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


def openssl(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(
        ["openssl", *arguments], cwd=folder, input=stdin, capture_output=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("tsa")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(folder, "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=Root")
    openssl(folder, "req", *curve, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=TSA")
    (folder / "ext").write_text(EXTENSIONS)
    signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "ext"]
    openssl(folder, "x509", "-req", "-in", "tsa.csr", *signing, "-out", "tsa.pem")
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(CONFIG.format(folder))

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (folder / "query").write_bytes(self.rfile.read(int(self.headers["content-length"])))
            token = openssl(folder, "ts", "-reply", "-queryfile", "query", "-config", "tsa.cnf")
            if self.path == "/damaged":
                token = token[:-20] + bytes(20)
            self.send_response(500 if self.path == "/broken" else 200)
            self.send_header("content-length", str(len(token)))
            self.end_headers()
            self.wfile.write(token)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", folder / "ca.pem"
    server.shutdown()


def test_stamp_when_the_log_grew_then_is_kept_exported_and_openssl_agrees(
    authority: tuple[str, Path], tmp_path: Path
) -> None:
    url, roots = authority

    async def main() -> None:
        warden = LoggingWarden(tmp_path, ManualClock())
        fill(warden.log, 3)
        stamper = TimestampAuthority(url, roots)
        assert await stamp_once(stamper, warden, 0) == 4
        assert await stamp_once(stamper, warden, 4) == 4
        warden.log.close()

    asyncio.run(main())
    assert verify_log(tmp_path / "log.db", KEYS).size == 4
    connection = open_readonly(tmp_path / "log.db")
    export_log(connection, KEYS, tmp_path / "out")
    connection.close()
    policy = custodes_verify.parse_policy(policy_text(KEYS, []))
    assert "grew from the checkpoint of 4" in "\n".join(custodes_verify.verify_log(tmp_path / "out", policy, []))
    stamps = tmp_path / "out" / "timestamps"
    said = openssl(stamps, "ts", "-verify", "-data", "4.note", "-in", "4.tsr", "-CAfile", str(roots))
    assert b"OK" in said


def test_stamp_when_damaged_broken_or_away_then_says_which(authority: tuple[str, Path]) -> None:
    url, roots = authority
    for path, kind in (("/damaged", DataLoss), ("/broken", Unavailable)):
        with pytest.raises(kind):
            TimestampAuthority(url + path, roots).stamp("note\n")
    with pytest.raises(Unavailable):
        TimestampAuthority("http://127.0.0.1:1", roots).stamp("note\n")
    with pytest.raises(ConfigError):
        TimestampAuthority(url, roots.parent / "serial")


def test_stamp_when_by_another_authority_then_is_refused(authority: tuple[str, Path], tmp_path: Path) -> None:
    url, _ = authority
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(tmp_path, "req", "-x509", *curve, "-keyout", "k", "-out", "c.pem", "-days", "9", "-subj", "/CN=Other")
    with pytest.raises(DataLoss):
        TimestampAuthority(url, tmp_path / "c.pem").stamp("note\n")


def test_store_timestamp_when_not_of_this_log_or_too_long_then_refuses(tmp_path: Path) -> None:
    log, other = open_test_log(tmp_path / "log.db"), open_test_log(tmp_path / "other.db")
    fill(log, 2)
    fill(other, 2)
    with pytest.raises(LogCorrupt):
        log.store_timestamp(other.publish(1).note, b"token")
    with pytest.raises(InvalidArgument):
        log.store_timestamp(log.publish(1).note, bytes(70_000))
    log.close()
    other.close()
