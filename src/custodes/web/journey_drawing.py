"""A journey as drawings: where on each floor, and when in which camera. Coordinates only; the templates draw them."""

from dataclasses import dataclass

from custodes.types.journey import Journey, JourneyStep, LinkKind
from custodes.units import NS_PER_S
from custodes.web.language.speech import Words
from custodes.web.words import span_words, utc_text

MAP_PX = 640.0
LINE_PX, LABEL_PX, ROW_PX = 720.0, 150.0, 26.0
_MARGIN_M = 2.0
LINK_WORDS: Words[LinkKind] = Words(
    {
        LinkKind.VERIFIED: "confirmed by two people",
        LinkKind.TOGETHER: "seen with it on the same ground",
        LinkKind.TRANSIT: "came when and where they would",
    }
)
ALIKE, UNLIKE = 0.5, -0.5
"""Natural logarithms: 1.6 times likelier one person's, or two people's."""
CLOTHES_WORDS: Words[str] = Words(
    {"alike": "alike", "unlike": "unlike", "either": "do not say", "unseen": "not compared"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnStep:
    """One track in the drawings and in the list."""

    number: int
    step: JourneyStep
    camera: str
    words: str
    percent: int
    link_percent: int
    runner_percent: int
    clothes: str
    time: str
    lasted: str
    gap: str
    """Time since the step before; empty where they overlap."""
    found_from: int
    x: float
    width: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFloor:
    """`paths`: number, kind, points of a polyline, and its first point."""

    name: str
    height: float
    paths: tuple[tuple[int, str, str, tuple[float, float]], ...]
    cameras: tuple[tuple[str, float, float], ...]
    scale_m: int
    scale_px: float


def steps_of(journey: Journey) -> list[DrawnStep]:
    """By time."""
    names = {one.camera_id: one.name for one in journey.cameras}
    rows = {one.camera_id: at for at, one in enumerate(journey.cameras)}
    drawn, last_ns = [], 0
    for at, step in enumerate(journey.steps):
        begin, end = max(step.start_ns, journey.start_ns), min(step.end_ns, journey.end_ns)
        gap_ns = step.start_ns - last_ns if last_ns else 0
        drawn.append(
            DrawnStep(
                number=at + 1,
                step=step,
                camera=names.get(step.camera_id, step.camera_id),
                words=LINK_WORDS[step.kind],
                percent=round(100 * step.probability),
                link_percent=round(100 * step.link_probability),
                clothes=clothes_words(step),
                runner_percent=round(100 * step.runner_up),
                time=utc_text(step.start_ns)[:-1].replace("T", " "),
                lasted=span_words((step.end_ns - step.start_ns) / NS_PER_S),
                gap=span_words(gap_ns / NS_PER_S) if gap_ns > 0 else "",
                found_from=step.came_from + 1,
                x=_x(journey, begin),
                width=max(round(_x(journey, end) - _x(journey, begin), 1), 3.0),
                y=rows.get(step.camera_id, 0) * ROW_PX,
            )
        )
        last_ns = max(last_ns, step.end_ns)
    return drawn


def clothes_words(step: JourneyStep) -> str:
    """What looks said for a link; which colours they were nobody learns."""
    if step.kind is LinkKind.VERIFIED:
        return "–"
    if step.look_nats is None:
        return CLOTHES_WORDS["unseen"]
    if step.look_nats >= ALIKE:
        return CLOTHES_WORDS["alike"]
    return CLOTHES_WORDS["unlike" if step.look_nats <= UNLIKE else "either"]


def _x(journey: Journey, utc_ns: int) -> float:
    share = (utc_ns - journey.start_ns) / max(journey.end_ns - journey.start_ns, 1)
    return round(LABEL_PX + min(max(share, 0.0), 1.0) * (LINE_PX - LABEL_PX - 10), 1)


def floors_of(journey: Journey) -> list[DrawnFloor]:
    """Floors on which a track has a path."""
    names = dict.fromkeys(step.floor for step in journey.steps if step.path_m)
    return [_floor(journey, name) for name in names]


def _floor(journey: Journey, name: str) -> DrawnFloor:
    cameras = [(one.name, one.place_m) for one in journey.cameras if one.floor == name and one.place_m is not None]
    steps = [(at + 1, step) for at, step in enumerate(journey.steps) if step.floor == name and step.path_m]
    points = [(x, y) for _, step in steps for _, x, y in step.path_m] + [place for _, place in cameras]
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    low = min(xs) - _MARGIN_M, min(ys) - _MARGIN_M
    wide, high = max(xs) + _MARGIN_M - low[0], max(ys) + _MARGIN_M - low[1]
    scale = MAP_PX / max(wide, high, 1.0)

    def at_px(x: float, y: float) -> tuple[float, float]:
        return round((x - low[0]) * scale, 1), round((high - (y - low[1])) * scale, 1)

    paths = []
    for number, step in steps:
        pixels = [at_px(x, y) for _, x, y in step.path_m]
        paths.append((number, step.kind.value, " ".join(f"{x},{y}" for x, y in pixels), pixels[0]))
    metres = next((one for one in (1, 2, 5, 10, 20, 50, 100, 200, 500) if one >= max(wide, high) / 8), 1000)
    return DrawnFloor(
        name=name,
        height=round(high * scale, 1),
        paths=tuple(paths),
        cameras=tuple((label, *at_px(*place)) for label, place in cameras),
        scale_m=metres,
        scale_px=round(metres * scale, 1),
    )
