"""Crypto-shredding leaves nothing: after a camera-day's key is destroyed, no file of the site holds any of it.

Looked for in everything below the data directory (databases, WAL, journals, logs, segments) and in the folder for
temporary files: the private key, the data key it opened, and what was stored of both, raw, in hex and in base64.
"""

import base64
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from tests.warden.conftest import GATE, VAULT, Site

from custodes.adapters.blob.disk import Disk
from custodes.app.warden_gate import Gate, day_of
from custodes.errors import KeyMissing, SealBroken
from custodes.record.journal import JournalWriter
from custodes.record.segment import segment_path
from custodes.sealing.container import FragmentSealer, encode_header, read_fragment, scan_fragments
from custodes.sealing.published import key_id_of
from custodes.telemetry import logs
from custodes.types.access import Action, Role
from custodes.types.event import SegmentOpened, SegmentSealed
from custodes.types.media import Segment, SegmentHeader
from custodes.types.message import ReleaseKeys
from custodes.units import CameraId

DAY = 86_400 * 10**9
FOOTAGE = b"what the camera saw " * 2000
WINDOW = 20
"""Bytes looked for: long enough not to occur by chance, short enough to find a key that was cut."""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where SQLite and Python put temporary files."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    for name in ("TMPDIR", "SQLITE_TMPDIR"):
        monkeypatch.setenv(name, str(folder))
    yield folder
    structlog.reset_defaults()


def record(site: Site, camera_id: CameraId) -> tuple[SegmentHeader, bytes, Segment]:
    """One sealed segment, on disk and in the journal."""
    header, data_key = site.segment(camera_id)
    sealer = FragmentSealer(header, data_key)
    content = encode_header(header)
    content += sealer.seal(FOOTAGE, start_ns=header.start_ns, end_ns=header.start_ns, is_init=True)
    path = segment_path(camera_id, header.start_ns, header.segment_id)
    file = site.paths.data_dir / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    segment = Segment(
        header=header,
        path=path,
        end_ns=header.start_ns,
        bytes_on_disk=len(content),
        fragments=1,
        root=sealer.root,
        is_sealed=True,
    )
    site.paths.journal_dir.mkdir(exist_ok=True)
    journal = JournalWriter(Disk(), site.paths.journal_dir / "recorder.journal")
    journal.extend([SegmentOpened(segment=segment), SegmentSealed(segment=segment)])
    journal.close()
    return header, data_key, segment


def forms(secret: bytes) -> list[bytes]:
    """What to look for: windows of the secret as it is, in hex, and in base64 at each alignment."""
    pieces = [secret[at : at + WINDOW] for at in range(0, len(secret) - WINDOW + 1, 8)]
    found = [*pieces, *(piece.hex().encode() for piece in pieces), *(piece.hex().upper().encode() for piece in pieces)]
    for shift in range(3):
        encoded = base64.b64encode(secret[shift:])[:-4]
        found += [encoded[at : at + 28] for at in range(0, max(len(encoded) - 27, 0), 12)]
    return found


def residue(folders: list[Path], secret: bytes) -> list[str]:
    """Files that hold any part of it."""
    wanted = forms(secret)
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    assert any(path.name == "keys.db" for path in files)
    return [path.name for path in files if any(piece in path.read_bytes() for piece in wanted)]


def stored(site: Site, camera_id: CameraId, day: str) -> bytes:
    """The wrapped private key as the store's file has it."""
    connection = sqlite3.connect(site.paths.warden_dir / "keys.db")
    try:
        key_id = key_id_of(camera_id, day)
        ((wrapped,),) = connection.execute("SELECT wrapped FROM camera_keys WHERE key_id = ?", (key_id,)).fetchall()
        return bytes(wrapped)
    finally:
        connection.close()


async def looked_at(gate: Gate, site: Site, header: SegmentHeader) -> bytes:
    """A view that got the data key, as every one does."""
    request = site.request(Action.PLAY_BACK, role=Role.INVESTIGATOR, camera_id=header.camera_id)
    answer = await gate.authorise(request)
    assert answer.grant is not None, answer.decision
    released = await gate.release(ReleaseKeys(grant_token=answer.grant.token, headers=(header,)))
    return released.data_keys[0]


def test_destroy_when_a_day_is_over_then_nothing_of_its_key_is_left_anywhere(
    site: Site, temporary: Path, tmp_path: Path
) -> None:
    async def main() -> None:
        site.paths.log_dir.mkdir(exist_ok=True)
        logs.configure("warden", log_dir=site.paths.log_dir, level="debug")
        folders = [site.paths.data_dir, temporary]
        async with site.warden() as gate:
            header, data_key, segment = record(site, GATE)
            other, other_key, _ = record(site, VAULT)
            day = day_of(header.start_ns)
            assert await looked_at(gate, site, header) == data_key
            private = gate._keys.private(header.key_id)
            wrapped = stored(site, GATE, day)
            assert "keys.db" in " ".join(residue(folders, wrapped))  # what is looked for can be found
            assert residue(folders, private) == []  # never in the clear
            assert residue(folders, data_key) == []

            site.clock.advance(2 * DAY)
            await gate.destroy(GATE, day)

            for secret in (private, wrapped, data_key):
                assert residue(folders, secret) == []
            assert not (site.paths.public_keys / GATE / f"{day}.json").exists()
            # The other camera's day is as it was, and the destroyed one stays shut.
            assert "keys.db" in " ".join(residue(folders, stored(site, VAULT, day)))
            assert gate._keys.private(other.key_id)
            with pytest.raises(KeyMissing):
                gate._keys.private(header.key_id)
            with (site.paths.data_dir / segment.path).open("rb") as stream:
                (fragment,) = scan_fragments(stream)
                with pytest.raises(SealBroken):
                    read_fragment(stream, header, other_key, fragment)
        for secret in (private, wrapped, data_key):
            assert residue(folders, secret) == []  # nor after the warden has closed its files

    site.run(main())
