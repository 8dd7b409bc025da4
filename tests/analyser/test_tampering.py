"""Which cameras are watched for tampering: all but those that the configuration or their address excuses."""

import pytest

from custodes.app.analyser import Intake, Worker
from custodes.app.checkpoints import Checkpoints
from custodes.config import Assignment, SitePaths, TamperingConfig, write_assignment
from custodes.testing.catalog import make_spec
from custodes.testing.figures import FigureDetector
from custodes.testing.looking import make_looking
from custodes.types.stream import second_of
from custodes.units import CameraId


@pytest.mark.parametrize(
    ("camera", "config", "is_watched"),
    [
        ("gate", TamperingConfig(), True),
        ("gate", TamperingConfig(ignore=("yard",)), True),
        ("gate", TamperingConfig(ignore=("gate",)), False),
        (second_of(CameraId("gate")), TamperingConfig(), False),
    ],
)
def test_a_turning_camera_and_a_second_stream_are_not_watched(tmp_path, camera, config, is_watched):
    worker = worker_of(tmp_path, config)
    pipeline = opened(worker, camera)
    assert (pipeline.tampering is not None) is is_watched


def worker_of(tmp_path, config):
    paths = SitePaths(tmp_path)
    write_assignment(paths.assignment, Assignment(version=1, cameras=(make_spec("gate"),)))
    intake = Intake(paths, lambda fact: None, index=0, processes=1)
    looking = make_looking(FigureDetector(min_pixels=30))
    return Worker(intake, None, looking, fps=5.0, has_gate=False, checkpoints=Checkpoints(tmp_path),
                  learnt=Checkpoints(tmp_path, "gate"), tampering=config)  # fmt: skip


def opened(worker, camera):
    worker._add(CameraId(camera))
    return worker._pipelines[CameraId(camera)]
