"""A subject access on real footage, through real processes: film with one person shown, and who saw them."""

import asyncio
import json
import time
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
from tests.review.test_real_footage import CLIP, CODEC_NOISE, HEIGHT, WIDTH, pixels, truth
from tests.server.conftest import SITE_ID, Site, until
from tests.server.test_exports import ADA, CAMERA, Bench, bench

import custodes_verify
from custodes.adapters.ipc.warden import WardenClient
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.errors import PermissionDenied
from custodes.media.decode import FrameDecoder
from custodes.redact.fill import FILL_Y
from custodes.sealing.published import latest_usable, read_pinned
from custodes.testing.catalog import make_spec
from custodes.testing.media import encode_clip, read_clip, vouch, write_segment
from custodes.types.access import Action, AuditKind, Fidelity, Purpose, PurposeKind
from custodes.types.media import Segment
from custodes.units import NS_PER_S, Ns, RunId

pytestmark = pytest.mark.skipif(not CLIP.exists(), reason=f"no footage at {CLIP.parent}")

ASKED = Purpose(kind=PurposeKind.SUBJECT_ACCESS, reference="SAR-7")
FIRST, FRAMES = 40, 24
"""Of the clip: somebody walks alone here, so that pixels tell whose they are."""
PERSON = 13
RUN = RunId("0" * 12)
TRUTH = truth() if CLIP.exists() else {}


async def record_pets(site: Site, catalog: ThreadedCatalog, warden: WardenClient) -> Segment:
    """Three seconds of PETS 2009, recorded a minute ago; its ground truth stands for the analysis."""
    await catalog.put_cameras([make_spec(CAMERA)], is_exclusive=False)
    await warden.publish_keys((CAMERA,))
    start_ns = time.time_ns() - 60 * NS_PER_S
    day = time.strftime("%Y%m%d", time.gmtime())
    key = latest_usable(site.paths.public_keys, CAMERA, day, read_pinned(site.paths.warden_key))
    info, packets = read_clip(CLIP, frames=FIRST + FRAMES, start_ns=start_ns)
    decoder = FrameDecoder(info)
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    info, packets = encode_clip(frames[FIRST:], fps=10, gop=10, start_ns=start_ns)
    segment, _ = write_segment(
        site.paths.data_dir, info, packets, public_key=key.public_key, key_id=key.key_id, site_id=SITE_ID
    )
    await catalog.take_journal("recorder", 1, [segment], [])
    facts = vouch(
        [packet.utc_ns for packet in packets],
        [list(people_in(n).values()) for n in range(FRAMES)],
        ids=[list(people_in(n)) for n in range(FRAMES)],
    )
    await catalog.put_analysis(facts, [])
    return segment


def people_in(number: int) -> dict[int, tuple[float, float, float, float]]:
    """Boxes by person in frame `number` of what is recorded here."""
    return dict(TRUTH[FIRST + number])


async def export(at: Bench, request_id: str, **changes: object) -> Path:
    first = at.segment.header.start_ns
    export_id = await at.exporter.start(
        principal=ADA,
        camera_id=CAMERA,
        start_ns=first,
        end_ns=Ns(first + FRAMES * NS_PER_S // 10),
        request_id=request_id,
        **{"purpose": ASKED, "fidelity": Fidelity.UNMASKED, **changes},  # type: ignore[arg-type]
    )
    await until(lambda: at.exporter.state(export_id).state in ("ready", "failed"))
    state = at.exporter.state(export_id)
    assert (state.state, state.detail) == ("ready", "")
    return Path(state.path)


def test_subject_access_shows_the_person_masks_all_others_and_tells_who_saw_them(site: Site, tmp_path: Path) -> None:
    shown, other = ((RUN, PERSON),), (RUN, 11)

    async def main() -> None:
        async with bench(site, recorder=record_pets) as at:
            request_id = await at.approve(Fidelity.UNMASKED, purpose=ASKED, shown=shown)
            playing = await at.approve(Fidelity.UNMASKED, purpose=ASKED, shown=shown, action=Action.PLAY_BACK)
            with pytest.raises(PermissionDenied):
                await export(at, playing, shown=shown)
            for wrong in ((), (other,), (*shown, other)):
                with pytest.raises(PermissionDenied):
                    await export(at, request_id, shown=wrong)
            bundle = await export(at, request_id, shown=shown)
            granted = [one.record for one in await site.log(at.warden) if one.record.kind is AuditKind.ACCESS_GRANTED]
            assert granted[-1].details["shown"] == f"{RUN}/{PERSON}"
            check_bundle(bundle, tmp_path)

    asyncio.run(main())


def check_bundle(bundle: Path, folder: Path) -> None:
    assert custodes_verify.verify_evidence(bundle, None)
    with zipfile.ZipFile(bundle) as opened:
        manifest = json.loads(opened.read("manifest.json"))
        viewers = json.loads(opened.read("viewers.json"))
        page = opened.read("subject-access.html").decode()
        film = folder / "film.mp4"
        film.write_bytes(opened.read("derived/film-1.mp4"))
    assert manifest["shown"] == [[RUN, PERSON]] and manifest["purpose"] == "subject_access"
    assert [(row["who"], row["what"], row["how"]) for row in viewers["viewings"]] == [
        ("Ada", "export", "without a mask")
    ]
    assert viewers["is_complete"] and "Ada" in page and "everybody else in it is masked" in page
    with av.open(str(film)) as container:
        pictures = [frame.to_ndarray(format="yuv420p")[:HEIGHT] for frame in container.decode(video=0)]
    assert len(pictures) == FRAMES and pictures[0].shape == (HEIGHT, WIDTH)
    originals = original_luma()
    for number in range(1, FRAMES - 6):  # the last look-ahead is covered whole
        for person, box in people_in(number).items():
            area, original = (picture[number][pixels(box)].astype(int) for picture in (pictures, originals))
            if person == PERSON:
                assert np.abs(area - original).mean() < 8 < np.ptp(area), f"frame {number} hides the person"
            else:
                assert np.abs(area - FILL_Y).max() <= CODEC_NOISE, f"frame {number} shows somebody else"


def original_luma() -> list[np.ndarray]:
    info, packets = read_clip(CLIP, frames=FIRST + FRAMES, start_ns=0)
    decoder = FrameDecoder(info)
    return [frame.y for packet in packets for frame in decoder.decode(packet)][FIRST:]
