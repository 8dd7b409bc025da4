"""A recorded past for catalogs in tests: segments of a minute, a gap, analysed frames, tracks. Seeded, no media."""

import random
from collections.abc import Sequence

from custodes.ports.catalog import Catalog
from custodes.testing.media import vouch
from custodes.types.event import TrackEnded
from custodes.types.media import Gap, GapCause, Segment, SegmentHeader
from custodes.types.vision import ObjectClass, Tracklet
from custodes.units import NS_PER_MINUTE, NS_PER_S, CameraId, KeyId, Ns, RunId, SegmentId

_RUN = RunId("00000000cafe")


def segment_at(camera_id: str, start_ns: int, end_ns: int) -> Segment:
    """A sealed segment's row; there is no file."""
    header = SegmentHeader(
        version=1,
        site_id="ab" * 8,
        camera_id=CameraId(camera_id),
        run=_RUN,
        segment_id=SegmentId(f"{start_ns}-{_RUN}-{camera_id}"),
        start_ns=Ns(start_ns),
        key_id=KeyId(f"{camera_id}/20260101"),
        wrapped_key=b"",
    )
    return Segment(
        header=header,
        path=f"segments/{camera_id}/20260101/{start_ns}.seg",
        end_ns=Ns(end_ns),
        bytes_on_disk=1_000_000,
        fragments=60,
        root=bytes(32),
        is_sealed=True,
    )


def fill_history(
    catalog: Catalog, camera_id: str, *, now_ns: int, minutes: int = 40, gap: tuple[int, int] = (12, 9)
) -> list[Tracklet]:
    """`minutes` of past up to `now_ns`; between `gap[0]` and `gap[1]` minutes ago the camera was unreachable, and
    the minute after was not analysed. Returns the tracks stored."""
    gap_start, gap_end = (now_ns - ago * NS_PER_MINUTE for ago in gap)
    starts = [now_ns - ago * NS_PER_MINUTE for ago in range(minutes, 0, -1)]
    segments = [
        segment_at(camera_id, start, start + NS_PER_MINUTE) for start in starts if not gap_start <= start < gap_end
    ]
    hole = Gap(camera_id=CameraId(camera_id), start_ns=Ns(gap_start), end_ns=Ns(gap_end), cause=GapCause.UNREACHABLE)
    catalog.take_journal(f"history-{camera_id}", 1, segments, [hole])
    tracks = _tracks(camera_id, now_ns - minutes * NS_PER_MINUTE, now_ns, (gap_start, gap_end))
    for start, end in ((starts[0], gap_start), (gap_end + NS_PER_MINUTE, now_ns)):
        times = list(range(start, end, 2 * NS_PER_S))
        catalog.put_analysis(
            vouch(times, [[(0.1, 0.1, 0.2, 0.2)]] * len(times), camera_id=camera_id, run=str(start)[:12]), []
        )
    catalog.put_analysis([], [TrackEnded(tracklet=track) for track in tracks])
    return tracks


def _tracks(camera_id: str, start_ns: int, end_ns: int, hole: tuple[int, int]) -> list[Tracklet]:
    random_ = random.Random(camera_id)  # noqa: S311 - a drawing, not a secret
    classes: Sequence[ObjectClass] = [ObjectClass.PERSON] * 4 + [ObjectClass.CAR, ObjectClass.CAR, ObjectClass.BICYCLE]
    tracks: list[Tracklet] = []
    at_ns = start_ns
    while at_ns < end_ns:
        at_ns += int(random_.expovariate(1 / 18) * NS_PER_S)
        length_ns = int(random_.uniform(2, 25) * NS_PER_S)
        if hole[0] - length_ns < at_ns < hole[1] + NS_PER_MINUTE or at_ns + length_ns > end_ns:
            continue
        tracks.append(
            Tracklet(
                camera_id=CameraId(camera_id),
                run=_RUN,
                track_id=len(tracks) + 1,
                object_class=random_.choice(classes),
                start_ns=Ns(at_ns),
                end_ns=Ns(at_ns + length_ns),
                frames=length_ns // (NS_PER_S // 5),
                mean_score=0.7,
                first_box_norm=(0.1, 0.1, 0.2, 0.3),
                last_box_norm=(0.5, 0.1, 0.6, 0.3),
            )
        )
    return tracks
