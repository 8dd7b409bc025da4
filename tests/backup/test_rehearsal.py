"""A site is backed up, destroyed, restored from two shares: footage readable, log verified, nothing shredded back."""

import asyncio
import fcntl
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from custodes.access.requests import awaits_review, digest, phase
from custodes.adapters.blob.disk import Disk
from custodes.adapters.keys.cases import CaseStore
from custodes.adapters.keys.file import open_file_provider
from custodes.adapters.keys.requests import RequestStore
from custodes.adapters.keys.store import KeyStore
from custodes.adapters.sql import sqlite_catalog
from custodes.app.backup import make_backup, trusted_keys, verify_backup
from custodes.app.federation_key import open_federation_key
from custodes.app.recovery import make_recovery
from custodes.app.restore import Restored, restore_site
from custodes.app.warden import open_gate
from custodes.app.warden_gate import Gate
from custodes.audit.log_tables import read_entries
from custodes.audit.verify import open_readonly, verify_log
from custodes.config import SiteConfig, SiteIdentity, SitePaths, read_identity, write_effective, write_identity
from custodes.errors import (
    AlreadyExists,
    CustodesError,
    FailedPrecondition,
    InvalidArgument,
    KeyMissing,
    LogCorrupt,
    SealBroken,
)
from custodes.ports.catalog import Hold
from custodes.record.journal import JournalWriter, read_all
from custodes.record.recording import CameraRecording, RecordingPolicy
from custodes.record.scratch import Scratch
from custodes.record.verify import Depth, verify_segments
from custodes.sealing.container import read_fragment, read_header, scan_fragments
from custodes.sealing.published import is_background_key, latest_usable, read_pinned
from custodes.sealing.shares import Share
from custodes.sealing.unwrap import unwrap_data_key
from custodes.testing.camera import START_NS, packet, stream_info
from custodes.testing.cases import opening
from custodes.testing.catalog import make_spec
from custodes.testing.clock import ManualClock
from custodes.testing.passkey import FakeAuthenticator
from custodes.types.access import Action, AuditKind, AuditRecord, Fidelity, Principal, Purpose, PurposeKind, Role
from custodes.types.approval import CastVote, EnrolKey, FileRequest, ForgetKey, RequestPhase, RequestRecord
from custodes.types.event import SegmentSealed
from custodes.types.stream import SecondStream, second_of
from custodes.units import NS_PER_S, CameraId, KeyId, Ns, RunId

CAM = CameraId("cam")
SITE_ID = "00112233445566aa"
DAY = 86_400 * NS_PER_S
NOW = Ns(START_NS + DAY)
"""The day after the footage was recorded; it is kept for three."""
FOOTAGE_KEY = KeyId("cam/20260101")
SECOND = second_of(CAM)
SECOND_KEY = KeyId("cam.second/20260101")
SECOND_RETENTION_H = 10 * 24.0
"""The camera's second stream is kept longer than its first."""
PASSPHRASE = "correct horse battery"


@dataclass
class Rehearsal:
    """The site that is to be lost."""

    paths: SitePaths
    shares: tuple[Share, ...]
    backup: Path

    def with_gate(self, do: Callable[[Gate], Awaitable[object]], *, at: int = NOW) -> None:
        with_gate(self.paths, do, at=at)

    def restore(
        self,
        target: Path,
        *,
        shares: tuple[Share, ...] | None = None,
        newer_log: Path | None = None,
        now_ns: int = NOW,
    ) -> Restored:
        chosen = self.shares[1:] if shares is None else shares
        return restore_site(self.backup, target, chosen, passphrase=None, newer_log=newer_log, now_ns=now_ns)


def with_gate(
    paths: SitePaths, do: Callable[[Gate], Awaitable[object]], *, at: int, passphrase: str | None = PASSPHRASE
) -> None:
    async def main() -> None:
        identity = read_identity(paths.identity)
        assert identity is not None
        async with open_gate(paths, identity, passphrase=passphrase, clock=ManualClock(at)) as gate:
            await do(gate)

    asyncio.run(main())


def record_footage(paths: SitePaths) -> None:
    """Six seconds of both streams of the camera."""
    journal = JournalWriter(Disk(), paths.journal_dir / "recorder.journal")
    for stream_id, run in ((CAM, "a" * 12), (SECOND, "b" * 12)):
        recording = CameraRecording(
            stream_id,
            policy=RecordingPolicy(
                site_id=SITE_ID, data_dir=paths.data_dir, segment_ns=4 * NS_PER_S, min_free_bytes=0
            ),
            storage=Disk(),
            journal=journal,
            find_key=lambda camera_id, day: latest_usable(
                paths.public_keys, camera_id, day, read_pinned(paths.warden_key)
            ),
            last_end_ns=None,
            scratch=Scratch(),
        )
        recording.begin_run(replace(stream_info(codec="mjpeg"), camera_id=stream_id, run=RunId(run)))
        for seq in range(60):
            item = packet(seq, is_keyframe=seq % 10 == 0)
            recording.add(item, item.utc_ns)
        recording.finish(Ns(START_NS + 6 * NS_PER_S))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    """A site with footage, its recovery key and a backup of both."""
    folder = tmp_path_factory.mktemp("rehearsal")
    paths = SitePaths(folder / "site")
    paths.data_dir.mkdir(mode=0o700)
    write_identity(paths.identity, SiteIdentity(site_id=SITE_ID, name="Lost", created_ns=Ns(1)))
    write_effective(SiteConfig.model_validate({"data_dir": paths.data_dir}), paths.effective_config)
    with_gate(paths, lambda gate: gate.publish((CAM, SECOND)), at=START_NS)
    record_footage(paths)
    catalog = sqlite_catalog(paths.catalog, site_id=SITE_ID, clock=ManualClock(NOW))
    sealed = [
        one.segment for one in read_all(paths.journal_dir / "recorder.journal")[0] if isinstance(one, SegmentSealed)
    ]
    spec = make_spec(CAM)
    second = SecondStream(url="rtsp://192.0.2.1/2", retention_h=SECOND_RETENTION_H)
    catalog.put_cameras([replace(spec, second=second)], is_exclusive=False)
    catalog.take_journal("recorder.journal", 0, sealed, [], [])
    catalog.close()
    _, shares = make_recovery(paths, PASSPHRASE)
    open_federation_key(paths)
    made = make_backup(paths, folder / "backup", NOW, with_footage=True)
    assert made.segments == len(sealed) == 4
    return Rehearsal(paths, shares, folder / "backup")


@pytest.fixture
def rehearsal(prepared: Rehearsal, tmp_path: Path) -> Rehearsal:
    """A copy of it, to be spoilt."""
    shutil.copytree(prepared.paths.data_dir, tmp_path / "site")
    shutil.copytree(prepared.backup, tmp_path / "backup")
    return Rehearsal(SitePaths(tmp_path / "site"), prepared.shares, tmp_path / "backup")


def open_keys(paths: SitePaths) -> KeyStore:
    provider = open_file_provider(paths.warden_dir, None)
    return KeyStore.open(paths.warden_dir / "keys.db", provider, context=SITE_ID.encode(), is_new_allowed=False)


def seqs_readable(paths: SitePaths) -> int:
    """How many packets the restored keys read back."""
    keys, count = open_keys(paths), 0
    for path in sorted(paths.segments.glob("*/*/*.seg")):
        with path.open("rb") as stream:
            header = read_header(stream)
            data_key = unwrap_data_key(keys.private(header.key_id), header)
            for fragment in scan_fragments(stream)[1:]:
                count += read_fragment(stream, header, data_key, fragment).count(b"\xff\xd8picture")
    keys.close()
    return count


def test_site_when_destroyed_and_restored_from_two_shares_then_all_of_it_is_there(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    manifest, wrong = verify_backup(rehearsal.backup)
    assert wrong == []
    key = open_federation_key(rehearsal.paths).private_bytes_raw()
    shutil.rmtree(rehearsal.paths.data_dir)
    done = rehearsal.restore(tmp_path / "new", shares=(rehearsal.shares[0], rehearsal.shares[2]))
    paths = SitePaths(tmp_path / "new")
    assert (done.segments, done.destroyed, done.log_size) == (4, 0, manifest.log_size)
    assert seqs_readable(paths) == 120
    assert verify_segments(paths.data_dir, Depth.HASH, site_id=SITE_ID).found == []
    assert open_federation_key(paths).private_bytes_raw() == key, "its centre knows it again"
    # It is the same log under the same key, and it says itself that it was restored.
    report = verify_log(paths.warden_dir / "log.db", trusted_keys(paths))
    assert report.size == manifest.log_size + 1
    connection = open_readonly(paths.warden_dir / "log.db")
    (last,) = read_entries(connection, manifest.log_size, 10)
    connection.close()
    assert last.record.kind is AuditKind.SITE_RESTORED
    # A second site takes over: its warden starts, goes on with the log and makes keys; the catalog opens.
    with_gate(paths, lambda gate: gate.publish((CAM, SECOND)), at=NOW + DAY, passphrase=None)
    catalog = sqlite_catalog(paths.catalog, site_id=SITE_ID, clock=ManualClock(NOW))
    for stream_id in (CAM, SECOND):
        key = latest_usable(paths.public_keys, stream_id, "20260103", read_pinned(paths.warden_key))
        assert (key.camera_id, key.day) == (stream_id, "20260103")
        assert len(catalog.segments(stream_id, START_NS, NOW, 10)) == 2
    catalog.close()


def test_restore_when_a_key_was_destroyed_after_the_backup_then_the_newer_log_keeps_it_gone(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    rehearsal.with_gate(lambda gate: gate.destroy(CAM, "20260101"))
    newer = tmp_path / "newer.db"
    shutil.copy(rehearsal.paths.warden_dir / "log.db", newer)
    done = rehearsal.restore(tmp_path / "new", newer_log=newer)
    assert done.destroyed == 1
    keys = open_keys(SitePaths(tmp_path / "new"))
    with pytest.raises(KeyMissing, match="destroyed"):
        keys.private(FOOTAGE_KEY)
    assert FOOTAGE_KEY not in keys.key_ids()
    keys.close()
    # What the backup holds alone cannot know that: this is the limit that ADR 21 tells.
    assert rehearsal.restore(tmp_path / "without").destroyed == 0


@pytest.mark.parametrize("is_held", [False, True])
def test_restore_when_retention_is_over_by_now_then_the_key_stays_gone_unless_held(
    rehearsal: Rehearsal, tmp_path: Path, is_held: bool
) -> None:
    if is_held:
        catalog = sqlite_catalog(rehearsal.paths.catalog, site_id=SITE_ID, clock=ManualClock(NOW))
        catalog.put_hold(
            Hold(
                hold_id="1",
                owner="Ada",
                reason="case",
                camera_id=CAM,
                start_ns=START_NS,
                end_ns=Ns(START_NS + 1),
                expires_ns=Ns(NOW + 99 * DAY),
            )
        )
        catalog.close()
        shutil.rmtree(rehearsal.backup)
        make_backup(rehearsal.paths, rehearsal.backup, NOW, with_footage=True)
    rehearsal.restore(tmp_path / "new", now_ns=START_NS + 5 * DAY)
    keys = open_keys(SitePaths(tmp_path / "new"))
    assert (FOOTAGE_KEY in keys.key_ids()) is is_held
    views = {one for one in keys.key_ids() if is_background_key(one)}
    assert views, "views without people are kept for a year after theirs"
    assert SECOND_KEY in keys.key_ids(), "the second stream is kept for ten days"
    keys.close()
    rehearsal.restore(tmp_path / "later", now_ns=START_NS + 15 * DAY)
    keys = open_keys(SitePaths(tmp_path / "later"))
    assert (SECOND_KEY in keys.key_ids()) is is_held, "a hold of the camera holds both"
    keys.close()
    rehearsal.restore(tmp_path / "much later", now_ns=START_NS + 3 * 366 * DAY)
    keys = open_keys(SitePaths(tmp_path / "much later"))
    assert not views & set(keys.key_ids())
    keys.close()


def test_restore_when_the_newer_log_is_another_story_then_refused(rehearsal: Rehearsal, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    shutil.copy(rehearsal.paths.warden_dir / "log.db", old)
    record = AuditRecord(kind=AuditKind.CAMERA_CHANGED, actor="x", subject="cam", details={})
    rehearsal.with_gate(lambda gate: gate.append(record))
    shutil.rmtree(rehearsal.backup)
    make_backup(rehearsal.paths, rehearsal.backup, NOW, with_footage=False)
    with pytest.raises(LogCorrupt, match="does not continue"):
        rehearsal.restore(tmp_path / "new", newer_log=old)
    assert not (tmp_path / "new").exists()


def test_restore_when_shares_are_too_few_or_strange_then_nothing_is_made(rehearsal: Rehearsal, tmp_path: Path) -> None:
    one, two, _ = rehearsal.shares
    forged = Share(recovery_id=two.recovery_id, needed=2, x=two.x, y=bytes(len(two.y)))
    foreign = Share(recovery_id="ffffffff", needed=2, x=2, y=two.y)
    for shares, error in (((one,), InvalidArgument), ((one, forged), SealBroken), ((one, foreign), SealBroken)):
        with pytest.raises(error):
            rehearsal.restore(tmp_path / "new", shares=shares)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("new")] == []


def test_restore_when_the_target_is_somebody_s_then_it_is_left_alone(rehearsal: Rehearsal, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "letter").write_text("mine")
    with pytest.raises(AlreadyExists):
        rehearsal.restore(tmp_path / "new")
    assert (tmp_path / "new" / "letter").read_text() == "mine"


ANN = Principal(user_id="u1", name="Ann Miller", roles=frozenset({Role.INVESTIGATOR}))
BEN = Principal(user_id="u2", name="Ben Ude", roles=frozenset({Role.SUPERVISOR}))


def filing(*, is_break_glass: bool) -> FileRequest:
    return FileRequest(
        principal=ANN,
        action=Action.PLAY_BACK,
        purpose=Purpose(kind=PurposeKind.CASE, reference="2026-17"),
        camera_ids=(CAM,),
        start_ns=START_NS,
        end_ns=Ns(START_NS + NS_PER_S),
        fidelity=Fidelity.UNMASKED,
        reason="somebody was hurt at the gate",
        is_break_glass=is_break_glass,
    )


def test_restore_when_looks_were_approved_then_none_is_in_force_and_a_break_glass_still_waits_for_its_review(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    key = FakeAuthenticator()

    async def use(gate: Gate) -> None:
        await gate.answer_server(opening(ANN, "2026-17"))
        await gate.answer_server(EnrolKey(principal=BEN, key=key.enrolled(BEN.user_id), name="Key"))
        asked = await gate.answer_server(filing(is_break_glass=False))
        assert isinstance(asked, RequestRecord)
        vote = CastVote(
            principal=BEN,
            request_id=asked.request.request_id,
            is_yes=True,
            note="",
            assertion=key.get(digest(asked.request)),
        )
        approved = await gate.answer_server(vote)
        assert isinstance(approved, RequestRecord)
        assert phase(approved, NOW) is RequestPhase.IN_FORCE
        await gate.answer_server(filing(is_break_glass=True))

    rehearsal.with_gate(use)
    shutil.rmtree(rehearsal.backup)
    make_backup(rehearsal.paths, rehearsal.backup, NOW, with_footage=False)
    forget = ForgetKey(principal=BEN, credential_id=key.enrolled(BEN.user_id).credential_id)
    rehearsal.with_gate(lambda gate: gate.answer_server(forget))
    newer = tmp_path / "newer.db"
    shutil.copy(rehearsal.paths.warden_dir / "log.db", newer)
    assert rehearsal.restore(tmp_path / "new", newer_log=newer).requests_ended == 2
    store = RequestStore(tmp_path / "new" / "warden" / "requests.db")
    assert [phase(one, NOW) for one in store.records()] == [RequestPhase.WITHDRAWN] * 2
    assert [awaits_review(one) for one in store.records()] == [False, True]
    assert store.passkeys() == []
    store.close()
    cases = CaseStore(tmp_path / "new" / "warden" / "cases.db")
    assert [one.number for one in cases.cases()] == ["2026-17"]
    cases.close()


def test_backup_when_any_file_is_changed_or_gone_then_verify_says_so_and_nothing_is_restored(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    files = sorted(path for path in rehearsal.backup.rglob("*") if path.is_file() and path.name != "manifest.json")
    assert len(files) >= 8
    for number, path in enumerate(files):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        if number % 2:
            path.unlink()
        assert [line.split()[0] for line in verify_backup(rehearsal.backup)[1]] == [
            str(path.relative_to(rehearsal.backup))
        ]
        with pytest.raises(CustodesError):
            rehearsal.restore(tmp_path / "new")
        assert not (tmp_path / "new").exists()
        path.write_bytes(content)


def test_backup_when_its_manifest_is_changed_then_it_does_not_restore(rehearsal: Rehearsal, tmp_path: Path) -> None:
    manifest = rehearsal.backup / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"log_size": ', '"log_size": 1'))
    with pytest.raises(SealBroken, match="manifest"):
        rehearsal.restore(tmp_path / "new")


def test_backup_when_read_without_shares_then_shows_no_key_and_no_name(rehearsal: Rehearsal) -> None:
    content = b"".join(path.read_bytes() for path in rehearsal.backup.rglob("*") if path.is_file())
    assert b"SQLite format 3" not in content
    assert b'"Lost"' not in content
    # Nor does the site keep copies in clear.
    assert not (rehearsal.paths.data_dir / "backup.tmp").exists()


def test_backup_when_there_is_no_recovery_key_then_refused(rehearsal: Rehearsal, tmp_path: Path) -> None:
    (rehearsal.paths.warden_dir / "recovery.json").unlink()
    with pytest.raises(KeyMissing, match="recovery make"):
        make_backup(rehearsal.paths, tmp_path / "b", NOW, with_footage=False)
    with pytest.raises(KeyMissing):
        make_recovery(rehearsal.paths, "a wrong passphrase")
    assert not list(tmp_path.glob("b*.partial"))


def test_backup_when_an_earlier_one_was_killed_then_its_clear_copies_go_and_when_one_runs_then_refused(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    scratch = rehearsal.paths.data_dir / "backup.tmp"
    scratch.mkdir()
    (scratch / "catalog.db").write_bytes(b"in clear")
    make_backup(rehearsal.paths, tmp_path / "b", NOW, with_footage=False)
    assert not scratch.exists()
    scratch.mkdir()
    running = os.open(scratch, os.O_RDONLY)
    fcntl.flock(running, fcntl.LOCK_EX)
    with pytest.raises(FailedPrecondition, match="another backup"):
        make_backup(rehearsal.paths, tmp_path / "c", NOW, with_footage=False)
    os.close(running)
    assert not list(tmp_path.glob("c*"))
