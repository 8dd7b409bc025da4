"""Sketches made as tasks: the same as by the search itself, on cells that die too, and what came is kept."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from custodes.app.content_index import ContentIndex, Made, Wanted, made_here
from custodes.app.sketch_tasks import PLAN, SketchTasks
from custodes.errors import Unavailable
from custodes.review.archive import Archive
from custodes.review.trace import gops_between
from custodes.runtime.cells import CellRunner, InlineHost, InlineReplica
from custodes.testing.media import make_clip, write_segment
from custodes.testing.review import START_NS, ReviewSite, make_review_site
from custodes.types.media import Segment
from custodes.units import NS_PER_S, Ns

FPS, SECONDS, GOPS_A_SEGMENT = 10, 24, 4


@dataclass(frozen=True)
class Recorded:
    site: ReviewSite
    segments: tuple[Segment, ...]
    archive: Archive

    def index(self, make) -> ContentIndex:
        folder = self.site.data_dir / "index"
        return ContentIndex(folder, archive=self.archive, keys=self.site.keys, segments=self.segments, make=make)

    def wanted(self) -> list[Wanted]:
        end_ns = Ns(START_NS + SECONDS * NS_PER_S)
        gops = gops_between(self.archive, Ns(START_NS), end_ns, limit=1000)
        return [(one, list(group)) for one, group in itertools.groupby(gops, key=lambda gop: gop.segment_id)]


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    info, packets = make_clip(frames=FPS * SECONDS, fps=FPS, gop=FPS, start_ns=Ns(START_NS))
    site = make_review_site(tmp_path)
    step = FPS * GOPS_A_SEGMENT
    parts = [packets[first : first + step] for first in range(0, len(packets), step)]
    written = [write_segment(tmp_path, info, part, public_key=site.public_key)[0] for part in parts]
    return Recorded(site, tuple(written), site.archive(*written))


def tasks(archive: Archive, *hosts: InlineHost) -> SketchTasks:
    hurried = itertools.count(0.0, 10.0)
    return SketchTasks(archive, [CellRunner(host, "c", PLAN, now_s=lambda: next(hurried)) for host in hosts])


def planes(made: Iterator[Made]) -> list[tuple[int, bytes]]:
    return [(gop.start_ns, dated.sketch.luma.tobytes()) for _, all_of_it in made for gop, dated in all_of_it]


class DyingHost(InlineHost):
    """Its first replicas die at their second lot, and with `is_hopeless` all do at their first."""

    def __init__(self, *, is_hopeless: bool = False) -> None:
        self.left, self.lots = 10**9 if is_hopeless else 2, 0 if is_hopeless else 1

    def start(self, name, plan):
        replica, host = InlineReplica(plan), self
        if self.left:
            self.left -= 1
            answered, receive = itertools.count(), replica.receive

            def dies(timeout_s):
                if next(answered) >= host.lots:
                    raise Unavailable("killed")
                return receive(timeout_s)

            replica.receive = dies  # type: ignore[method-assign]
        return replica


def test_sketches_from_three_cells_are_those_of_the_search_itself(recorded: Recorded) -> None:
    wanted = recorded.wanted()
    assert len(wanted) == SECONDS // GOPS_A_SEGMENT
    alone = planes(made_here(recorded.archive, wanted))
    assert len(alone) == SECONDS
    assert planes(tasks(recorded.archive, *(InlineHost() for _ in range(3)))(wanted)) == alone
    assert list(tasks(recorded.archive, InlineHost())([])) == []


@pytest.mark.parametrize("is_hopeless", [False, True], ids=["some die", "all die"])
def test_sketches_when_cells_die_are_complete_all_the_same(recorded: Recorded, is_hopeless: bool) -> None:
    wanted = recorded.wanted()
    made = tasks(recorded.archive, DyingHost(is_hopeless=is_hopeless), InlineHost())(wanted)
    assert planes(made) == planes(made_here(recorded.archive, wanted))


def test_segment_that_cannot_be_read_when_sketched_by_cells_then_the_others_are_there(recorded: Recorded) -> None:
    broken = recorded.segments[1]
    path = recorded.site.data_dir / broken.path
    path.write_bytes(path.read_bytes()[:-2000])
    wanted = recorded.wanted()
    made = planes(tasks(recorded.archive, InlineHost())(wanted))
    assert made == planes(made_here(recorded.archive, wanted))
    assert 0 < len(made) < SECONDS


def test_search_that_is_stopped_goes_on_from_what_was_made(recorded: Recorded) -> None:
    wanted, shares = recorded.wanted(), list[float]()
    sketches = recorded.index(tasks(recorded.archive, InlineHost())).sketches(wanted, shares.append)
    stopped_after = 2 * GOPS_A_SEGMENT + 1
    for _ in range(stopped_after):
        next(sketches)
    assert shares == pytest.approx([1 / len(wanted), 2 / len(wanted)])
    asked = list[Wanted]()

    def make(missing):
        asked.extend(missing)
        return made_here(recorded.archive, missing)

    again = list(recorded.index(make).sketches(wanted, shares.append))
    assert [one for one, _ in asked] == [one for one, _ in wanted[3:]]
    assert [gop.start_ns for gop, _ in again] == [gop.start_ns for _, gops in wanted for gop in gops]
    assert shares[-1] == 1.0
    assert all(np.isfinite(one.luma).all() for _, one in again)
