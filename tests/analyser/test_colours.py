"""Looks in an analyser: made where they are of use, sent once, in nothing that is kept anywhere."""

import asyncio
import threading
from dataclasses import replace
from itertools import count

import msgspec.structs
import numpy as np
import pytest
from tests.server.conftest import ScriptedSupervisor, Site, listening, running, until

from custodes.adapters.ipc.facts import FactSender
from custodes.adapters.ipc.framing import AsyncChannel, listening_socket
from custodes.app.analyser import Intake, Worker
from custodes.app.analyser import run as run_analyser
from custodes.app.analyser_colours import RETRY_NS, AnalyserColours, LookSender, rows_to_look_at
from custodes.app.checkpoints import Checkpoints
from custodes.app.serving.facts import FactsService
from custodes.app.serving.live_state import ServerLiveState
from custodes.app.serving.looks import LooksService
from custodes.app.serving.site_map import MapService
from custodes.config import Assignment, SiteConfig, write_assignment
from custodes.errors import ProtocolError
from custodes.testing.catalog import make_frame, make_spec
from custodes.testing.clock import ManualClock
from custodes.testing.ending import joined
from custodes.testing.figures import FigureDetector
from custodes.testing.looking import make_looking
from custodes.testing.media import draw_frame, encode_clip, people_at
from custodes.testing.needles import Needles, files_under, pieces_of_looks
from custodes.track.colours import SIZE
from custodes.types.access import ALL_CAMERAS
from custodes.types.codec import encode
from custodes.types.event import FrameAnalysed
from custodes.types.looks import MAX_LOOKS, LooksSeen
from custodes.types.message import FactBatch, FactsStored, StreamOpened
from custodes.types.scene import CameraScene, GroundPoint
from custodes.units import NS_PER_S, CameraId, Ns, RunId

T0 = 1_700_000_000 * NS_PER_S
WIDTH, HEIGHT, FPS, FRAMES = 320, 240, 10, 40
_NUMBERS = count()
GROUND = tuple(
    GroundPoint(at=at, place_m=place)
    for at, place in (((0.1, 0.5), (-4.0, 9.0)), ((0.9, 0.5), (4.0, 9.0)), ((0.9, 0.95), (3.0, 4.0)),
                      ((0.1, 0.95), (-3.0, 4.0)))
)  # fmt: skip


def spec(name, **scene):
    return replace(make_spec(name), scene=CameraScene(ground=GROUND, floor="hall", **scene))


@pytest.fixture
def site(tmp_path) -> Site:
    return Site(tmp_path / "site")


@pytest.fixture(scope="module")
def clip():
    """Two who walk, in clothes of many shades, so that a look of theirs is like nothing else."""
    rng = np.random.default_rng(5)
    cloth = [rng.integers(low, high, (HEIGHT, WIDTH)) for low, high in ((40, 215), (70, 112), (150, 200))]

    def dressed(index):
        frame = draw_frame(index, width=WIDTH, height=HEIGHT)
        for x1, y1, x2, y2 in people_at(index):
            for plane, colour, step in ((frame.y, cloth[0], 1), (frame.u, cloth[1], 2), (frame.v, cloth[2], 2)):
                rows = slice(int(y1 * HEIGHT) // step, int(y2 * HEIGHT) // step)
                columns = slice(int(x1 * WIDTH) // step, int(x2 * WIDTH) // step)
                shape = plane[rows, columns].shape
                plane[rows, columns] = np.kron(colour, np.ones((4, 4), int))[: shape[0], : shape[1]]
        return frame

    return encode_clip(map(dressed, range(FRAMES)), fps=FPS, gop=10, start_ns=T0)


class Watched:
    """An analyser's worker on two cameras that show the clip; `facts` are what it told."""

    def __init__(self, site, clip, *, wish="dots", cameras=None, sender=None):
        """`sender`: gets the facts, too."""
        self.facts, self.clock = [], ManualClock(T0)
        self.number = next(_NUMBERS)  # its checkpoints are nobody else's
        self._clip, self._sender = clip, sender
        write_assignment(site.paths.assignment, Assignment(version=1, cameras=cameras or (spec("east"), spec("west"))))
        self.intake = Intake(site.paths, self.put, index=0, processes=1, looks=wish)
        self.intake._look_at_assignment()
        self.looks = LookSender(site.paths.socket("server-looks"), self.clock)
        self.worker = Worker(
            self.intake, self, replace(make_looking(FigureDetector()), clock=self.clock), fps=5.0, has_gate=False,
            checkpoints=Checkpoints(site.paths.run_dir, f"tracks{self.number}"),
            learnt=Checkpoints(site.paths.run_dir, "gate"), colours=AnalyserColours(self.looks),
        )  # fmt: skip

    def put(self, fact):
        self.facts.append(fact)
        if self._sender is not None:
            self._sender.put(fact)

    def play(self):
        """All of the clip, as the worker takes it, and a report with its checkpoints."""
        info, packets = self._clip
        runs = {CameraId(name): RunId(name[0] * 12) for name in ("east", "west")}
        for camera_id, run in runs.items():
            self.intake.push(StreamOpened(info=replace(info, camera_id=camera_id, run=run)))
        for packet in packets:  # one by one, as they come: of a burst fewer frames would be looked at
            for camera_id, run in runs.items():
                self.intake.push(msgspec.structs.replace(packet, camera_id=camera_id, run=run))
            while (turn := self.intake.next_camera(0.0)) is not None:
                self.worker._take_turn(turn)
                self.intake.end_turn(turn)
        self.worker._report()
        self.clock.advance(FRAMES * NS_PER_S // FPS)

    def frames(self):
        return [fact.frame for fact in self.facts if isinstance(fact, FrameAnalysed)]

    def states(self):
        """What is kept of each camera when its process or its cell ends."""
        pipelines = self.worker._pipelines.values()
        return [state for one in pipelines for state in (one.snapshot(), one.checkpoint(), one.learnt())]


class Kept:
    """A server's end of looks: copies of what came."""

    def __init__(self):
        self.seen = []

    def __call__(self, seen):
        self.seen.append(replace(seen, track_ids=seen.track_ids.copy(), looks=seen.looks.copy()))

    def needles(self):
        pieces = pieces_of_looks(np.concatenate([one.looks for one in self.seen]))
        assert len(pieces) > 100
        return Needles(pieces)


def service_of(watched, *on_looks, wish="dots", cameras=None):
    service = LooksService(catalog=None, clock=watched.clock, wish=wish, on_looks=on_looks)
    service.set_cameras(cameras or [spec("east"), spec("west")])
    return service


def test_no_file_fact_or_news_has_a_look_of_anybody_whom_the_map_told_apart(site: Site, clip) -> None:
    kept, news = Kept(), []
    watched = Watched(site, clip, sender=FactSender(site.paths.socket("server-facts"), "analyser-0"))
    map_of = MapService(catalog=None, clock=watched.clock)
    map_of.set_cameras([spec("east"), spec("west")], {})
    service = service_of(watched, kept, map_of.take_looks)

    async def main() -> None:
        async with site.catalog() as catalog:
            live = ServerLiveState(catalog, ScriptedSupervisor(site.paths.socket("x")), watched.clock)
            facts = FactsService(
                catalog=catalog, live=live, on_frames=map_of.take, on_segment=lambda _: None, on_news=news.extend
            )
            async with listening(site.paths.socket("server-looks"), service.serve_peer):
                await asyncio.to_thread(watched.play)
                await until(lambda: service.taken == watched.looks.sent > 50)
            # Nobody took the facts till now, so all of them waited; then they are stored.
            waiting = list(watched._sender._waiting)
            assert len(waiting) >= len(watched.frames()) > 30
            thread = threading.Thread(target=watched._sender.run, daemon=True)
            async with listening(site.paths.socket("server-facts"), facts.serve_peer), running(facts.store.run()):
                thread.start()
                await until(lambda: watched._sender.waiting == 0 and watched._sender.acknowledged > 30)
                watched._sender.stop()
                await asyncio.to_thread(joined, thread)
            map_of.fuse()
            (floor,) = map_of.floors(ALL_CAMERAS)
            assert {one.cameras for one in floor.dots} >= {("east", "west")}
            (fused,) = map_of._floors.values()
            assert fused.fusion.looks >= 2
            needles = kept.needles()
            assert needles.found_in(encode(kept.seen[3])) > 0
            searched = files_under(site.paths.data_dir)  # with the catalog open: its WAL is there
            assert {"catalog.db", "catalog.db-wal", f"tracks{watched.number}-east.bin"} <= {
                one.name for one in searched
            }
            assert [path.name for path in searched if needles.found_in(path.read_bytes())] == []
            assert sum(map(needles.found_in, (*waiting, *news, *watched.states()))) == 0

    asyncio.run(main())
    told = {(one.camera_id, one.run, one.utc_ns): one for one in watched.frames()}
    for one in kept.seen:
        frame = told[one.camera_id, one.run, one.utc_ns]
        assert set(one.track_ids.tolist()) == set(frame.track_ids[frame.is_measured & (frame.track_ids >= 0)].tolist())


def test_nothing_is_made_where_nobody_wants_it_or_it_is_of_no_use(site: Site, clip, monkeypatch) -> None:
    made = []
    monkeypatch.setattr("custodes.app.analyser_colours.colours", lambda *given: made.append(given))
    bare = replace(spec("west"), scene=CameraScene())
    for wish, cameras in (("none", None), ("dots", (spec("east"), bare))):
        watched = Watched(site, clip, wish=wish, cameras=cameras)
        watched.play()
        assert len(watched.frames()) > 30
        assert (made, watched.looks.sent, watched.looks.dropped) == ([], 0, 0)


def test_an_analyser_without_a_wish_for_looks_has_nothing_that_makes_them(site: Site, monkeypatch) -> None:
    made = []
    monkeypatch.setattr("custodes.app.analyser.make_looking", lambda _: make_looking(FigureDetector()))
    monkeypatch.setattr(
        "custodes.app.analyser.AnalyserColours", lambda send: made.append(send) or AnalyserColours(send)
    )
    stopped = threading.Event()
    stopped.set()
    for wish, times in (("none", 0), ("dots", 1)):
        run_analyser(site.paths, "analyser-0", SiteConfig.model_validate({"privacy": {"looks": wish}}), stopped)
        assert len(made) == times


def test_while_the_server_is_away_looks_are_dropped_and_the_facts_are_the_same(site: Site, clip) -> None:
    without = Watched(site, clip, wish="none")
    without.play()
    watched = Watched(site, clip)
    watched.play()
    assert watched.looks.sent == 0
    assert watched.looks.dropped > 50
    assert list(map(encode, watched.facts)) == list(map(encode, without.facts))


def test_a_server_that_does_not_read_costs_one_wait_a_second_and_the_rest_is_dropped(site: Site) -> None:
    path, clock = site.paths.socket("server-looks"), ManualClock(T0)
    listener = listening_socket(path)
    sender, seen = LookSender(path, clock), many(MAX_LOOKS)
    while not sender.dropped:
        sender(seen)  # until the socket's buffer is full
    sent = sender.sent
    sender(seen)
    assert (sender.sent, sender.dropped) == (sent, 2 * MAX_LOOKS)
    clock.advance(RETRY_NS)
    sender(seen)
    assert sender.sent == sent + MAX_LOOKS
    sender.close()
    listener.close()


def test_whoever_touches_a_privacy_zone_gets_no_look(site: Site, clip) -> None:
    left = ((0.0, 0.0), (0.3, 0.0), (0.3, 1.0), (0.0, 1.0))
    watched = Watched(site, clip, cameras=(spec("east", privacy=(left,)), spec("west")))
    kept = Kept()
    service = service_of(watched, kept)

    async def main() -> None:
        async with listening(site.paths.socket("server-looks"), service.serve_peer):
            await asyncio.to_thread(watched.play)
            await until(lambda: service.taken == watched.looks.sent > 0)

    asyncio.run(main())
    boxes = {
        (frame.camera_id, frame.utc_ns, track): box
        for frame in watched.frames()
        for track, box in zip(frame.track_ids.tolist(), frame.boxes_norm, strict=True)
    }
    lefts = {"east": [], "west": []}
    for one in kept.seen:
        lefts[one.camera_id] += [boxes[one.camera_id, one.utc_ns, track][0] for track in one.track_ids.tolist()]
    assert min(lefts["east"]) >= 0.3
    assert min(lefts["west"]) < 0.3


def test_rows_are_of_measured_people_and_vehicles_alone() -> None:
    frame = make_frame(1, 1).frame
    frame = replace(
        frame,
        track_ids=np.array([1, 2, 3, -1]),
        class_ids=np.array([0, 2, 6, 0], np.int16),
        boxes_norm=np.tile(np.array([0.1, 0.1, 0.3, 0.5], np.float32), (4, 1)),
        is_measured=np.array([True, True, True, True]),
    )
    nothing = np.zeros((0, 4))
    assert rows_to_look_at(frame, nothing).tolist() == [0, 1]
    assert rows_to_look_at(replace(frame, is_measured=~frame.is_measured), nothing).tolist() == []
    assert rows_to_look_at(frame, np.array([[0.31, 0.0, 0.4, 1.0]])).tolist() == [0, 1]
    assert rows_to_look_at(frame, np.array([[0.29, 0.0, 0.4, 1.0]])).tolist() == []


def many(tracks):
    return LooksSeen(
        camera_id=CameraId("east"), run=RunId("r"), utc_ns=Ns(T0), track_ids=np.arange(tracks),
        looks=np.full((tracks, SIZE), 9, np.uint8),
    )  # fmt: skip


def test_looks_are_refused_where_facts_wait_and_where_they_are_stored(site: Site) -> None:
    sender, news = FactSender(site.paths.socket("server-facts"), "analyser-0"), []
    with pytest.raises(ProtocolError, match="no fact"):
        sender.put(many(1))
    assert sender.waiting == 0

    async def main() -> None:
        async with site.catalog() as catalog:
            live = ServerLiveState(catalog, ScriptedSupervisor(site.paths.socket("x")), ManualClock(T0))
            facts = FactsService(
                catalog=catalog, live=live, on_frames=lambda *_: None, on_segment=lambda _: None, on_news=news.extend
            )
            async with listening(site.paths.socket("server-facts"), facts.serve_peer):
                channel = await AsyncChannel.connect(site.paths.socket("server-facts"))
                await channel.send(FactBatch(sender="a", batch=1, facts=(encode(many(1)),)))
                assert await channel.receive() == FactsStored(batch=1)
                await channel.close()
            assert (facts.refused, news) == (1, [])

    asyncio.run(main())
