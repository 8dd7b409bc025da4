"""An export in pieces on several cells: the film of one job, frame by frame, and what a cell is told of it."""

import io
import itertools
from dataclasses import dataclass, field

import av
import numpy as np
import pytest

from custodes.app.export_cell import ExportCell
from custodes.app.export_pieces import ExportPieces, plan_of
from custodes.config import SiteConfig
from custodes.config.tree import RedactionConfig
from custodes.errors import DeadlineExceeded, MediaError, PermissionDenied, Unavailable
from custodes.media import mse
from custodes.redact.timeline import MaskTimeline
from custodes.review.archive import Archive
from custodes.review.decoding import find_frame
from custodes.review.export import ExportView
from custodes.review.policy import mask_policy
from custodes.review.render import Renderer
from custodes.runtime.cells import CellRunner, InlineHost, InlineReplica
from custodes.testing.clock import ManualClock
from custodes.testing.media import make_clip, vouch, write_segment
from custodes.testing.review import MARK_KEY, START_NS, ReviewSite
from custodes.types.access import Fidelity
from custodes.types.codec import decode
from custodes.types.export_piece import ExportPiece
from custodes.types.media import Segment
from custodes.types.message import MediaChunk, MediaInit, ViewKind, ViewNote, ViewTask
from custodes.units import NS_PER_S, CameraId, Ns, SessionId
from custodes.watermark.mark import Marker
from custodes.watermark.pattern import session_key, slot_key

FPS, SECONDS, HOLE_S = 3, 40, (22, 26)
PIECE_NS = 10 * NS_PER_S
FIRST_NS, LAST_NS = Ns(START_NS + 3 * NS_PER_S), Ns(START_NS + 37 * NS_PER_S)
PERSON = (0.1, 0.2, 0.5, 0.9)


@dataclass
class Recorded:
    site: ReviewSite
    archive: Archive
    segments: tuple[Segment, ...]
    looks: tuple

    def task(self, **other) -> ViewTask:
        fields = {
            "kind": ViewKind.EXPORT, "camera_id": CameraId("cam"), "session_id": SessionId("s"), "grant_token": "t",
            "fidelity": Fidelity.MASKED, "deadline_ns": Ns(2**62), "start_ns": FIRST_NS, "end_ns": LAST_NS,
            "speed": 1.0, "max_height_px": 720, "segments": self.segments, "tasks": 2,
        }  # fmt: skip
        return ViewTask(**(fields | other))

    def ask(self, start_ns, end_ns):
        return tuple(one for one in self.looks if start_ns <= one.frame.utc_ns <= end_ns)


@pytest.fixture
def recorded(site: ReviewSite) -> Recorded:
    """Segments of ten seconds; four seconds are missing, somebody is there, and the last look is before the end."""
    info, packets = make_clip(frames=FPS * SECONDS, fps=FPS, gop=FPS, start_ns=Ns(START_NS))
    parts = [packets[first : first + 10 * FPS] for first in range(0, len(packets), 10 * FPS)]
    lost = [START_NS + second * NS_PER_S for second in HOLE_S]
    parts = [[one for one in part if not lost[0] <= one.utc_ns < lost[1]] for part in parts]
    segments = tuple(write_segment(site.data_dir, info, part, public_key=site.public_key)[0] for part in parts)
    times = [one.utc_ns for part in parts for one in part if one.utc_ns < START_NS + 32 * NS_PER_S]
    looks = tuple(vouch(times, [[PERSON]] * len(times)))
    return Recorded(site, site.archive(*segments), segments, looks)


@dataclass
class Made:
    films: list[bytes] = field(default_factory=list)
    chunks: list[MediaChunk] = field(default_factory=list)
    notes: list[ViewNote] = field(default_factory=list)

    def take(self, output) -> None:
        match output:
            case MediaInit(payload=payload):
                self.films.append(payload)
            case MediaChunk(payload=payload):
                self.films[-1] += payload
                self.chunks.append(output)
            case ViewNote():
                self.notes.append(output)

    def pictures(self):
        (film,) = self.films
        with av.open(io.BytesIO(film)) as container:
            return [(frame.pts, frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]


def alone(recorded: Recorded) -> Made:
    """By one `ExportView` over all of it, as a job without tasks renders."""
    made, policy = Made(), mask_policy(RedactionConfig())
    renderer = Renderer(fidelity=Fidelity.MASKED, timeline=MaskTimeline(policy), max_height_px=720)
    clock = ManualClock(START_NS + 3600 * NS_PER_S)
    view = ExportView(
        archive=recorded.archive, renderer=renderer, keys=recorded.site.keys, clock=clock, start_ns=FIRST_NS,
        end_ns=LAST_NS,
    )  # fmt: skip
    view.add_masks(recorded.looks)
    while not (made.notes and made.notes[-1].code == "end"):
        for output in view.step().outputs:
            made.take(output)
        clock.advance(NS_PER_S)
    return made


def in_pieces(recorded: Recorded, *hosts: InlineHost, task=None, is_held=lambda: False) -> Made:
    made, hurried = Made(), itertools.count(0.0, 10.0)
    runners = [CellRunner(host, "c", plan_of(SiteConfig()), now_s=lambda: next(hurried)) for host in hosts]
    clock = ManualClock(START_NS + 3600 * NS_PER_S)
    ExportPieces(
        task or recorded.task(), recorded.archive, recorded.site.keys, runners, ask_masks=recorded.ask,
        send=made.take, is_held=is_held, clock=clock, piece_ns=PIECE_NS,
    ).run()  # fmt: skip
    return made


def test_film_from_pieces_has_the_frames_times_and_masks_of_one_job(recorded: Recorded) -> None:
    whole, parts = alone(recorded), in_pieces(recorded, *(InlineHost() for _ in range(3)))
    assert [one.utc_ns for one in parts.chunks] == [one.utc_ns for one in whole.chunks]
    assert [one.is_fully_masked for one in parts.chunks] == [one.is_fully_masked for one in whole.chunks]
    assert {True, False} == {one.is_fully_masked for one in parts.chunks}, "both are in it"
    assert [(one.code, one.message[:300]) for one in parts.notes] == [(one.code, one.message) for one in whole.notes]
    pictures = list(zip(parts.pictures(), whole.pictures(), strict=True))
    assert len(pictures) == (37 - 3 - 4) * FPS + 1
    for (at, picture), (wanted_at, wanted) in pictures:
        assert at == wanted_at
        assert float(np.abs(picture.astype(np.int16) - wanted).mean()) < 1.0, at


class DyingHost(InlineHost):
    """Its first replicas die, at their sixth answer or at another."""

    def __init__(self, dies: int, *, at: int = 5) -> None:
        self.left, self.at = dies, at

    def start(self, name, plan):
        replica = InlineReplica(plan)
        if self.left:
            self.left -= 1
            answered, receive, at = itertools.count(), replica.receive, self.at

            def dies(timeout_s):
                if next(answered) >= at:
                    raise Unavailable("killed")
                return receive(timeout_s)

            replica.receive = dies  # type: ignore[method-assign]
        return replica


def test_film_when_a_cell_dies_is_the_same_and_when_it_dies_for_good_the_export_ends(recorded: Recorded) -> None:
    wanted = [one.utc_ns for one in in_pieces(recorded, InlineHost()).chunks]
    assert [one.utc_ns for one in in_pieces(recorded, DyingHost(1), InlineHost()).chunks] == wanted
    with pytest.raises(Unavailable, match="lost a piece"):
        in_pieces(recorded, DyingHost(10**9, at=0))


def test_cell_is_told_marks_of_its_ten_seconds_and_no_key(recorded: Recorded, monkeypatch) -> None:
    told: list[ExportPiece] = []
    begun = ExportCell._begun
    monkeypatch.setattr(ExportCell, "_begun", lambda cell, one: (told.append(one), begun(cell, one))[1])
    fed: list[bytes] = []
    process = ExportCell.process
    monkeypatch.setattr(ExportCell, "process", lambda cell, key, item: (fed.append(item), process(cell, key, item))[1])
    in_pieces(recorded, InlineHost())
    assert [one.start_ns for one in told] == [FIRST_NS, *(START_NS + n * PIECE_NS for n in (1, 2, 3))]
    for one in told:
        slots = [one.start_ns // PIECE_NS]
        assert one.slots == tuple((slot, slot_key(MARK_KEY, slot)) for slot in slots)
        assert one.session_layer == session_key(MARK_KEY)
    assert not any(MARK_KEY in item for item in fed)
    assert {type(decode(item)).__name__ for item in fed} == {"ExportPiece", "PieceGop", "MaskFacts", "RenderPiece"}


def test_marker_of_layers_marks_as_the_key_does_and_nothing_else(recorded: Recorded) -> None:
    frame = recorded.archive.gop_at(FIRST_NS)
    assert frame is not None
    picture = find_frame(recorded.archive, frame.start_ns, frame.run)
    assert picture is not None
    slot = picture.utc_ns // PIECE_NS
    layers = Marker.of_layers(session_key(MARK_KEY), {slot: slot_key(MARK_KEY, slot)})
    assert np.array_equal(layers.mark(picture).y, Marker(MARK_KEY).mark(picture).y)
    with pytest.raises(KeyError):
        Marker.of_layers(session_key(MARK_KEY), {slot + 1: slot_key(MARK_KEY, slot + 1)}).mark(picture)


def test_export_when_held_waits_and_when_nobody_wants_it_ends_without_a_word(recorded: Recorded) -> None:
    turns = itertools.count()
    made = in_pieces(recorded, InlineHost(), is_held=lambda: next(turns) < 4)
    assert next(turns) > 4 and made.notes[-1].code == "end"
    nothing = in_pieces(recorded, InlineHost(), is_held=lambda: None)
    assert nothing == Made()


def test_export_when_its_time_is_over_or_the_warden_refuses_ends(recorded: Recorded) -> None:
    with pytest.raises(DeadlineExceeded):
        in_pieces(recorded, InlineHost(), task=recorded.task(deadline_ns=Ns(1)))
    recorded.site.releaser.is_refusing = True
    with pytest.raises(PermissionDenied):
        in_pieces(recorded, InlineHost())


def test_segment_that_cannot_be_read_is_told_once_and_left_out(recorded: Recorded) -> None:
    path = recorded.site.data_dir / recorded.segments[3].path
    path.write_bytes(path.read_bytes()[:-3000])
    whole, parts = alone(recorded), in_pieces(recorded, InlineHost(), InlineHost())
    assert [one.utc_ns for one in parts.chunks] == [one.utc_ns for one in whole.chunks]
    assert sorted(one.code + one.message for one in parts.notes) == sorted(
        one.code + one.message for one in whole.notes
    )
    assert len(parts.notes) > 1


def test_retimed_fragment_is_the_one_that_would_have_been_made() -> None:
    sample = mse.Sample(payload=b"\0\0\0\1x", duration=3000, is_keyframe=True)
    assert mse.retimed(mse.fragment(1, 0, [sample]), 7, 90_000) == mse.fragment(7, 90_000, [sample])
    with pytest.raises(MediaError):
        mse.retimed(b"x" * 200, 1, 0)
