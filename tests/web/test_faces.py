"""What the zones' pages compute themselves."""

from dataclasses import replace

import pytest

from custodes.types.message import CameraSpec
from custodes.types.scene import CameraScene, GroundPoint
from custodes.units import CameraId
from custodes.web.faces import density_px_per_m

CAMERA = CameraSpec(
    camera_id=CameraId("gate"), name="Gate", url="rtsp://gate/1", username="", password_ref="", transport="tcp",
    is_enabled=True, is_looped=False,
)  # fmt: skip
ALL = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def seen_from_above(width_m: float) -> CameraSpec:
    """A camera that looks straight down on so many metres."""
    ground = tuple(GroundPoint(at=at, place_m=(at[0] * width_m, at[1] * width_m)) for at in ALL)
    return replace(CAMERA, scene=CameraScene(ground=ground))


@pytest.mark.parametrize(("width_px", "expected"), [(1920, 480.0), (640, 160.0)])
def test_px_per_m_when_the_camera_is_calibrated_then_follows_its_width(width_px: int, expected: float) -> None:
    assert density_px_per_m(seen_from_above(4.0), ALL, width_px) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("camera", "width_px"), [(CAMERA, 1920), (seen_from_above(4.0), 0)], ids=["ground", "width"])
def test_px_per_m_when_something_is_not_known_then_none(camera: CameraSpec, width_px: int) -> None:
    assert density_px_per_m(camera, ALL, width_px) is None


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        (("operator", "auditor"), "give up the role that reads the log"),
        (("operator",), "A privacy officer writes your training down"),
        (("auditor",), None),
    ],
)
def test_candidates_page_says_why_somebody_may_not_judge(make_site, roles, words):
    site = make_site()
    site.claim(roles=roles)
    answer = site.client.get("/faces/candidates", headers={"accept": "text/html"})
    assert answer.status_code == (200 if words else 403)
    if words:
        assert words in answer.text
