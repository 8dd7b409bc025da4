import pytest

from custodes.media.rgb import RgbScaler
from custodes.pipeline.analysis import Looking
from custodes.testing.clock import ManualClock
from custodes.testing.figures import FigureDetector
from custodes.track.tracker import TrackerConfig


@pytest.fixture
def make_looking():
    def make(detector=None):
        scaler = RgbScaler()
        return Looking(
            detector=detector or FigureDetector(),
            to_picture=lambda frame: scaler.to_rgb(frame, frame.y.shape[1] // 2, frame.y.shape[0] // 2),
            clock=ManualClock(),
            tracker=TrackerConfig(),
        )

    return make
