"""Erasing for a person who asked: real warden, catalog, files; the certificate is checked by `custodes-verify`."""

import asyncio
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.server.conftest import Site
from tests.server.test_exports import ADA, CAMERA, CASE, Bench, bench, control, eraser_of, record_second

import custodes_verify
from custodes.adapters.ipc.warden import WardenJobClient
from custodes.app.serving.erasure import Eraser
from custodes.cli.main import run
from custodes.errors import FailedPrecondition, NotFound, PermissionDenied
from custodes.ports.catalog import Hold
from custodes.types.access import AccessRequest, Action, AuditKind, Fidelity, Purpose, PurposeKind
from custodes.types.media import Segment
from custodes.types.message import ErasureDone
from custodes.units import NS_PER_S, Ns, SessionId

ASKED = Purpose(kind=PurposeKind.SUBJECT_ACCESS, reference="SAR-9")


async def erase(at: Bench, eraser: Eraser, request_id: str, **changes: object) -> ErasureDone:
    first = at.segment.header.start_ns
    asked = {"camera_id": CAMERA, "start_ns": first, "end_ns": Ns(first + 2 * NS_PER_S), "reference": "SAR-9"}
    return await eraser.erase(principal=ADA, request_id=request_id, **{**asked, **changes})  # type: ignore[arg-type]


def test_erasure_when_approved_leaves_nothing_and_a_certificate_that_verifies(site: Site, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(site) as at:
            eraser, file = eraser_of(at), site.paths.data_dir / at.segment.path
            assert file.exists()
            (site.paths.index / CAMERA).mkdir(parents=True)
            sketch = site.paths.index / CAMERA / f"{at.segment.header.segment_id}.idx"
            sketch.write_bytes(b"sealed")
            await refused(at, eraser)
            request_id = await at.approve(purpose=ASKED, action=Action.ERASE)
            done = await erase(at, eraser, request_id)
            assert (done.segments, done.bytes_on_disk) == (1, at.segment.bytes_on_disk)
            assert not file.exists() and not sketch.exists()
            first, last = at.segment.header.start_ns, at.segment.end_ns
            assert await at.catalog.segments(CAMERA, first, last, 10) == []
            assert await at.catalog.analysed(CAMERA, first, last) == []
            with pytest.raises(NotFound):
                await erase(at, eraser, request_id)
            kinds = [entry.record.kind for entry in await site.log(at.warden)]
            order = [AuditKind.FOOTAGE_ERASED, AuditKind.FOOTAGE_DELETED, AuditKind.ERASURE_CERTIFIED]
            assert [kind for kind in kinds if kind in order] == order
            await keys_are_refused(at, at.segment)
            check_certificate(eraser.path_of(done.erasure_id), at, request_id, tmp_path)

    asyncio.run(main())


def test_erasure_of_a_camera_with_two_streams_leaves_nothing_of_either(site: Site) -> None:
    async def main() -> None:
        async with bench(site) as at:
            second = await record_second(at)
            files = [site.paths.data_dir / one.path for one in (at.segment, second)]
            stream_id = second.header.camera_id
            sketch = site.paths.index / stream_id / f"{second.header.segment_id}.idx"
            sketch.parent.mkdir(parents=True)
            sketch.write_bytes(b"sealed")
            exported = await at.export(camera_id=stream_id)
            files += [sketch, Path(exported.path)]
            assert all(file.exists() for file in files)
            request_id = await at.approve(purpose=ASKED, action=Action.ERASE)
            eraser = eraser_of(at)
            done = await erase(at, eraser, request_id)
            assert done.segments == 2
            assert not any(file.exists() for file in files)
            assert await at.catalog.known_segments(stream_id) == set()
            await keys_are_refused(at, at.segment, second)
            report = "\n".join(custodes_verify.verify_evidence(eraser.path_of(done.erasure_id), None))
            assert "2 recordings were given up" in report

    asyncio.run(main())


async def refused(at: Bench, eraser: Eraser) -> None:
    """Without approval, under the approval of something else, and while anything of it is held."""
    exporting = await at.approve(purpose=ASKED)
    for request_id in ("", exporting):
        with pytest.raises(PermissionDenied, match="approv"):
            await erase(at, eraser, request_id)
    approved = await at.approve(purpose=ASKED, action=Action.ERASE)
    with pytest.raises(PermissionDenied):
        await erase(at, eraser, approved, end_ns=Ns(at.segment.header.start_ns + 3600 * NS_PER_S))
    start_ns, end_ns = at.segment.header.start_ns, at.segment.end_ns
    hold = Hold(
        hold_id="h1",
        owner="Ben",
        reason="court",
        camera_id=CAMERA,
        start_ns=start_ns,
        end_ns=end_ns,
        expires_ns=Ns(end_ns + 3600 * NS_PER_S),
    )
    await at.catalog.put_hold(hold)
    with pytest.raises(FailedPrecondition, match="held as evidence"):
        await erase(at, eraser, approved)
    await at.catalog.end_hold("h1")
    assert (at.site.paths.data_dir / at.segment.path).exists()


async def keys_are_refused(at: Bench, *segments: Segment) -> None:
    """Also when a copy of the file is there again: the warden remembers."""
    first = at.segment.header.start_ns
    answer = await at.warden.authorise(
        AccessRequest(
            principal=ADA,
            action=Action.PLAY_BACK,
            purpose=CASE,
            camera_id=CAMERA,
            start_ns=first,
            end_ns=Ns(first + NS_PER_S),
            fidelity=Fidelity.MASKED,
            session_id=SessionId("s1"),
        )
    )
    assert answer.grant is not None
    job = WardenJobClient(at.site.paths.socket("warden-jobs"))
    for segment in segments:
        with pytest.raises(PermissionDenied, match="erased"):
            await asyncio.to_thread(job.release_keys, answer.grant.token, (segment.header,))
    with pytest.raises(PermissionDenied, match="erases nothing"):
        await at.warden.erase_segments(answer.grant.token, (at.segment.header.segment_id,))


def check_certificate(path: Path, at: Bench, request_id: str, folder: Path) -> None:
    assert path.stat().st_mode & 0o077 == 0
    report = "\n".join(custodes_verify.verify_evidence(path, None))
    assert "1 recordings were given up" in report and "by Ada" in report and "1 of them are those" in report
    with zipfile.ZipFile(path) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    said = json.loads(files["manifest.json"])
    assert (said["request_id"], said["not_erased"], said["keys_kept"]) == (request_id, [], [at.segment.header.key_id])
    assert "refuses to" in " ".join(said["remains"]) and b"Certificate of erasure" in files["certificate.html"]
    changed = folder / "changed.zip"
    for name in files:
        raw = files[name]
        with zipfile.ZipFile(changed, "w") as opened:
            for other, content in files.items():
                opened.writestr(other, raw[:-3] + bytes([raw[-3] ^ 1]) + raw[-2:] if other == name else content)
        with pytest.raises((custodes_verify.Wrong, ValueError, KeyError)):
            custodes_verify.verify_evidence(changed, None)


def test_command_when_an_export_waits_erases_that_too_and_writes_the_certificate(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "certificate.zip"

    async def main() -> None:
        async with bench(site) as at, control(at):
            password = site.paths.data_dir / "password"
            password.write_text("correct horse battery staple\n")
            account = (await at.catalog.accounts())[0]
            await at.catalog.put_account(replace(account, totp_secret=""))
            state = await at.export()
            assert Path(state.path).exists()
            first_s = at.segment.header.start_ns // NS_PER_S
            times = [datetime.fromtimestamp(one, UTC).strftime("%Y-%m-%dT%H:%M:%S") for one in (first_s, first_s + 2)]
            request_id = await at.approve(purpose=ASKED, action=Action.ERASE)
            who = ["--as", "Ada", "--password-file", str(password), "--data", str(site.paths.data_dir)]
            what = ["--reference", "SAR-9", "--request", request_id, "--output", str(target), "--yes"]
            assert await asyncio.to_thread(run, ["erase", CAMERA, *times, *what, *who]) == 0
            assert not Path(state.path).exists()

    asyncio.run(main())
    assert custodes_verify.verify_evidence(target, None)
    with zipfile.ZipFile(target) as opened:
        said = json.loads(opened.read("manifest.json"))
    assert said["exports_removed"] == 1
    assert [one["by"] for one in said["copies_that_left"]] == ["Ada"]


def test_erasure_when_somebody_else_asked_for_it_is_refused(site: Site) -> None:
    async def main() -> None:
        async with bench(site) as at:
            request_id = await at.approve(purpose=ASKED, action=Action.ERASE)
            first = at.segment.header.start_ns
            with pytest.raises(PermissionDenied):
                await eraser_of(at).erase(
                    principal=replace(ADA, user_id="u9"),
                    camera_id=CAMERA,
                    start_ns=first,
                    end_ns=Ns(first + NS_PER_S),
                    reference="SAR-9",
                    request_id=request_id,
                )
            assert (site.paths.data_dir / at.segment.path).exists()

    asyncio.run(main())
