"""What cameras of one analyser share, with the detector for painted figures and a clock that stands still."""

from custodes.detect.regions import RegionLimits
from custodes.media.rgb import RgbScaler, crop
from custodes.pipeline.analysis import Looking
from custodes.ports.model import Detector
from custodes.testing.clock import ManualClock
from custodes.testing.figures import FigureDetector
from custodes.track.config import TrackerConfig


def make_looking(detector: Detector | None = None) -> Looking:
    """`detector`: instead of one that finds figures."""
    scaler = RgbScaler()
    return Looking(
        detector=detector or FigureDetector(),
        to_picture=lambda frame, region: scaler.to_rgb(
            crop(frame, region.x1, region.y1, region.x2, region.y2), region.width_px, region.height_px
        ),
        limits=RegionLimits(),
        clock=ManualClock(),
        tracker=TrackerConfig(),
    )
