"""An hour's tracks as a flow: how many went from camera to camera, how many were where, for how long. No number leaves
that is about fewer than `min_group` objects.

Against subtraction: hours and groups are one fixed partition, every hour is made once, no total holds what a cell
holds back, and what is released is rounded, so that no other count (a camera's own, a line's) can be set off against
it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from custodes.journey.fusion import TrackKey
from custodes.journey.link_hours import HourLinks
from custodes.journey.presence import mean_present
from custodes.journey.resolve import KEPT, WINDOW_S, numbers, resolve
from custodes.journey.times import time_bands
from custodes.journey.tracklets import Tracklets
from custodes.journey.transit import BIN_S
from custodes.types.flow import HEAT_COLUMNS, HEAT_ROWS, FlowCell, FlowGroup, FlowHour, PlaceFigures, QueueFigures
from custodes.types.vision import Tracklet
from custodes.units import NS_PER_S, CameraId, Ns

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

ROUND_TO = 5
LEAST_GROUP = 10
"""No site may set fewer."""
_BINS = int(WINDOW_S[1] / BIN_S) + 1
_LINKED_STEPS = 20
_DWELL_STEP_S = 5.0
_MOVED = 0.08
"""Who moved less, in shares of the frame, left in no direction."""


def flow_hour(
    *,
    start_ns: Ns,
    end_ns: Ns,
    group: FlowGroup,
    min_group: int,
    cameras: Sequence[CameraId],
    tracks: Sequence[Tracklet],
    coverage: Mapping[CameraId, float],
    stood: Mapping[CameraId, Rows],
    queues: Sequence[QueueFigures] = (),
    links: HourLinks | None = None,
    analysed: Mapping[CameraId, Sequence[tuple[int, int]]] | None = None,
) -> FlowHour:
    """All figures of an hour.

    Args: tracks: of one group, of these cameras, that began in the hour; coverage: analysed share of the hour; stood:
    of each camera (cells,) how many different tracks stood in each cell of the picture; queues: of `waiting`;
    links: of the hour, from which the cells are made as far as they reach; of tracks that took no part, from times and
    ways alone; analysed: stretches of the hour of each camera, ns; without them the whole of it.
    """
    assert min_group >= LEAST_GROUP, f"groups of {min_group}; at least {LEAST_GROUP}"
    rest = tracks if links is None else [one for one in tracks if not links.took_part(_key(one))]
    seen = _Ways(len(cameras)) if links is None else _linked(links, cameras)
    cells = _cells(cameras, seen, _blind(cameras, rest), min_group, coverage)
    took_part = len(tracks) - len(rest)
    places = tuple(
        _place(
            camera_id,
            [one for one in tracks if one.camera_id == camera_id],
            (start_ns, end_ns),
            min_group,
            coverage.get(camera_id, 0.0),
            stood.get(camera_id),
            (analysed or {}).get(camera_id, ((start_ns, end_ns),)),
        )
        for camera_id in cameras
        if coverage.get(camera_id, 0.0) > 0
    )
    return FlowHour(
        camera_id=CameraId(""),
        start_ns=start_ns,
        end_ns=end_ns,
        group=group,
        min_group=min_group,
        cells=cells,
        places=places,
        queues=tuple(queues),
        linked=round(_LINKED_STEPS * took_part / len(tracks)) / _LINKED_STEPS if took_part >= min_group else None,
    )


def released(count: float, min_group: int) -> int:
    """What may be told of a count: rounded to five, or 0 for too few."""
    if count < min_group:
        return 0
    return max(ROUND_TO * round(count / ROUND_TO), min_group)


def tracklets_of(tracks: Sequence[Tracklet], cameras: Sequence[CameraId]) -> Tracklets:
    """By start. The way is that which the track left its picture: left, right, up, down, or none."""
    number = {camera_id: index for index, camera_id in enumerate(cameras)}
    ordered = sorted(tracks, key=lambda one: (one.start_ns, one.camera_id, one.track_id))
    origin_ns = ordered[0].start_ns if ordered else 0
    return Tracklets(
        camera=np.array([number[one.camera_id] for one in ordered], np.int64),
        way=np.array([way_of(one) for one in ordered], np.int64),
        start_s=np.array([(one.start_ns - origin_ns) / NS_PER_S for one in ordered], np.float64),
        end_s=np.array([(one.end_ns - origin_ns) / NS_PER_S for one in ordered], np.float64),
        looks=np.full((len(ordered), 1), np.nan),
    )


def way_of(track: Tracklet) -> int:
    """Which way it left its picture: left, right, up, down, or none."""
    first, last = track.first_box_norm, track.last_box_norm
    across = (last[0] + last[2] - first[0] - first[2]) / 2
    down = last[3] - first[3]
    if max(abs(across), abs(down)) < _MOVED:
        return 0
    if abs(across) >= abs(down):
        return 1 if across < 0 else 2
    return 3 if down < 0 else 4


class _Ways:
    """Between each two cameras (flat, from · count + to) how many different objects went, and, of those that are a
    group, how many took how long, in bins of `BIN_S`."""

    def __init__(self, cameras: int) -> None:
        self.objects: Floats = np.zeros(cameras * cameras)
        self.times: dict[int, Floats] = {}

    def taken(self, flat: int) -> Floats:
        """(bins,) that sum up to the objects."""
        times = self.times[flat]
        result: Floats = times * (self.objects[flat] / max(float(times.sum()), 1e-9))
        return result


def lane_of(track: Tracklet) -> int:
    """Which way it left, and in which third of the picture, across that way: 0 for none, else 1 to 12. Who leaves on
    the right of a street goes on elsewhere than who leaves on its left."""
    way = way_of(track)
    if not way:
        return 0
    box = track.last_box_norm
    across = box[3] if way <= 2 else (box[0] + box[2]) / 2
    return 3 * way - 2 + min(max(int(across * 3), 0), 2)


def _key(track: Tracklet) -> TrackKey:
    return track.camera_id, track.run, track.track_id


def _linked(links: HourLinks, cameras: Sequence[CameraId]) -> _Ways:
    number = {camera_id: index for index, camera_id in enumerate(cameras)}
    index = np.array([number.get(camera_id, -1) for camera_id in links.cameras], np.int64)
    first, second = index[links.first], index[links.second]
    keep = (first >= 0) & (second >= 0) & (first != second)
    pair, gap_s = (first * len(cameras) + second)[keep], links.gap_s[keep]
    # Somebody who goes to and fro is one in the times, too: so a band of ten is about ten.
    chance = _shares(pair, links.whole[keep], links.chance[keep])
    found = _Ways(len(cameras))
    found.objects = np.asarray(np.bincount(pair, chance, len(cameras) ** 2), np.float64)
    for flat in np.flatnonzero(found.objects >= LEAST_GROUP).tolist():
        mine = pair == flat
        bins = np.clip((gap_s[mine] / BIN_S).astype(np.int64), 0, _BINS - 1)
        found.times[flat] = np.asarray(np.bincount(bins, chance[mine], _BINS), np.float64)
    return found


def _once(pair: Rows, whole: Rows, chance: Floats, cameras: int) -> Floats:
    """(cells,) One object that goes to and fro counts once in a cell: a cell is about objects, not about ways."""
    if not len(pair):
        return np.zeros(cameras * cameras)
    keys, index = np.unique(np.stack([pair, whole]), axis=1, return_inverse=True)
    once = np.minimum(np.bincount(index.ravel(), chance), 1.0)
    return np.asarray(np.bincount(keys[0], once, cameras * cameras), np.float64)


def _shares(pair: Rows, whole: Rows, chance: Floats) -> Floats:
    """(m,) as `_once`, of each link: together at most one for an object in a cell."""
    if not len(pair):
        return chance
    _, index = np.unique(np.stack([pair, whole]), axis=1, return_inverse=True)
    sums = np.bincount(index.ravel(), chance)[index.ravel()]
    return np.asarray(chance / np.maximum(sums, 1.0), np.float64)


def _blind(cameras: Sequence[CameraId], tracks: Sequence[Tracklet]) -> _Ways:
    """From tracks without looks: by times and ways alone, where these are commoner than chance."""
    tracklets = tracklets_of(tracks, cameras)
    # An object that is not known again would count twice in a cell: here a link too few does more harm.
    found = resolve(tracklets, least=KEPT)
    ways = _Ways(len(cameras))
    if not len(found.pairs.first):
        return ways
    whole = numbers(len(tracklets), found.first, found.second)
    first, second = tracklets.camera[found.pairs.first], tracklets.camera[found.pairs.second]
    pair = first * len(cameras) + second
    ways.objects = _once(pair, whole[found.pairs.first], found.chance, len(cameras))
    for flat in np.flatnonzero(ways.objects >= LEAST_GROUP).tolist():
        ways.times[flat] = found.model.times[divmod(flat, len(cameras))]
    return ways


def _cells(
    cameras: Sequence[CameraId], linked: _Ways, blind: _Ways, min_group: int, coverage: Mapping[CameraId, float]
) -> tuple[FlowCell, ...]:
    """Somebody may be in both parts, before links were looked for and after; so each is to be a whole group by itself,
    or counts for nothing."""
    known, rest = (np.where(one.objects >= min_group, one.objects, 0.0) for one in (linked, blind))
    cells = []
    for flat in np.flatnonzero(known + rest).tolist():
        one, other = divmod(flat, len(cameras))
        if one != other:
            parts = [ways.taken(flat) for ways, of in ((linked, known), (blind, rest)) if of[flat]]
            taken = np.asarray(np.sum(parts, axis=0), np.float64)
            usual_s = np.interp(taken.sum() / 2, np.cumsum(taken), (np.arange(_BINS) + 1) * BIN_S)
            count = float(known[flat] + rest[flat])
            cells.append(
                FlowCell(
                    from_camera=cameras[one],
                    to_camera=cameras[other],
                    count=released(count, min_group),
                    median_s=_DWELL_STEP_S * round(usual_s / _DWELL_STEP_S),
                    coverage=round(min(coverage.get(cameras[one], 0.0), coverage.get(cameras[other], 0.0)), 3),
                    times=time_bands(taken, BIN_S, count, min_group, round_to=ROUND_TO),
                    by_links=round(_LINKED_STEPS * known[flat] / count) / _LINKED_STEPS,
                )
            )
    return tuple(cells)


def _place(
    camera_id: CameraId,
    tracks: Sequence[Tracklet],
    span_ns: tuple[int, int],
    min_group: int,
    coverage: float,
    stood: Rows | None,
    analysed: Sequence[tuple[int, int]],
) -> PlaceFigures:
    is_enough = len(tracks) >= min_group
    heat = () if stood is None else tuple(released(int(one), min_group) for one in stood)
    mean, peak, median, p90 = None, None, None, None
    if is_enough:
        starts = np.array([max(one.start_ns, span_ns[0]) for one in tracks])
        ends = np.array([min(one.end_ns, span_ns[1]) for one in tracks])
        mean = round(mean_present(starts, ends, analysed), 1)
        steps = np.concatenate([np.ones(len(starts)), -np.ones(len(ends))])
        times = np.concatenate([starts, ends])
        peak = int(np.cumsum(steps[np.lexsort((steps, times))]).max())
        dwell = np.array([(one.end_ns - one.start_ns) / NS_PER_S for one in tracks])
        median, p90 = (_DWELL_STEP_S * round(float(np.percentile(dwell, share)) / _DWELL_STEP_S) for share in (50, 90))
    return PlaceFigures(
        camera_id=camera_id,
        coverage=round(coverage, 3),
        mean_present=mean,
        peak_present=peak,
        dwell_median_s=median,
        dwell_p90_s=p90,
        heat=heat if any(heat) else (),
    )


def heat_cells(feet: Floats) -> Rows:
    """(n,) the cell that each foot (n, 2), shares of the frame, stands in."""
    column = np.clip((feet[:, 0] * HEAT_COLUMNS).astype(np.int64), 0, HEAT_COLUMNS - 1)
    row = np.clip((feet[:, 1] * HEAT_ROWS).astype(np.int64), 0, HEAT_ROWS - 1)
    result: Rows = row * HEAT_COLUMNS + column
    return result


def stood_in(track_ids: Rows, feet: Floats) -> Rows:
    """(cells,) how many different tracks stood in each cell. Args: track_ids (n,), feet (n, 2), one a look."""
    if not len(track_ids):
        return np.zeros(HEAT_COLUMNS * HEAT_ROWS, np.int64)
    pairs = np.unique(np.stack([heat_cells(feet), track_ids]), axis=1)
    return np.bincount(pairs[0], minlength=HEAT_COLUMNS * HEAT_ROWS)
