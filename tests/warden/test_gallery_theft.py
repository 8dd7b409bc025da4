"""Who steals the gallery without keys has no template, and what somebody took back stays gone from every copy."""

import asyncio
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.warden.conftest import Site
from tests.warden.office import CONTRACT, Office, face, through

from custodes.adapters.ipc.framing import AsyncChannel, answer_requests, serve
from custodes.adapters.ipc.matcher import MatcherClient
from custodes.adapters.sql import sqlite_catalog
from custodes.app.backup import make_backup
from custodes.app.recovery import make_recovery
from custodes.app.restore import restore_site
from custodes.app.warden import open_gate
from custodes.config import SiteConfig, SitePaths, write_effective
from custodes.errors import Unavailable
from custodes.face.sealed import template_label
from custodes.testing.ending import kill
from custodes.testing.keys import SITE_ID
from custodes.types.access import AuditKind
from custodes.types.face import FaceEnrolment
from custodes.types.face_message import ReadGalleryChanges, SealedTemplate, WithdrawConsent

PEOPLE = 4
PICTURE = b"\xff\xd8enrolled"


def needles(vectors: list[np.ndarray]) -> list[bytes]:
    """Pieces of each vector in every precision that somebody might have written it in."""
    found = []
    for vector in vectors:
        unit = vector / np.linalg.norm(vector)
        for one in (vector, unit):
            for kind in ("<f4", "<f2", "<f8", ">f4"):
                content = one.astype(kind).tobytes()
                found += [content[at : at + 16] for at in (0, 64, len(content) - 16)]
    return found


def files_of(*folders: Path) -> dict[str, bytes]:
    """Databases, WAL, logs, everything."""
    return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def opened_by(files: dict[str, bytes], one: SealedTemplate, wrapped: bytes) -> int:
    """Every 32 bytes of the loot tried as the key of a template, and as the key that people's keys are wrapped in."""
    bound = f"custodes.person/v1\n{one.person_id}\n{template_label(one.contract, one.template_id)}".encode()
    tries = {content[at : at + 32] for content in files.values() for at in range(len(content) - 31)}
    count = 0
    for key in tries:
        if key.count(0) > 4:
            continue  # a page's empty part; of random keys one in ten million is like that
        cipher = AESGCM(key)
        for sealed, label in ((one.sealed, bound), (wrapped, one.person_id.encode())):
            try:
                cipher.decrypt(sealed[:12], sealed[12:], label)
                count += 1
            except InvalidTag:
                continue
    return count


def test_theft_of_everything_but_the_keys_gives_no_template(site: Site) -> None:
    loot: dict[str, bytes] = {}
    vectors: list[np.ndarray] = []
    stolen: list[SealedTemplate] = []
    keys: list[bytes] = []

    async def main(office: Office) -> None:
        zone_id = await office.zone()
        for number in range(PEOPLE):
            person_id, *_ = await office.enrolled(number, (zone_id,))
        await office.filed(zone_id, person_id)
        changes = await office.process(ReadGalleryChanges(version=0, limit=100))
        store = office.gate.faces.store
        stolen.extend(changes.templates)
        keys.append(store.key(stolen[0].person_id))
        labels = [template_label(CONTRACT, one.template_id) for one in stolen]
        plain = [store.open(one.person_id, label, one.sealed) for one, label in zip(stolen, labels, strict=True)]
        turned = [np.frombuffer(one, "<f4") for one in plain]
        vectors.extend([*turned, *(face(number, look) for number in range(PEOPLE) for look in range(3))])
        row = store._db.execute(
            "SELECT wrapped FROM person_key WHERE person_id = ?", (stolen[0].person_id,)
        ).fetchone()
        keys.append(bytes(row[0]))
        # While the warden runs, so that WAL and shared memory are in it.
        loot.update(
            {name: content for name, content in files_of(site.paths.data_dir).items() if "kek.key" not in name}
        )

    through(site, main)
    assert len(stolen) == 3 * PEOPLE
    assert {"faces.db", "faces.db-wal", "log.db", "keys.db"} <= {Path(name).name for name in loot}
    wanted = [*needles(vectors), PICTURE, keys[0], keys[0].hex().encode()]
    assert [name for name, content in loot.items() if any(one in content for one in wanted)] == []
    near = {name: content for name, content in loot.items() if "faces.db" in name or "keys" in name}
    assert opened_by(near, stolen[0], keys[1]) == 0
    # The same search finds a key that lies there.
    assert opened_by({"careless": b"notes" + keys[0] + b"end"}, stolen[0], keys[1]) == 1


async def until(holds, what: str) -> float:
    """Seconds until it holds; two minutes at most, which no machine needs."""
    started = time.monotonic()
    while time.monotonic() - started < 120:
        try:
            if await holds():
                return time.monotonic() - started
        except Unavailable:
            pass
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within two minutes: {what}")


def test_withdrawal_reaches_the_matcher_s_process_and_every_file(tmp_path: Path, capsys) -> None:
    site = Site(tmp_path)
    site.paths.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_effective(SiteConfig(data_dir=site.paths.data_dir), site.paths.effective_config)

    async def main() -> None:
        async with Office(site) as office:
            zone_id = await office.zone()
            links = [(await office.enrolled(number, (zone_id,)))[2] for number in range(PEOPLE)]
            store = office.gate.faces.store
            person_id = store.all(FaceEnrolment)[0].person_id
            key = store.key(person_id)
            sealed = [one.sealed for one in store.templates_after(0, 100)[0] if one.person_id == person_id]

            async def to_matcher(channel: AsyncChannel) -> None:
                await answer_requests(channel, office.process)

            server = await serve(site.paths.socket("warden-faces"), to_matcher)
            process = subprocess.Popen(
                [sys.executable, "-m", "custodes.app.matcher", "--data", str(site.paths.data_dir)]
            )
            client = MatcherClient(site.paths.socket("matcher"))

            async def knows(people: int) -> bool:
                return (await client.read_gallery()).people == people

            try:
                await until(lambda: knows(PEOPLE), "the gallery is there")
                started = time.monotonic()
                await office.ask(WithdrawConsent(token=links[0]))
                shredded = time.monotonic() - started
                # What was destroyed is in no file when the answer is there.
                left = [name for name, content in files_of(site.paths.data_dir).items()
                        if key in content or any(one[-40:] in content for one in sealed)]  # fmt: skip
                assert left == []
                effect = shredded + await until(lambda: knows(PEOPLE - 1), "the matcher forgot somebody")
            finally:
                kill(process)
                server.close()
                await client.close()
            with capsys.disabled():
                print(f"\nwithdrawal: shredded in {shredded:.2f} s (60), not compared after {effect:.2f} s (5)")

    asyncio.run(main())


def backed_up(site: Site) -> tuple[Path, tuple, dict[str, str]]:
    """A site with people enrolled, a backup, a careless copy of the whole gallery; then one of them takes it back."""
    write_effective(SiteConfig(data_dir=site.paths.data_dir), site.paths.effective_config)
    sqlite_catalog(site.paths.catalog, site_id=SITE_ID, clock=site.clock).close()
    people: dict[str, str] = {}
    shares: list = []
    folder = site.paths.data_dir.with_name("backup")
    copy = site.paths.data_dir.with_name("copied.db")

    async def before(office: Office) -> None:
        zone_id = await office.zone()
        for number in range(3):
            person_id, _, withdraw = await office.enrolled(number, (zone_id,))
            people[person_id] = withdraw

    through(site, before)
    shares.extend(make_recovery(site.paths, None)[1])
    make_backup(site.paths, folder, site.clock.now_ns(), with_footage=False)
    shutil.copy(site.paths.warden_dir / "faces.db", copy)

    async def after(office: Office) -> None:
        await office.ask(WithdrawConsent(token=next(iter(people.values()))))

    through(site, after)
    return folder, tuple(shares), people


def test_withdrawal_holds_in_a_restored_backup_and_when_a_copy_of_the_gallery_is_put_back(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site")
    folder, shares, people = backed_up(site)
    require_nothing_in_a_restored_backup(site, folder, shares, people)
    require_nothing_in_a_gallery_put_back(site, folder, people)


def require_nothing_in_a_restored_backup(site: Site, folder: Path, shares: tuple, people: dict[str, str]) -> None:
    target = folder.with_name("restored")
    restore_site(folder, target, shares[:2], passphrase=None, newer_log=None, now_ns=site.clock.now_ns())
    restored = SitePaths(target)
    assert not list(target.rglob("faces.db*")), "no backup takes the gallery along"
    files = files_of(target)
    wanted = needles([face(number, look) for number in range(3) for look in range(3)])
    assert [name for name, content in files.items() if any(one in content for one in (*wanted, PICTURE))] == []

    async def main() -> None:
        async with open_gate(restored, site.identity, passphrase=None, clock=site.clock) as gate:
            changes = await gate.faces.answer_process(ReadGalleryChanges(version=0, limit=100))
            assert (changes.templates, changes.members) == ((), ())
            assert not any(gate.faces.store.has_key(person_id) for person_id in people)

    asyncio.run(main())


def require_nothing_in_a_gallery_put_back(site: Site, folder: Path, people: dict[str, str]) -> None:
    for suffix in ("", "-wal", "-shm"):
        (site.paths.warden_dir / f"faces.db{suffix}").unlink(missing_ok=True)
    shutil.copy(folder.with_name("copied.db"), site.paths.warden_dir / "faces.db")
    gone, *others = people

    async def main(office: Office) -> None:
        store = office.gate.faces.store
        assert not store.has_key(gone)
        assert all(store.has_key(one) for one in others)
        changes = await office.process(ReadGalleryChanges(version=0, limit=100))
        assert {one.person_id for one in changes.templates} == set(others)

    through(site, main)
    again = [one.record for one in site.entries() if one.record.kind is AuditKind.TEMPLATES_DESTROYED]
    assert [one.subject for one in again] == [gone, gone]
    through(site, lambda office: asyncio.sleep(0))
    assert site.kinds().count(AuditKind.TEMPLATES_DESTROYED) == 2, "once a copy"
