"""A leak after expiry: an analyser looked, a viewer leaked, all was deleted; the mark on the empty view tells."""

import asyncio
import io
import time
from dataclasses import dataclass, replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from tests.job.test_job import recorded_grant
from tests.leaks.scenes import frame_of, scene

from custodes.adapters.ipc.framing import RequestClient
from custodes.app.analyser_looks import LookKeeper, published_finder
from custodes.app.kept_names import kept_in
from custodes.config import LeakConfig
from custodes.media.decode import FrameDecoder
from custodes.sealing.published import background_key_id, exactly, read_pinned
from custodes.testing.job import CAMERA, SITE_ID, JobSite
from custodes.testing.media import encode_clip, vouch, write_segment
from custodes.types.access import AccessRequest, Action, Fidelity, Grant, Principal, Purpose, PurposeKind, Role
from custodes.types.leak import CamerasSought, NeedMasks, PictureTraced, SeekCamera, SeekTask, TraceTask
from custodes.types.mark import slot_of
from custodes.types.media import Frame, Segment
from custodes.types.message import (
    Authorise,
    Authorised,
    MaskFacts,
    SeekTo,
    StillRendered,
    StopView,
    ViewEnded,
    ViewKind,
    ViewNote,
)
from custodes.types.scene import CameraScene
from custodes.units import NS_PER_S, CameraId, Ns, SessionId

FRAMES, FPS = 30, 6


def walker(number: int) -> tuple[float, float, float, float]:
    left = 0.02 + 0.028 * number
    return left, 0.45, left + 0.06, 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    segment: Segment
    picture: bytes
    utc_ns: int
    looks: MaskFacts


def recorded_walk(site: JobSite, start_ns: Ns, steps: list[int], fps: int) -> tuple[Segment, list[Frame], MaskFacts]:
    """Somebody walks past a camera: a segment, its pictures as they come out of it, and what an analyser saw."""
    place, pictures = scene(21), []
    for number, step in enumerate(steps):
        x1, y1, x2, y2 = walker(step)
        y = place.copy()
        y[int(y1 * 540) : int(y2 * 540), int(x1 * 960) : int(x2 * 960)] = 30
        pictures.append(frame_of(y, Ns(start_ns + number * NS_PER_S // fps)))
    info, packets = encode_clip(pictures, fps=fps, gop=fps, start_ns=start_ns)
    key = site.published_key()
    segment, _ = write_segment(
        site.paths.data_dir, info, packets, public_key=key.public_key, key_id=key.key_id, site_id=SITE_ID
    )
    decoder = FrameDecoder(info)
    frames = [one for packet in packets for one in decoder.decode(packet)] + decoder.flush()
    looks = vouch([one.utc_ns for one in frames], [[walker(step)] for step in steps])
    return segment, frames, MaskFacts(frames=tuple(looks))


@pytest.fixture(scope="module")
def leak(site: JobSite) -> Leak:
    """A still of a recorded walk, as somebody sent it on."""
    start_ns = Ns(time.time_ns() - 300 * NS_PER_S)
    segment, frames, looks = recorded_walk(site, start_ns, list(range(FRAMES)), FPS)
    config = LeakConfig(background_every_s=0.5, sketch_every_s=0.5)
    keeper = LookKeeper(site.paths, config, published_finder(site.paths))
    for frame, look in zip(frames, looks.frames, strict=True):
        keeper.look(frame, look.frame, CameraScene())
    keeper.close()
    recorded_grant(site, segment, "was-not-there")
    still(site, segment, looks, "bystander", Ns(start_ns + NS_PER_S))
    picture, utc_ns = still(site, segment, looks, "leaker", Ns(start_ns + 2 * NS_PER_S))
    return Leak(segment=segment, picture=picture, utc_ns=utc_ns, looks=looks)


def still(site: JobSite, segment: Segment, looks: MaskFacts, session: str, at_ns: Ns) -> tuple[bytes, int]:
    """As a viewer's page shows it, then scaled and sent on; and the moment it is of."""
    with site.job(f"job-still-{session}") as job:
        job.channel.send(site.task(recorded_grant(site, segment, session), ViewKind.STILL, segment))
        job.channel.send(looks)
        job.channel.send(SeekTo(utc_ns=at_ns, request_id=1))
        shown = job.until(StillRendered, ViewNote, ViewEnded)[-1]
        assert isinstance(shown, StillRendered), shown
        job.channel.send(StopView())
    y = cv2.imdecode(np.frombuffer(shown.payload, np.uint8), cv2.IMREAD_COLOR)
    smaller = cv2.resize(y, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", smaller, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes(), int(shown.utc_ns)


def traces(site: JobSite, leak: Leak, session: str) -> Grant:
    request = AccessRequest(
        principal=Principal(user_id="i", name="Ida", roles=frozenset({Role.INVESTIGATOR})),
        action=Action.TRACE_LEAK,
        purpose=Purpose(kind=PurposeKind.LEAK_TRACE, reference="7"),
        camera_id=CAMERA,
        start_ns=Ns(leak.segment.header.start_ns - 3600 * NS_PER_S),
        end_ns=Ns(time.time_ns()),
        fidelity=Fidelity.MASKED,
        session_id=SessionId(session),
    )

    async def ask() -> Authorised:
        client = RequestClient(site.paths.socket("warden-server"))
        answer = await client.request(Authorise(request=request), Authorised)
        await client.close()
        return answer

    answer = asyncio.run(ask())
    assert answer.grant is not None, answer.decision.reasons
    return answer.grant


def trace(site: JobSite, leak: Leak, name: str, segments: tuple[Segment, ...], picture: bytes) -> PictureTraced:
    grant = traces(site, leak, name)
    with site.job(f"job-{name}") as job:
        job.channel.send(
            TraceTask(
                camera_id=CAMERA,
                session_id=grant.request.session_id,
                grant_token=grant.token,
                deadline_ns=Ns(time.time_ns() + 600 * NS_PER_S),
                start_ns=grant.request.start_ns,
                end_ns=grant.request.end_ns,
                segments=segments,
                picture=picture,
                is_attributing=True,
            )
        )
        while isinstance(answer := job.until(NeedMasks, PictureTraced)[-1], NeedMasks):
            job.channel.send(leak.looks)
        assert isinstance(answer, PictureTraced)
        return answer


def test_leak_when_footage_is_there_then_is_traced_by_what_the_analyser_kept(site: JobSite, leak: Leak) -> None:
    before = len(site.released_segments())
    traced = trace(site, leak, "early", (leak.segment,), leak.picture)
    assert traced.is_found, traced.error
    assert abs(traced.utc_ns - leak.utc_ns) <= NS_PER_S
    assert (traced.candidates[0].session_id, traced.background_ns) == ("leaker", 0)
    assert traced.candidates[0].z >= 9
    opened = [name for entry in site.released_segments()[before:] for name in entry.record.details.values()]
    assert any(name.endswith("-sketches") for name in opened), "the index that was there was used"
    assert not list((site.paths.index / CAMERA).glob("*.idx")), "and none was made"


@pytest.mark.slow
def test_leak_when_a_clip_with_a_title_was_posted_then_is_traced_like_a_still(site: JobSite, leak: Leak) -> None:
    shown = cv2.imdecode(np.frombuffer(leak.picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    shown = np.ascontiguousarray(shown[: shown.shape[0] // 2 * 2, : shown.shape[1] // 2 * 2])
    title = np.full_like(shown, 20)
    film = io.BytesIO()
    with av.open(film, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = shown.shape[1], shown.shape[0], "yuv420p"
        for number in range(30):
            picture = av.VideoFrame.from_ndarray(title if number < 5 else shown, format="gray8")
            container.mux(stream.encode(picture.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    traced = trace(site, leak, "clip", (leak.segment,), film.getvalue())
    assert traced.is_found, traced.error
    assert abs(traced.utc_ns - leak.utc_ns) <= NS_PER_S
    assert traced.candidates[0].session_id == "leaker"
    assert traced.candidates[0].z >= 9


def test_leak_when_the_same_was_seen_twice_then_the_mark_tells_which_time(site: JobSite, leak: Leak) -> None:
    walk, period_s = list(range(12)), 12  # longer than a slot: a moment and the same one later are never in one
    start_ns = Ns(leak.segment.header.start_ns - 7200 * NS_PER_S)
    segment, _, looks = recorded_walk(site, start_ns, walk * 2, 1)
    picture, utc_ns = still(site, segment, looks, "twice", Ns(start_ns + (period_s + 4) * NS_PER_S))
    seen = Leak(segment=segment, picture=picture, utc_ns=utc_ns, looks=looks)
    traced = trace(site, seen, "late-or-early", (segment,), picture)
    assert [str(one.session_id) for one in traced.candidates if one.z >= 9] == ["twice"]
    assert traced.utc_ns == utc_ns
    assert traced.earliest_ns <= utc_ns <= traced.latest_ns
    assert slot_of(Ns(traced.earliest_ns)) == slot_of(Ns(utc_ns))
    first_ns, last_ns = traced.by_content_ns
    assert last_ns - first_ns > period_s * NS_PER_S, "content alone does not tell"


def test_leak_when_footage_expired_then_the_mark_names_session_and_ten_seconds(site: JobSite, leak: Leak) -> None:
    (site.paths.data_dir / leak.segment.path).unlink()
    for kept in kept_in(site.paths.index / CAMERA, "skx"):
        kept.path.unlink()
    traced = trace(site, leak, "late", (), leak.picture)
    assert traced.is_found, traced.error
    assert traced.background_ns > 0
    assert traced.candidates[0].session_id == "leaker"
    assert traced.candidates[0].z >= 9
    assert traced.candidates[0].slot == slot_of(Ns(leak.utc_ns))
    assert traced.earliest_ns <= leak.utc_ns <= traced.latest_ns
    assert {str(one.session_id) for one in traced.candidates} == {"leaker", "bystander"}
    assert max(one.z for one in traced.candidates[1:]) < 6.8
    assert traced.decoy_z_max < 6.8


def test_background_when_kept_then_is_sealed_and_only_a_trace_opens_it(site: JobSite, leak: Leak) -> None:
    (kept,) = kept_in(site.paths.backgrounds / CAMERA, "bkg")
    raw = kept.path.read_bytes()
    assert b"PNG" not in raw
    pinned = read_pinned(site.paths.warden_key)
    year = time.strftime("%Y", time.gmtime(kept.end_ns // NS_PER_S))
    assert exactly(site.paths.public_keys, background_key_id(CAMERA, year), pinned).day == f"{year}0000"
    assert Path(kept.path).stat().st_mode & 0o077 == 0


def test_search_when_over_cameras_then_the_one_weighs_more_than_for_a_stranger(site: JobSite, leak: Leak) -> None:
    weights = []
    for name, picture in (("ours", leak.picture), ("other", cv2.imencode(".png", scene(77))[1].tobytes())):
        grant = traces(site, leak, f"seek-{name}")
        wanted = SeekCamera(
            camera_id=CAMERA, grant_token=grant.token, start_ns=grant.request.start_ns, end_ns=grant.request.end_ns
        )
        missing = replace(wanted, camera_id=CameraId("nowhere"))
        with site.job(f"job-seek-{name}") as job:
            deadline_ns = Ns(time.time_ns() + 600 * NS_PER_S)
            job.channel.send(SeekTask(picture=picture, cameras=(wanted, missing), deadline_ns=deadline_ns))
            sought = job.until(CamerasSought)[-1]
        assert isinstance(sought, CamerasSought)
        assert (set(sought.weights), sought.error) == ({CAMERA}, "")
        weights.append(sought.weights[CAMERA])
    assert weights[0] > 2 * weights[1]


def test_search_when_no_view_was_kept_then_a_recorded_picture_stands_for_it(site: JobSite, leak: Leak) -> None:
    for kept in kept_in(site.paths.backgrounds / CAMERA, "bkg"):
        kept.path.unlink()
    segment, _, _ = recorded_walk(site, Ns(leak.segment.header.start_ns - 10_800 * NS_PER_S), [0, 1], 1)
    grant = traces(site, Leak(segment=segment, picture=b"", utc_ns=0, looks=leak.looks), "seek-new")
    camera = SeekCamera(
        camera_id=CAMERA,
        grant_token=grant.token,
        start_ns=grant.request.start_ns,
        end_ns=grant.request.end_ns,
        segments=(segment,),
    )
    with site.job("job-seek-new") as job:
        deadline_ns = Ns(time.time_ns() + 600 * NS_PER_S)
        job.channel.send(SeekTask(picture=leak.picture, cameras=(camera,), deadline_ns=deadline_ns))
        sought = job.until(CamerasSought)[-1]
    assert isinstance(sought, CamerasSought)
    assert (set(sought.weights), sought.error) == ({CAMERA}, "")
