"""Faces by themselves in the live picture: masked, counted nowhere; without their detector nothing is vouched for."""

from dataclasses import replace

import numpy as np
import pytest
from tests.pipeline.test_camera import CLOSED, INFO, OPENED, PACKETS, analysed, breaks, feed

from custodes.config import SiteConfig
from custodes.pipeline.camera import CameraPipeline
from custodes.pipeline.face_watch import LOOK_PX, FaceLook, region_of
from custodes.pipeline.protect_looks import plan_looks
from custodes.redact.levels import MaskLevel
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.testing.figures import FigureDetector
from custodes.testing.media import people_at
from custodes.types.event import TrackEnded
from custodes.types.vision import Detections, ObjectClass


class FaceDetector(FigureDetector):
    """The painted figures, taken for faces: people whom the detector of people does not know."""

    def detect(self, pictures_rgb):
        return [
            replace(found, class_ids=np.full(len(found.scores), int(ObjectClass.FACE), np.int16))
            for found in super().detect(pictures_rgb)
        ]


class Blind(FigureDetector):
    """Finds nobody."""

    def detect(self, pictures_rgb):
        nothing = Detections(
            boxes_px=np.zeros((0, 4), np.float32), scores=np.zeros(0, np.float32), class_ids=np.zeros(0, np.int16)
        )
        return [nothing for _ in pictures_rgb]


def looking_for_faces(looking, detector):
    return replace(looking, faces=FaceLook(detector=detector, to_picture=looking.to_picture))


def test_a_face_without_a_person_is_masked_in_every_frame_and_counted_nowhere(make_looking):
    looking = looking_for_faces(make_looking(Blind()), FaceDetector(min_pixels=20))
    pipeline = CameraPipeline(INFO.camera_id, looking, fps=5.0)
    facts = feed(pipeline, [OPENED, *PACKETS, CLOSED])
    timeline = MaskTimeline(MaskPolicy(level=MaskLevel.FACE, margin=0.15))
    timeline.add(analysed(facts))
    for packet in PACKETS[:-1]:
        masks = timeline.masks_at(packet.utc_ns, packet.run)
        for x1, y1, x2, y2 in people_at(packet.seq):
            middle = (x1 + x2) / 2, (y1 + y2) / 2
            assert any(a <= middle[0] <= c and b <= middle[1] <= d for a, b, c, d in masks)
    assert breaks(facts) == [0.0]
    assert not [fact for fact in facts if isinstance(fact, TrackEnded)]
    status = pipeline.status(facts[0].frame.utc_ns)
    assert (status.tracks_people, status.live_people) == (0, 0)
    looks = plan_looks(analysed(facts))
    assert looks and all(
        one.part[0] <= one.at[0] <= one.part[2] for one in looks
    )  # the protected are found by it, too


def test_people_s_tracks_are_the_same_with_faces_and_without(make_looking):
    def tracks(looking):
        facts = feed(CameraPipeline(INFO.camera_id, looking, fps=5.0), [OPENED, *PACKETS, CLOSED])
        return [
            [row for row, class_id in zip(one.frame.track_ids, one.frame.class_ids, strict=True)
             if class_id == ObjectClass.PERSON]
            for one in analysed(facts)
        ], [fact.tracklet for fact in facts if isinstance(fact, TrackEnded)]  # fmt: skip

    assert tracks(make_looking()) == tracks(looking_for_faces(make_looking(), FaceDetector()))


def test_nothing_is_vouched_for_when_the_detector_of_faces_fails(make_looking):
    looking = looking_for_faces(make_looking(), FaceDetector(fails_on=[3, 4]))
    facts = feed(CameraPipeline(INFO.camera_id, looking, fps=5.0), [OPENED, *PACKETS])
    looks = analysed(facts)
    assert len(looks) == 28
    assert breaks(facts) == [0.0, 1.0]
    timeline = MaskTimeline(MaskPolicy())
    timeline.add(looks)
    failed_at = PACKETS[7]
    assert timeline.masks_at(failed_at.utc_ns, failed_at.run) is None


@pytest.mark.parametrize(
    ("said", "finds"),
    [({}, False), ({"level": "face"}, True), ({"level": "head"}, True), ({"find_faces": "always"}, True)],
)
def test_faces_are_looked_for_at_levels_that_show_the_rest_or_where_it_is_asked_for(said, finds):
    assert SiteConfig.model_validate({"data_dir": "/x", "redaction": said}).redaction.is_finding_faces is finds


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (320, 240), (16, 2000)])
def test_the_whole_frame_is_looked_at_and_the_cost_is_bounded(size):
    region = region_of(*size)
    assert (region.x2, region.y2) == size
    assert max(region.width_px, region.height_px) == LOOK_PX
    assert min(region.width_px, region.height_px) >= 32
