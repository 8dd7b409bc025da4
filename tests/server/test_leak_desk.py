"""A trace over many cameras: a first look at all, a close look at the likeliest, the others only if it is in none."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from custodes.app.job_trace import Tracer
from custodes.app.serving.leaks import CLOSELY, LeakDesk, is_settled, pages
from custodes.config import SiteConfig, SitePaths
from custodes.errors import InvalidArgument
from custodes.testing.clock import ManualClock
from custodes.types.access import AccessRequest, Decision, Fidelity, Grant, Principal, Role
from custodes.types.leak import CamerasSought, CandidateScore, PictureTraced, SeekTask, TraceOrder, TraceTask
from custodes.types.message import Authorised, CameraSpec
from custodes.units import CameraId, Ns, SessionId

FIRST, SECOND = (Principal(user_id=name, name=name, roles=frozenset({Role.INVESTIGATOR})) for name in ("a", "b"))
CAMERAS = tuple(
    CameraSpec(camera_id=CameraId(f"c{n:02}"), name="", url="file:///x", username="", password_ref="", transport="tcp",
               is_enabled=True, is_looped=False)
    for n in range(CLOSELY + 6)
)  # fmt: skip


class Warden:
    """Grants whatever is asked, and remembers what ended."""

    def __init__(self) -> None:
        self.asked: list[AccessRequest] = []
        self.open: set[str] = set()

    async def authorise(self, request: AccessRequest) -> Authorised:
        self.asked.append(request)
        grant_id = str(len(self.asked))
        self.open.add(grant_id)
        grant = Grant(grant_id=grant_id, token=grant_id * 3, request=request, expires_ns=Ns(2**62), log_index=1)
        decision = Decision(is_allowed=True, policy_ids=(), reasons=())
        return Authorised(decision=decision, grant=grant, log_index=1)

    async def end_grant(self, grant_id: str, frames_shown: int) -> None:
        self.open.discard(grant_id)


class Views:
    async def segments_between(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[object]:
        return [] if camera_id == "c00" else ["a segment"]


class Link:
    """A job that answers at once."""

    def __init__(self, answer: Callable[[object], object]) -> None:
        self.channel, self.closed = self, asyncio.Event()
        self._answer = answer
        self._tell: Callable[[object], None] = print

    def listen(self, tell: Callable[[object], None]) -> None:
        self._tell = tell

    async def send(self, task: object) -> None:
        self._tell(self._answer(task))

    def kill(self) -> None: ...

    async def close(self) -> None: ...


class Jobs:
    """`where`: cameras that the picture is in; `weighs`: what a first look says of each."""

    def __init__(
        self,
        where: set[str],
        weighs: dict[str, float],
        error: str = "",
        likeness: float = 0.95,
        *,
        is_unreadable: bool = False,
    ) -> None:
        self.where, self.weighs, self.error, self.likeness = where, weighs, error, likeness
        self.is_unreadable = is_unreadable
        self.looked: list[str] = []
        self.cameras = len(CAMERAS)

    async def take(self) -> Link:
        return Link(self._answer)

    def _answer(self, task: object) -> object:
        if isinstance(task, SeekTask):
            assert [one.camera_id for one in task.cameras] == [one.camera_id for one in CAMERAS[1 : self.cameras]]
            assert all(one.segments for one in task.cameras), "a camera without a view is weighed by a picture"
            return CamerasSought(weights=self.weighs, error=self.error, is_unreadable=self.is_unreadable)
        assert isinstance(task, TraceTask)
        assert not task.segments or task.grant_token
        self.looked.append(task.camera_id)
        if self.is_unreadable:
            return PictureTraced(camera_id=task.camera_id, is_found=False, error=self.error, is_unreadable=True)
        return PictureTraced(camera_id=task.camera_id, is_found=task.camera_id in self.where, likeness=self.likeness)


def desk_of(tmp_path: Path, jobs: Jobs, warden: Warden) -> LeakDesk:
    paths, config = SitePaths(tmp_path), SiteConfig(data_dir=tmp_path)
    return LeakDesk(
        catalog=None, warden=warden, jobs=jobs, views=Views(), clock=ManualClock(), paths=paths, config=config
    )


def trace(tmp_path: Path, jobs: Jobs, cameras: tuple[CameraSpec, ...] = CAMERAS) -> tuple[list[PictureTraced], Warden]:
    warden, jobs.cameras = Warden(), len(cameras)
    desk = desk_of(tmp_path, jobs, warden)
    order = TraceOrder(picture=b"picture", reference="7")
    answers = asyncio.run(desk._in_all(order, cameras, (Ns(1), Ns(2)), FIRST, SECOND))
    assert not warden.open, "every grant has ended"
    assert {one.principal.name for one in warden.asked} == {"a", "b"}, "both were asked for, at each camera"
    assert all(one.fidelity is Fidelity.MASKED for one in warden.asked)
    return answers, warden


WEIGHTS = {str(one.camera_id): float(n) for n, one in enumerate(CAMERAS[1:])}


def test_trace_when_a_likely_camera_has_it_then_the_others_are_not_looked_at_and_said_so(tmp_path: Path) -> None:
    jobs = Jobs({"c13"}, WEIGHTS)
    answers, _ = trace(tmp_path, jobs)
    assert jobs.looked[0] == "c13"
    assert jobs.looked == ["c13", "c12"], "c12 weighs about as much; the others clearly less"
    assert {one.camera_id for one in answers} == {one.camera_id for one in CAMERAS}
    passed = {one.camera_id for one in answers if "not looked at closely" in one.error}
    assert passed == {one.camera_id for one in CAMERAS[1:]} - set(jobs.looked)
    assert [one.error for one in answers if one.camera_id == "c00"] == ["nothing was recorded in that time"]


def test_trace_when_a_site_is_small_then_the_likeliest_camera_is_looked_at_first_too(tmp_path: Path) -> None:
    jobs = Jobs({"c03"}, {"c01": 1.0, "c02": 2.0, "c03": 3.0})
    answers, _ = trace(tmp_path, jobs, CAMERAS[:4])
    assert jobs.looked == ["c03"]
    assert len(answers) == 4


def test_trace_when_it_is_found_but_not_as_a_copy_is_then_all_likely_cameras_are_looked_at(tmp_path: Path) -> None:
    jobs = Jobs({"c13"}, WEIGHTS, likeness=0.7)
    trace(tmp_path, jobs)
    assert len(jobs.looked) == CLOSELY


def test_trace_when_a_copy_is_named_then_it_is_settled_without_a_first_look() -> None:
    score = CandidateScore(
        session_id=SessionId("s"), slot=1, z=12.0, session_z=3.0, slot_key=b"", fidelity=Fidelity.MASKED,
        granted_index=1, released_index=2,
    )  # fmt: skip
    named = PictureTraced(camera_id=CameraId("a"), is_found=True, likeness=0.5, candidates=(score,))
    assert is_settled([named], {}, CameraId("b"))
    copy = PictureTraced(camera_id=CameraId("a"), is_found=True, likeness=0.95)
    assert not is_settled([copy], {}, CameraId("b")), "nothing is known of b"
    assert not is_settled([copy], {"a": 5.0, "b": 4.9}, CameraId("b"))
    assert is_settled([copy], {"a": 5.0, "b": 2.0}, CameraId("b"))


def test_trace_when_it_is_in_an_unlikely_camera_or_none_then_all_are_looked_at(tmp_path: Path) -> None:
    for where in ({"c01"}, set()):
        jobs = Jobs(where, WEIGHTS)
        answers, _ = trace(tmp_path, jobs)
        assert len(jobs.looked) == len(CAMERAS) - 1
        assert {one.camera_id for one in answers if one.is_found} == where


@pytest.mark.parametrize("error", ["", "that is no picture"])
def test_trace_when_cameras_have_no_view_or_the_look_fails_then_all_are_looked_at(tmp_path: Path, error: str) -> None:
    jobs = Jobs({"c05"}, {}, error)
    answers, _ = trace(tmp_path, jobs)
    assert len(jobs.looked) == len(CAMERAS) - 1
    assert [one.camera_id for one in answers if one.is_found] == ["c05"]


def test_pages_when_entries_lie_near_each_other_then_read_together_and_none_is_missed() -> None:
    assert pages([]) == []
    assert pages([7, 7, 9]) == [(7, 3)]
    assert pages([5, 500, 5000]) == [(5, 1), (500, 1), (5000, 1)]
    many = [n * 40 for n in range(2000)]
    found = pages(reversed(many))
    assert len(found) < 100 and all(count <= 1000 for _, count in found)
    assert all(any(first <= n < first + count for first, count in found) for n in many)


@pytest.mark.parametrize("cameras", [CAMERAS, CAMERAS[:2]])
def test_trace_when_the_file_is_no_picture_then_said_so_and_not_that_it_is_not_ours(
    tmp_path: Path, cameras: tuple[CameraSpec, ...]
) -> None:
    warden = Warden()
    desk = desk_of(tmp_path, Jobs(set(), WEIGHTS, "the PNG picture is damaged", is_unreadable=True), warden)
    order = TraceOrder(picture=b"\x89PNG\r\n\x1a\n", reference="7")
    with pytest.raises(InvalidArgument, match="the PNG picture is damaged"):
        asyncio.run(desk._in_all(order, cameras, (Ns(1), Ns(2)), FIRST, SECOND))
    assert not warden.open


def test_trace_when_the_first_bytes_are_of_no_picture_then_nothing_is_asked_of_the_warden(tmp_path: Path) -> None:
    warden = Warden()
    desk = desk_of(tmp_path, Jobs(set(), WEIGHTS), warden)
    with pytest.raises(InvalidArgument, match="expected JPEG"):
        asyncio.run(desk.trace(TraceOrder(picture=b"<svg/>", reference="7"), FIRST, SECOND))
    assert not warden.asked


def test_job_when_the_file_is_no_picture_then_it_says_that_it_looked_at_nothing() -> None:
    task = TraceTask(
        camera_id=CameraId("c01"), session_id=SessionId("s"), grant_token="t", deadline_ns=Ns(1), start_ns=Ns(0),
        end_ns=Ns(1), segments=(), picture=b"\x89PNG\r\n\x1a\n", is_attributing=True,
    )  # fmt: skip
    answer = Tracer(task, archive=None, index=None, policy=None, ask_masks=None, release=None).run()
    assert answer.is_unreadable and not answer.is_found
    assert "PNG picture is damaged" in answer.error


def test_trace_when_settled_then_cameras_that_could_not_be_weighed_are_looked_at_all_the_same(tmp_path: Path) -> None:
    weights = {name: weight for name, weight in WEIGHTS.items() if name != "c05"}
    jobs = Jobs({"c13"}, weights)
    trace(tmp_path, jobs)
    assert jobs.looked[0] == "c13"
    assert set(jobs.looked) == {"c13", "c12", "c05"}
