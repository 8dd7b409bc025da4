"""A real NATS server, and a centre with keys of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.app.centre import Centre, KnownSite, centre_store
from custodes.app.witness import make_witness, read_receipt_key, read_witness
from custodes.audit.note import NoteVerifier
from custodes.audit.witness import Witness
from custodes.testing.audit import ORIGIN, fake_signer
from custodes.testing.clock import ManualClock
from custodes.testing.nats import NatsServer, running_nats

SITE = "ab" * 8
SITE_KEY = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
SITE_VERIFIER = NoteVerifier(name=SITE, public_key=SITE_KEY.public_key().public_bytes_raw())


class CentreHere:
    """A centre in this process, whose folder can be opened again as after a kill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        make_witness(folder, "council.example/centre")
        self.receipts = read_receipt_key(folder)[1]
        self.witness_keys = [one.verifier for one in read_witness(folder)]
        self.open()

    def open(self) -> None:
        self.store = centre_store(self.folder)
        logs = {ORIGIN: fake_signer().keys}
        self.witness = Witness.open(self.folder / "witness.db", read_witness(self.folder), logs)
        self.centre = Centre(
            store=self.store,
            witness=self.witness,
            key=read_receipt_key(self.folder)[0],
            sites={SITE: KnownSite(key=SITE_VERIFIER, origin=ORIGIN)},
            clock=self.clock,
        )

    def close(self) -> None:
        self.store.close()
        self.witness.close()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[CentreHere]:
    centre = CentreHere(tmp_path / "centre")
    yield centre
    centre.close()


@pytest.fixture
def server() -> Iterator[NatsServer]:
    with running_nats() as running:
        yield running
