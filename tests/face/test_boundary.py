"""Outside an active zone no face becomes a vector: the analyser's own zones, watch, tracker and embedder, any permits.

Faces are painted squares of a colour each, which a finder made for them sees; everything behind it is the product's.
What the embedding network was fed says which face it was.
"""

import base64
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custodes.app.analyser_zones import POLL_NS, AnalyserZones
from custodes.config import SiteConfig, SitePaths
from custodes.config.tree import FacesConfig
from custodes.detect.faces import FoundFace
from custodes.face.embedding import Embedder, EmbedderPart
from custodes.face.lawful import encode_permits, sign_permit
from custodes.pipeline.faces import FaceTools
from custodes.testing.clock import ManualClock
from custodes.testing.models import manifest_of
from custodes.types.face import ZonePermit
from custodes.types.face_message import Probe
from custodes.types.media import Frame
from custodes.types.model import ColourOrder, ModelInput, ModelOutput, OutputKind, PictureFit, PixelLayout
from custodes.types.vision import ModelRef, ModelTask, ObjectClass, TrackedFrame
from custodes.units import NS_PER_S, CameraId, Ns, RunId

WIDTH, HEIGHT, FACE = 320, 240, 64
COLOURS = ((60, 210), (210, 60), (210, 210))
"""U and V of the three faces: red, green-blue, magenta."""
CAMERAS = (CameraId("gate"), CameraId("vault"))
KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number in (7, 8))


def which(picture: np.ndarray) -> np.ndarray:
    """(h, w) index of the painted face of each pixel, -1 for none."""
    red, green, blue = (picture[..., n].astype(np.int16) for n in range(3))
    found = np.full(picture.shape[:2], -1)
    found[(red - green > 60) & (green - blue > 20)] = 0
    found[(blue - red > 60) & (green - red > 20)] = 1
    found[(red - green > 60) & (blue - green > 60)] = 2
    return found


class PaintedFinder:
    """Finds the painted squares, also those that the part of the picture cuts."""

    def find(self, picture: np.ndarray, *, floor: float | None = None) -> list[FoundFace]:
        faces, seen = [], which(picture)
        for index in range(len(COLOURS)):
            y, x = np.nonzero(seen == index)
            if len(x) < 300:
                continue
            left, right = edges(int(x.min()), int(x.max()) + 1, picture.shape[1])
            top, bottom = edges(int(y.min()), int(y.max()) + 1, picture.shape[0])
            box = np.array([left, top, right, bottom], np.float32)
            shares = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.6], [0.34, 0.8], [0.66, 0.8]], np.float32)
            faces.append(FoundFace(box_px=box, points_px=box[:2] + shares * (box[2:] - box[:2]), score=0.9))
        return faces


def edges(low: int, high: int, size: int) -> tuple[int, int]:
    """A cut square is as long as a whole one."""
    if low == 0 and high < size:
        return high - FACE, high
    return (low, low + FACE) if high == size and low > 0 else (low, high)


class WitnessSession:
    """The embedding network: remembers which face it was fed."""

    ref = ModelRef(name="witness", sha256="0" * 64)

    def __init__(self) -> None:
        self.fed: list[int] = []

    def run(self, inputs):
        (value,) = inputs.values()
        picture = value[0].transpose(1, 2, 0) * 255
        seen = which(picture[30:80, 30:80])
        self.fed.append(int(np.bincount(seen[seen >= 0], minlength=3).argmax()) if (seen >= 0).any() else -1)
        return {"out": np.ones((1, 32), np.float32)}


def tools(session: WitnessSession) -> FaceTools:
    manifest = manifest_of(
        task=ModelTask.FACE_EMBED,
        input=ModelInput(
            name="in", width_px=112, height_px=112, is_size_free=False, stride_px=1, layout=PixelLayout.NCHW,
            colour=ColourOrder.RGB, mean=(0, 0, 0), std=(255, 255, 255), fit=PictureFit.STRETCH,
        ),
        output=ModelOutput(kind=OutputKind.VECTOR, names=("out",), dimension=32),
    )  # fmt: skip
    return FaceTools(finder=PaintedFinder(), embedder=Embedder([EmbedderPart(session=session, manifest=manifest)]))


def painted(camera_id: CameraId, utc_ns: int, places: tuple[tuple[float, float] | None, ...], seq: int) -> Frame:
    random = np.random.default_rng(seq)
    y = np.full((HEIGHT, WIDTH), 120, np.uint8)
    u, v = (np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8) for _ in range(2))
    for place, (blue, red) in zip(places, COLOURS, strict=True):
        if place is not None:
            top, left = (int(place[1] * HEIGHT) - FACE // 2) // 2, (int(place[0] * WIDTH) - FACE // 2) // 2
            rows, columns = slice(max(top, 0), top + FACE // 2), slice(max(left, 0), left + FACE // 2)
            u[rows, columns], v[rows, columns] = blue, red
            y[2 * rows.start : 2 * rows.stop, 2 * columns.start : 2 * columns.stop] = 125
    y = np.clip(y + random.normal(0, 18, y.shape), 30, 225).astype(np.uint8)
    return Frame(
        camera_id=camera_id, run=RunId("r"), seq=seq, utc_ns=Ns(utc_ns), y=y, u=u, v=v, is_keyframe=True,
        is_corrupt=False,
    )  # fmt: skip


def people_in(frame: Frame, bodies: dict[int, tuple[float, float, float, float]]) -> TrackedFrame:
    """Who was found in a frame: boxes by track."""
    count = len(bodies)
    return TrackedFrame(
        camera_id=frame.camera_id, run=frame.run, seq=frame.seq, utc_ns=frame.utc_ns,
        track_ids=np.array(list(bodies), np.int64),
        boxes_norm=np.array(list(bodies.values()), np.float32).reshape(-1, 4),
        class_ids=np.full(count, int(ObjectClass.PERSON), np.int16), scores=np.full(count, 0.9, np.float32),
        is_measured=np.ones(count, bool),
    )  # fmt: skip


class Bench:
    """An analyser's recognition over a data directory whose permits a test writes."""

    def __init__(self, folder: Path) -> None:
        self.paths = SitePaths(folder)
        self.paths.warden_key.parent.mkdir(parents=True, exist_ok=True)
        self.paths.zones.parent.mkdir(parents=True, exist_ok=True)
        key = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
        self.paths.warden_key.write_text(json.dumps({"site_id": "site", "site_key": key}))
        self.clock, self.session, self.seq = ManualClock(), WitnessSession(), 0
        config = SiteConfig(data_dir=folder, faces=FacesConfig(enabled=True))
        self.zones = AnalyserZones(self.paths, config, self.clock)
        self.bodies: dict[int, tuple[float, float, float, float]] = {}
        self.zones._tools = tools(self.session)

    def write(self, permits: list[ZonePermit], signer: Ed25519PrivateKey = KEY) -> None:
        self.paths.zones.write_bytes(encode_permits([sign_permit(signer, one) for one in permits]))

    def show(self, camera_id: CameraId, places: tuple[tuple[float, float] | None, ...], skew_ns: int) -> list[int]:
        """Three frames within half a second, and which faces the network was fed."""
        before = len(self.session.fed)
        self.clock.advance(POLL_NS)
        self.zones.refresh()
        for step in range(3):
            self.seq += 1
            look = self.zones.watcher(camera_id)
            if look is not None:
                at_ns = self.clock.now_ns() + skew_ns + step * NS_PER_S // 4
                frame = painted(camera_id, at_ns, places, self.seq)
                look(frame, people_in(frame, self.bodies))
        return self.session.fed[before:]


@dataclass(frozen=True)
class Wanted:
    """A permit as it is drawn, times from the moment it is written."""

    camera: int
    corners: tuple[tuple[float, float], ...]
    from_s: int
    until_s: int

    def at(self, now_ns: int) -> ZonePermit:
        return ZonePermit(
            site_id="site", zone_id=f"z{self.camera}{self.corners[0]}", camera_id=CAMERAS[self.camera],
            polygon=self.corners, samples=16, digest=bytes(32), from_ns=Ns(now_ns + self.from_s * NS_PER_S),
            until_ns=Ns(now_ns + self.until_s * NS_PER_S),
        )  # fmt: skip


def is_well_inside(corners, place: tuple[float, float], margin: float) -> bool:
    """Convex, corners in one turn: on the inner side of every edge by `margin` (negative: nearly). Not the product's
    even-odd rule."""
    sides = []
    for (x1, y1), (x2, y2) in zip(corners, (*corners[1:], corners[0]), strict=True):
        length = max(float(np.hypot(x2 - x1, y2 - y1)), 1e-9)
        sides.append(((x2 - x1) * (place[1] - y1) - (y2 - y1) * (place[0] - x1)) / length)
    return min(sides) >= margin or max(sides) <= -margin


BOXES = st.tuples(st.floats(0.0, 0.3), st.floats(0.0, 0.3), st.floats(0.6, 1.0), st.floats(0.6, 1.0))
CORNERS = st.one_of(
    BOXES.map(lambda b: ((b[0], b[1]), (b[2], b[1]), (b[2], b[3]), (b[0], b[3]))),
    BOXES.map(lambda b: ((b[0], b[1]), (b[2], b[1]), (b[0], b[3]))),
    BOXES.map(lambda b: ((b[2], b[1]), (b[2], b[3]), (b[0], b[3]))),
)
WANTED = st.builds(
    Wanted, camera=st.sampled_from([0, 0, 1]), corners=CORNERS, from_s=st.sampled_from([-60, -1, 0, 0, 5]),
    until_s=st.sampled_from([2, 8, 120, 120]),
)  # fmt: skip
PLACES = st.tuples(*(st.tuples(st.floats(low, low + 0.1), st.floats(0.2, 0.8)) for low in (0.12, 0.45, 0.78)))
SHOW = st.tuples(
    st.just("show"), st.tuples(st.sampled_from([0, 0, 1]), PLACES, st.sampled_from([0, 0, 0, -2, 3, 7, 200]))
)
STEPS = st.one_of(
    SHOW,
    SHOW,
    SHOW,
    st.tuples(st.just("permits"), st.lists(WANTED, max_size=3, unique_by=lambda one: (one.camera, one.corners[0]))),
    st.tuples(st.sampled_from(["forge", "spoil", "remove", "other site"]), st.lists(WANTED, min_size=1, max_size=1)),
    st.tuples(st.just("wait"), st.integers(1, 10)),
)


@given(st.lists(WANTED, min_size=1, max_size=2), st.lists(STEPS, min_size=4, max_size=9))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_face_becomes_a_vector_outside_an_active_zone(tmp_path_factory, first, steps) -> None:
    bench = Bench(tmp_path_factory.mktemp("site"))
    active: list[ZonePermit] = []
    for what, value in [("permits", first), *steps]:
        now_ns = bench.clock.now_ns()
        match what:
            case "permits":
                active = [one.at(now_ns) for one in value]
                bench.write(active)
            case "forge":
                active = []
                bench.write([one.at(now_ns) for one in value], OTHER)
            case "other site":
                active = []
                bench.write([replace(one.at(now_ns), site_id="elsewhere") for one in value])
            case "spoil":
                active = []
                bench.write([one.at(now_ns) for one in value])
                content = json.loads(bench.paths.zones.read_bytes())
                body = bytearray(base64.b64decode(content[0][0]))
                body[len(body) // 2] ^= 1
                content[0][0] = base64.b64encode(body).decode()
                bench.paths.zones.write_text(json.dumps(content))
            case "remove":
                active = []
                bench.paths.zones.unlink(missing_ok=True)
            case "wait":
                bench.clock.advance(value * NS_PER_S)
            case "show":
                camera, places, skew_s = value
                fed = bench.show(CAMERAS[camera], places, skew_s * NS_PER_S)
                now_ns = bench.clock.now_ns()
                for index in fed:
                    assert index >= 0
                    covering = [
                        one
                        for one in active
                        if one.camera_id == CAMERAS[camera]
                        and one.from_ns <= now_ns + skew_s * NS_PER_S + NS_PER_S // 2
                        and now_ns + skew_s * NS_PER_S < one.until_ns
                        and now_ns < one.until_ns
                        and is_well_inside(one.polygon, places[index], -0.03)
                    ]
                    assert covering, f"face {index} at {places[index]} was embedded without a zone"


def test_a_face_in_an_active_zone_becomes_a_vector_and_the_one_beside_does_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    half = Wanted(camera=0, corners=((0.0, 0.0), (0.6, 0.0), (0.6, 1.0), (0.0, 1.0)), from_s=0, until_s=60)
    bench.write([half.at(bench.clock.now_ns())])
    places = ((0.2, 0.5), (0.48, 0.5), (0.8, 0.5))
    assert set(bench.show(CAMERAS[0], places, 0)) == {0, 1}
    assert bench.show(CAMERAS[1], places, 0) == []


@pytest.mark.parametrize("seconds", [61, 3600])
def test_no_vector_when_the_warden_renews_no_permit(tmp_path: Path, seconds: int) -> None:
    bench = Bench(tmp_path)
    everywhere = Wanted(camera=0, corners=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), from_s=0, until_s=60)
    bench.write([everywhere.at(bench.clock.now_ns())])
    assert bench.show(CAMERAS[0], ((0.2, 0.5), None, None), 0)
    bench.clock.advance(seconds * NS_PER_S)
    assert bench.show(CAMERAS[0], ((0.2, 0.5), None, None), 0) == []


def test_probe_names_the_track_of_the_body_and_none_where_there_is_no_body(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    sent: list[Probe] = []
    bench.zones._send = sent.append
    # a part of the picture, so that the face's place in it is not its place in the frame
    corner = Wanted(camera=0, corners=((0.0, 0.1), (0.7, 0.1), (0.7, 1.0), (0.0, 1.0)), from_s=0, until_s=60)
    bench.write([replace(corner.at(bench.clock.now_ns()), samples=2)])
    bench.bodies = {7001: (0.05, 0.3, 0.4, 1.0), 7002: (0.4, 0.0, 1.0, 1.0)}
    bench.show(CAMERAS[0], ((0.2, 0.5), (0.55, 0.6), None), 0)
    assert sorted(one.track_id for one in sent) == [-1, 7001], "the second face is at the belt of somebody tall"
