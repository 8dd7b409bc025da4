"""Cameras in cells: the same facts as without, also when cells are moved or killed; what the site keeps of them."""

import dataclasses
import os
import signal

import msgspec.structs
import pytest

from custodes.app.analyser import Intake
from custodes.app.checkpoints import Checkpoints
from custodes.app.cluster import Cells, plan_of
from custodes.config import SiteConfig
from custodes.config.paths import SitePaths
from custodes.config.tree import RedactionConfig
from custodes.pipeline.camera import CameraPipeline
from custodes.runtime.cell_process import ProcessHost
from custodes.runtime.cells import CellRunner, Fed, InlineHost
from custodes.testing.cells import FIGURES, run
from custodes.testing.clock import ManualClock
from custodes.testing.looking import make_looking
from custodes.testing.media import make_clip
from custodes.types.cell import CellCamera, CellReport, CellState
from custodes.types.codec import decode, encode
from custodes.types.event import AnalyserStatus, FrameAnalysed, TrackEnded
from custodes.types.media import Packet
from custodes.types.message import StreamOpened
from custodes.types.scene import CameraScene
from custodes.units import NS_PER_S, CameraId, Ns

INFO, PACKETS = make_clip(frames=140, fps=10, gop=10, start_ns=Ns(1_700_000_000 * NS_PER_S))
CAMERAS = [CameraId("gate"), CameraId("hall")]


def stream_of(camera_id):
    """What a hub sends of the camera."""
    return [
        StreamOpened(info=dataclasses.replace(INFO, camera_id=camera_id)),
        *(msgspec.structs.replace(packet, camera_id=camera_id) for packet in PACKETS),
    ]


def alone(camera_id):
    """The camera's facts in one process, as they travel."""
    pipeline = CameraPipeline(camera_id, make_looking(), fps=5.0)
    facts = [fact for item in stream_of(camera_id) for fact in pipeline.process(item)]
    return [encode(fact) for fact in [*facts, *pipeline.flush()]]


def told(camera_id):
    return CellCamera(
        camera_id=camera_id,
        fps=5.0,
        has_gate=False,
        watches_tampering=False,
        watches_replay=False,
        areas=(),
        scene=CameraScene(),
        tracks=b"",
        learnt=b"",
        now_ns=Ns(0),
    )


def fed():
    """Both cameras' items in turn."""
    streams = [[told(camera_id), *stream_of(camera_id)] for camera_id in CAMERAS]
    return [
        Fed(key=camera_id, payload=encode(item), is_cut=isinstance(item, Packet) and item.is_keyframe)
        for items in zip(*streams, strict=True)
        for camera_id, item in zip(CAMERAS, items, strict=True)
    ]


def assert_as_alone(outputs):
    for camera_id in CAMERAS:
        whole = alone(camera_id)
        assert sum(isinstance(decode(one), FrameAnalysed) for one in whole) > 50
        assert [output for key, output in outputs if key == camera_id] == whole


def test_a_cell_that_is_moved_twice_gives_the_facts_of_one_that_was_not():
    runner = CellRunner(InlineHost(), "cell", FIGURES)
    assert_as_alone(run(runner, fed(), at={8: runner.move, 15: runner.move}))
    assert runner.failures == 0


@pytest.mark.slow
def test_a_cell_whose_process_is_killed_gives_the_facts_of_one_that_was_not():
    runner = CellRunner(ProcessHost(), "cell", FIGURES)

    def kill():
        os.kill(int(runner.where.split()[-1]), signal.SIGKILL)

    outputs = run(runner, fed(), at={15: kill})
    assert runner.losses == 1
    assert_as_alone(outputs)


class Sent:
    """Takes facts as a `FactSender` does."""

    def __init__(self):
        self.facts = []

    def put(self, fact):
        self.facts.append(decode(encode(fact)))


@pytest.fixture
def site(tmp_path):
    """Cells of a site with both cameras, two to a cell at most one."""
    intake = Intake(SitePaths(tmp_path), lambda fact: None, index=0, processes=1)
    intake.cameras = frozenset(CAMERAS)
    sent, clock = Sent(), ManualClock()
    cells = Cells(
        intake,
        sent,
        lambda name: CellRunner(InlineHost(), name, FIGURES),
        SiteConfig.model_validate({"analyser": {"gate": False}}),
        clock=clock,
        tracks=Checkpoints(tmp_path),
        learnt=Checkpoints(tmp_path, "gate"),
        cameras_per_cell=1,
    )
    return intake, cells, sent, clock


def test_cameras_are_shared_among_cells_and_their_facts_and_states_reach_the_site(site, tmp_path):
    intake, cells, sent, clock = site
    for position in range(60):
        for camera_id in CAMERAS:
            intake.push(stream_of(camera_id)[position])
        cells.turn()
        clock.advance(NS_PER_S // 10)
    assert [cells.cameras_of(cell.name) for cell in cells.cells] == [["gate"], ["hall"]]
    statuses = [fact for fact in sent.facts if isinstance(fact, AnalyserStatus)]
    assert {fact.camera_id for fact in statuses} == set(CAMERAS)
    assert statuses[-1].packets > 30
    assert not any(isinstance(fact, CellState) for fact in sent.facts)
    assert Checkpoints(tmp_path).read(CAMERAS[0])
    cells.end()
    assert {fact.tracklet.camera_id for fact in sent.facts if isinstance(fact, TrackEnded)} == set(CAMERAS)
    assert not Checkpoints(tmp_path).read(CAMERAS[0]), "nothing is open any more"


def test_a_cell_that_is_full_makes_cameras_wait_and_they_shed_whole_gops(site):
    intake, cells, sent, _ = site

    class Stuck(InlineHost):
        def start(self, name, plan):
            replica = super().start(name, plan)
            replica.receive = lambda timeout_s: None
            return replica

    cells._make_runner = lambda name: CellRunner(Stuck(), name, FIGURES)
    for item in stream_of(CAMERAS[0]):
        intake.push(item)
        cells.turn()
    assert cells.cells[0].is_full
    item, shed, _ = intake.pop(CAMERAS[0])
    assert item.is_keyframe
    assert shed >= 5
    assert sent.facts == []


def test_an_item_of_a_camera_of_which_nothing_was_told_is_refused_by_name():
    body = FIGURES.make()
    with pytest.raises(Exception, match="nothing was told of camera gate"):
        body.process("gate", encode(CellReport(camera_id=CAMERAS[0], now_ns=Ns(0))))


@pytest.mark.parametrize(
    ("tree", "what"),
    [
        ({"analyser": {"runner": "ray"}}, "needs ray: with the cluster's address"),
        ({"analyser": {"runner": "ray", "ray": {"address": "head:6379"}}}, "token_file"),
        ({"analyser": {"runner": "ray", "ray": {"address": "head", "token_file": "t"}}}, "address"),
        (
            {"analyser": {"runner": "ray", "ray": {"address": "h:1", "token_file": "t"}}, "faces": {"enabled": True}},
            "what makes templates never leaves the site",
        ),
    ],
    ids=["no cluster", "no token", "no port", "recognition"],
)
def test_a_configuration_that_cannot_work_says_why(tree, what):
    with pytest.raises(ValueError, match=what):
        SiteConfig.model_validate(tree)


@pytest.mark.parametrize("level", ["face", "person"])
def test_a_cell_looks_for_faces_where_the_site_does(level):
    config = SiteConfig(redaction=RedactionConfig(level=level))
    told = SiteConfig.model_validate_json(plan_of(config).settings)
    assert told.redaction.is_finding_faces == config.redaction.is_finding_faces == (level == "face")
