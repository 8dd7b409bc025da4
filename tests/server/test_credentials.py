"""Content credentials on an exported film: signed by the real warden, read by the C2PA library, changed and found."""

import asyncio
import hashlib
import zipfile
from pathlib import Path

import pytest
from cryptography import x509
from tests.server.conftest import Site
from tests.server.test_exports import bench

import custodes_verify
from custodes.app.serving.credentials import AUTHORITY, is_there, state_of
from custodes.errors import InvalidArgument
from custodes.sealing.claims import claim_signer
from custodes.types.access import AuditKind
from custodes.units import NS_PER_S, Ns

CREATED = Ns(1_700_000_000 * NS_PER_S)


def test_claim_signer_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    first, again = (claim_signer(bytes(32), site_id="ab", created_ns=CREATED) for _ in range(2))
    assert first.chain_pem == again.chain_pem
    assert claim_signer(b"1" * 32, site_id="ab", created_ns=CREATED).chain_pem != first.chain_pem
    leaf, root = x509.load_pem_x509_certificates(first.chain_pem.encode())
    leaf.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    leaf.public_key().verify(first.sign(b"claim"), b"claim")  # type: ignore[union-attr, call-arg]


@pytest.mark.skipif(not is_there(), reason="needs custodes[c2pa]")
def test_export_when_made_carries_credentials_that_are_trusted_and_find_a_change(site: Site, tmp_path: Path) -> None:
    async def main() -> Path:
        async with bench(site) as at:
            state = await at.export()
            assert (state.state, state.detail) == ("ready", "")
            bundle = tmp_path / "bundle.zip"
            Path(state.path).rename(bundle)
            entries = await site.log(at.warden)
            kinds = [entry.record.kind for entry in entries]
            assert kinds.index(AuditKind.CLAIM_SIGNED) < kinds.index(AuditKind.EVIDENCE_SEALED)
            with pytest.raises(InvalidArgument):
                await at.warden.sign_claim("not an export", b"claim")
            return bundle

    bundle = asyncio.run(main())
    assert custodes_verify.verify_evidence(bundle, None)
    with zipfile.ZipFile(bundle) as opened:
        authority, raw = opened.read(AUTHORITY).decode(), opened.read("derived/film-1.mp4")
    film = tmp_path / "film.mp4"
    film.write_bytes(raw)
    assert state_of(film, authority) == "Trusted"
    other = claim_signer(hashlib.sha256(b"other").digest(), site_id="ab", created_ns=CREATED).authority_pem
    assert state_of(film, other) != "Trusted"
    at = _pictures_at(raw) + 64  # in a picture: a box's length that is wrong is another complaint
    film.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
    assert state_of(film, authority) == "Invalid"


def _pictures_at(film: bytes) -> int:
    """Where the largest `mdat` box of an MP4 begins; its name also stands elsewhere, and the last box may be tiny."""
    boxes, at = {}, 0
    while at < len(film):
        size = int.from_bytes(film[at : at + 4], "big")
        if film[at + 4 : at + 8] == b"mdat":
            boxes[at] = size
        assert size >= 8, "boxes of 32 bits, and none until the file's end"
        at += size
    return max(boxes, key=lambda one: boxes[one])
