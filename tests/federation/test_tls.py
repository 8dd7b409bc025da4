"""Over TLS as between machines: a server that proves its name is spoken to, any other is not."""

import asyncio
import datetime
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from custodes.adapters.nats import NatsLink, NatsTarget
from custodes.errors import ConfigError, Unavailable
from custodes.testing.nats import running_nats


def certificate(folder: Path, address: str) -> tuple[Path, Path]:
    """A self-signed one for an address, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's own")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{address}.pem", folder / f"{address}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption()))
    return paths


async def reached(target: NatsTarget) -> str:
    async with NatsLink.connected(target) as link:
        return await link.make_stream()


def test_server_when_it_proves_its_name_is_spoken_to_and_no_other(tmp_path: Path) -> None:
    own, own_key = certificate(tmp_path, "127.0.0.1")
    other, other_key = certificate(tmp_path, "192.0.2.1")
    for cert, key, is_right in ((own, own_key, True), (other, other_key, False)):
        config = tmp_path / "nats.conf"
        config.write_text(f'tls {{ cert_file: "{cert}", key_file: "{key}" }}\n')
        with running_nats(config) as server:
            url = server.url.replace("nats://", "tls://")
            if is_right:
                assert asyncio.run(reached(NatsTarget(url=url, ca_file=cert)))
                with pytest.raises(Unavailable):  # the machine's own authorities do not know it
                    asyncio.run(reached(NatsTarget(url=url)))
            else:
                with pytest.raises(Unavailable):
                    asyncio.run(reached(NatsTarget(url=url, ca_file=cert)))


def test_server_when_it_offers_no_tls_is_told_nothing(tmp_path: Path) -> None:
    """Somebody on the way who takes TLS out of the greeting learns neither password nor facts."""
    own, _ = certificate(tmp_path, "127.0.0.1")
    heard: list[bytes] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.9.10","max_payload":1048576,"auth_required":true}\r\n')
        heard.append(await reader.read(4096))
        writer.close()

    async def whole() -> None:
        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        target = NatsTarget(url=f"tls://127.0.0.1:{port}", user="site-a", password="a secret", ca_file=own)
        with pytest.raises(Unavailable, match="no TLS"):
            await reached(target)
        for _ in range(6000):
            if heard:
                break
            await asyncio.sleep(0.01)
        server.close()

    asyncio.run(whole())
    assert heard == [b""]


def test_files_when_missing_are_an_error_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TLS files"):
        asyncio.run(reached(NatsTarget(url="tls://127.0.0.1:1", ca_file=tmp_path / "none.pem")))
