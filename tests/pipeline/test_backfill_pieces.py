"""A back-fill in pieces: several cells, one that dies, and the same facts as of one that is resumed there."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from custodes.app import backfill_pieces
from custodes.app.backfill_pieces import Pieces, gops
from custodes.app.piecewise import cut
from custodes.errors import DeadlineExceeded, Unavailable
from custodes.pipeline import backfill
from custodes.pipeline.activity_gate import draw_by_hash
from custodes.pipeline.backfill import Stretches, over_ns
from custodes.pipeline.camera import CameraPipeline
from custodes.review.archive import Archive
from custodes.runtime.cells import CellRunner, InlineHost
from custodes.testing.catalog import make_spec
from custodes.testing.cells import FIGURE_PIECES
from custodes.testing.clock import ManualClock
from custodes.testing.figures import FigureDetector
from custodes.testing.media import make_clip, write_segment
from custodes.testing.review import START_NS, make_review_site
from custodes.types.backfill import BackfillTask, PieceStretch
from custodes.types.codec import decode, encode
from custodes.types.event import TrackEnded
from custodes.units import NS_PER_S, CameraId, Ns

CAMERA = CameraId("cam")
FPS, SECONDS = 10, 18
END_NS = Ns(START_NS + SECONDS * NS_PER_S)
PIECE_NS = 6 * NS_PER_S
CLOCK = ManualClock(END_NS)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "STRETCH_NS", 4 * NS_PER_S)
    monkeypatch.setattr(backfill, "SETTLE_NS", 6 * NS_PER_S)
    monkeypatch.setattr(backfill_pieces, "SETTLE_NS", 6 * NS_PER_S)
    monkeypatch.setattr(backfill_pieces, "WARM_UP_NS", 5 * NS_PER_S)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    info, packets = make_clip(frames=FPS * SECONDS, fps=FPS, gop=FPS, start_ns=Ns(START_NS))
    site = make_review_site(tmp_path)
    parts = [packets[first : first + 60] for first in range(0, len(packets), 60)]
    return site.archive(*(write_segment(tmp_path, info, part, public_key=site.public_key)[0] for part in parts))


def task(**other: object) -> BackfillTask:
    fields: dict[str, object] = {
        "camera": make_spec(CAMERA),
        "grant_token": "t",
        "deadline_ns": Ns(END_NS + NS_PER_S),
        "start_ns": START_NS,
        "end_ns": END_NS,
        "position_ns": START_NS,
        "segments": (),
    }
    return BackfillTask(**(fields | other))  # type: ignore[arg-type]


@dataclass
class Told:
    stretches: list[PieceStretch] = field(default_factory=list)
    most: int = 10_000

    def store(self, stretch: PieceStretch, model: str) -> bool:
        assert model
        self.stretches.append(stretch)
        return len(self.stretches) < self.most

    @property
    def facts(self) -> list[bytes]:
        return sorted(fact for stretch in self.stretches for fact in stretch.facts)


def in_pieces(archive: Archive, *hosts: InlineHost, **other: object) -> Told:
    told = Told()
    runners = [CellRunner(host, f"cell-{n}", FIGURE_PIECES, now_s=hurried()) for n, host in enumerate(hosts)]
    pieces = Pieces(task(**other), archive, runners, fps=5.0, has_gate=True, clock=CLOCK, piece_ns=PIECE_NS)
    pieces.run(told.store)
    return told


def hurried():
    """A clock by which every retry is due."""
    now_s = [0.0]

    def later() -> float:
        now_s[0] += 10.0
        return now_s[0]

    return later


def one_by_one(archive: Archive, make_looking) -> list[bytes]:
    """By hand: each piece as a back-fill of its own that is resumed there; what is over in it is told."""
    facts = []
    for from_ns, until_ns in cut(START_NS, END_NS, PIECE_NS):
        looking = make_looking(FigureDetector(min_pixels=30))
        pipeline = CameraPipeline(CAMERA, looking, fps=5.0, draw=draw_by_hash(CAMERA))
        stretches = Stretches(pipeline, start_ns=Ns(START_NS), from_ns=from_ns)
        warm_ns = Ns(max(START_NS, from_ns - 5 * NS_PER_S))
        for ref in gops(archive, warm_ns, Ns(min(until_ns + 6 * NS_PER_S, END_NS))):
            stretches.add(*archive.read(ref), start_ns=ref.start_ns, end_ns=ref.end_ns)
        facts += [fact for stretch in stretches.finish() for fact in stretch.facts if over_ns(fact) < until_ns]
    return sorted(map(encode, facts))


def test_pieces_on_three_cells_give_what_they_give_one_by_one(archive: Archive, make_looking) -> None:
    told = in_pieces(archive, InlineHost(), InlineHost(), InlineHost())
    assert told.facts == one_by_one(archive, make_looking)
    assert any(isinstance(decode(fact), TrackEnded) for fact in told.facts)
    assert len(set(told.facts)) == len(told.facts)
    spans = [(one.start_ns, one.end_ns) for one in told.stretches]
    assert spans == sorted(spans)
    assert (spans[0][0], spans[-1][1]) == (START_NS, END_NS)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))


class Mortal(InlineHost):
    """Its replicas die after some lots."""

    deaths = 0

    def start(self, name, plan):
        replica = super().start(name, plan)
        receive, left = replica.receive, [9]

        def mortal(timeout_s):
            left[0] -= 1
            if left[0] == 0:
                self.deaths += 1
                raise Unavailable("killed")
            return receive(timeout_s)

        replica.receive = mortal  # type: ignore[method-assign]
        return replica


def test_a_cell_that_dies_again_and_again_loses_and_doubles_nothing(archive: Archive, make_looking) -> None:
    host = Mortal()
    assert in_pieces(archive, host, InlineHost()).facts == one_by_one(archive, make_looking)
    assert host.deaths > 1


def test_what_is_stopped_has_everything_up_to_there_and_resumes(archive: Archive, make_looking) -> None:
    first = Told(most=3)
    Pieces(
        task(),
        archive,
        [CellRunner(InlineHost(), "a", FIGURE_PIECES), CellRunner(InlineHost(), "b", FIGURE_PIECES)],
        fps=5.0,
        has_gate=True,
        clock=CLOCK,
        piece_ns=PIECE_NS,
    ).run(first.store)
    assert len(first.stretches) == 3
    rest = in_pieces(archive, InlineHost(), position_ns=first.stretches[-1].end_ns)
    assert rest.stretches[0].start_ns == first.stretches[-1].end_ns
    assert rest.stretches[-1].end_ns == END_NS


def test_no_gop_is_read_after_the_grant_has_ended(archive: Archive) -> None:
    with pytest.raises(DeadlineExceeded, match="resume it"):
        in_pieces(archive, InlineHost(), deadline_ns=START_NS)


def test_a_cell_that_forgets_a_piece_is_said_not_waited_for(archive: Archive) -> None:
    class Forgetful(InlineHost):
        def start(self, name, plan):
            replica = super().start(name, plan)
            replica._replica._body._begin = lambda key, told: None
            return replica

    with pytest.raises(Unavailable, match="lost a piece"):
        in_pieces(archive, Forgetful())


def test_pieces_end_at_the_same_places_wherever_they_begin() -> None:
    assert cut(Ns(5), Ns(31), 10) == [(5, 10), (10, 20), (20, 30), (30, 31)]
    assert cut(Ns(20), Ns(31), 10) == [(20, 30), (30, 31)]
    assert cut(Ns(31), Ns(31), 10) == []
