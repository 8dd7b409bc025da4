"""Calibration files of other programs: each format gives the same ground; what is wrong is said of what."""

import json
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from custodes.errors import InvalidArgument
from custodes.geometry.calibration_file import Calibrated, Leads, Reading, read_calibration
from custodes.geometry.homography import Homography, homography_from_camera, homography_from_points

WIDTH, HEIGHT = 1280, 720
TILT = np.deg2rad(-20)
ROTATION = np.array([[1, 0, 0], [0, np.sin(TILT), -np.cos(TILT)], [0, np.cos(TILT), np.sin(TILT)]])
TRANSLATION = -ROTATION @ np.array([0.0, 0.0, 5.0])
"""A mast of 5 m, looking down by 20°."""
INTRINSICS = np.array([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]])
RVEC = [float(np.pi / 2 + np.deg2rad(20)), 0.0, 0.0]
PROJECTION = INTRINSICS @ np.column_stack([ROTATION, TRANSLATION])
GROUND = homography_from_camera(ROTATION, TRANSLATION, INTRINSICS, (WIDTH, HEIGHT))
TO_PIXELS = INTRINSICS @ np.column_stack([ROTATION[:, :2], TRANSLATION])
FRAME = (WIDTH, HEIGHT)
SEEN = np.array([(0.3, 0.9), (0.7, 0.6), (0.5, 0.95)])


def fitted(found: Calibrated) -> Homography:
    return homography_from_points([tuple(one) for one in found.at], [tuple(one) for one in found.place_m])


def opencv_yaml() -> str:
    numbers = ", ".join(str(one) for one in INTRINSICS.ravel())
    return dedent(f"""\
        %YAML:1.0
        ---
        image_width: {WIDTH}
        image_height: {HEIGHT}
        camera_matrix: !!opencv-matrix
           rows: 3
           cols: 3
           dt: d
           data: [ {numbers} ]
        distortion_coefficients: !!opencv-matrix
           rows: 1
           cols: 5
           dt: d
           data: [ 0., 0., 0., 0., 0. ]
        rvec: !!opencv-matrix
           rows: 3
           cols: 1
           dt: d
           data: [ {RVEC[0]}, {RVEC[1]}, {RVEC[2]} ]
        tvec: {TRANSLATION.tolist()}
        """)


def opencv_xml(bend: str = "0. 0. 0. 0. 0.") -> str:
    numbers = " ".join(str(one) for one in INTRINSICS.ravel())
    return dedent(f"""\
        <?xml version="1.0"?>
        <opencv_storage>
        <!-- made by hand -->
        <calibration_time>"Thu 26 Nov 2026 09:00:00"</calibration_time>
        <image_width>{WIDTH}</image_width>
        <image_height>{HEIGHT}</image_height>
        <camera_matrix type_id="opencv-matrix">
          <rows>3</rows>
          <cols>3</cols>
          <dt>d</dt>
          <data>
            {numbers}</data></camera_matrix>
        <distortion_coefficients type_id="opencv-matrix">
          <rows>1</rows>
          <cols>5</cols>
          <dt>d</dt>
          <data>{bend}</data></distortion_coefficients>
        <rvec>{" ".join(map(str, RVEC))}</rvec>
        <tvec>{"".join(f"<_>{one}</_>" for one in TRANSLATION.tolist())}</tvec>
        </opencv_storage>
        """)


def tsai(kappa: float = 0.0, **more: str) -> str:
    """The same mast; a pixel of 5 by 4 micrometres, stretched by 1.25 to be square again."""
    along = zip(("tx", "ty", "tz"), (TRANSLATION * 1000).tolist(), strict=True)
    pose = {"rx": str(RVEC[0]), "ry": "0", "rz": "0", **{name: str(one) for name, one in along}}
    pose |= more
    attributes = " ".join(f'{name}="{one}"' for name, one in pose.items())
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<Camera name="mast"><Geometry width="1280" height="720" ncx="1"'
        ' nfx="1" dx=".005" dy=".004" dpx="0.005" dpy="0.004"/>'
        f'<Intrinsic focal="4.0" kappa1="{kappa}" cx="640" cy="360" sx="1.25"/>'
        f"<Extrinsic {attributes}/></Camera>"
    )


def metropolis(**changes: object) -> str:
    picture = [(400.0, 700.0), (900.0, 690.0), (800.0, 400.0), (500.0, 410.0)]
    places = GROUND.ground_of(np.array(picture) / np.array(FRAME))
    sensor = {
        "id": "Camera_01",
        "origin": {"lat": 0, "lng": 0},
        "attributes": [{"name": "frameWidth", "value": "1280"}, {"name": "frameHeight", "value": "720"}],
        "imageCoordinates": [{"x": x, "y": y} for x, y in picture],
        "globalCoordinates": [{"x": x, "y": y} for x, y in places.tolist()],
        **changes,
    }
    return json.dumps({"calibrationType": "cartesian", "sensors": [sensor]})


def sections() -> str:
    rows = "\n".join(" ".join(map(str, row)) for row in ROTATION.tolist())
    lens = "\n".join(" ".join(map(str, row)) for row in INTRINSICS.tolist())
    along = " ".join(map(str, (TRANSLATION * 1000).tolist()))
    return f"RotationMatrices\n{rows}\n\nTranslationVectors\n{along}\n\nIntrinsicMatrix\n{lens}\n"


def pose2sim() -> str:
    lens = INTRINSICS.tolist()
    other = f'[cam02]\nname = "cam02"\nsize = [1280.0, 720.0]\nmatrix = {lens}\nrotation = [2.0, 0.0, 0.0]\n'
    return (
        f'[cam01]\nname = "cam01"\nsize = [1280.0, 720.0]\nmatrix = {lens}\ndistortions = [0.0, 0.0, 0.0, 0.0]\n'
        f"rotation = {RVEC}\ntranslation = {TRANSLATION.tolist()}\nfisheye = false\n{other}"
        "translation = [0.0, 0.0, 5.0]\n[metadata]\nadjusted = false\n"
    )


def table(matrix: np.ndarray) -> str:
    return "\n".join(" ".join(map(str, row)) for row in matrix.tolist())


def points() -> str:
    picture = np.array([(400.0, 700.0), (900.0, 690.0), (800.0, 400.0), (500.0, 410.0)])
    rows = np.hstack([picture, GROUND.ground_of(picture / np.array(FRAME))]).tolist()
    return "x,y,X,Y\n" + "\n".join(",".join(map(str, row)) for row in rows)


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        (opencv_yaml(), Reading()),
        (opencv_xml(), Reading()),
        (tsai(), Reading(unit_m=0.001)),
        (f"<cameras>{tsai().partition('?>')[2]}<Camera name='other'/></cameras>", Reading(unit_m=0.001)),
        (metropolis(), Reading()),
        (metropolis(imageCoordinates=[], cameraMatrix=PROJECTION.tolist()),
         Reading()),
        (sections(), Reading(unit_m=0.001, frame_px=FRAME)),
        (pose2sim(), Reading(which="cam01")),
        (table(TO_PIXELS), Reading(leads=Leads.TO_PICTURE, frame_px=FRAME)),
        (table(np.linalg.inv(TO_PIXELS) * 7), Reading(frame_px=FRAME)),
        (table(np.diag([100, 100, 1]) @ np.linalg.inv(TO_PIXELS)), Reading(frame_px=FRAME, unit_m=0.01)),
        (points(), Reading(frame_px=FRAME)),
        (json.dumps({"yard": {"frame_width": WIDTH, "frame_height": HEIGHT,
                              "homography": [np.eye(3).tolist(), np.linalg.inv(TO_PIXELS).tolist()]}}),
         Reading(which="yard 2")),
    ],
    ids=["opencv", "opencv-xml", "tsai", "tsai-in-a-list",
         "metropolis-points", "metropolis-matrix", "mot", "toml", "to-picture", "to-ground", "centimetres",
         "points", "list"],
)  # fmt: skip
def test_each_format_gives_the_same_ground(text, reading):
    found = read_calibration(text.encode(), reading)
    assert np.allclose(fitted(found).ground_of(SEEN), GROUND.ground_of(SEEN), atol=0.03)
    assert found.off_m < 0.05
    assert ((found.at >= 0) & (found.at <= 1)).all()


def test_places_in_degrees_become_metres_east_and_north_of_the_origin():
    east, north = np.array([-2.0, 2, 3, -3]), np.array([9.0, 9, 25, 25])
    at = GROUND.picture_of(np.column_stack([east, north])) * np.array(FRAME)
    geo = json.loads(
        metropolis(
            origin={"lat": 60.0, "lng": 10.0},
            imageCoordinates=[{"x": x, "y": y} for x, y in at.tolist()],
            globalCoordinates=[
                {"x": 10.0 + x / (111_320 / 2), "y": 60.0 + y / 111_320} for x, y in zip(east, north, strict=True)
            ],
        )
    )
    found = read_calibration(json.dumps({**geo, "calibrationType": "geo"}).encode(), Reading(unit_m=0.01))
    assert np.allclose(found.place_m, np.column_stack([east, north]), atol=0.01)


def test_a_bent_lens_is_undone_and_what_a_plane_misses_is_said():
    bent = opencv_yaml().replace("[ 0., 0., 0., 0., 0. ]", "[ -0.2, 0.02, 0., 0., 0. ]")
    found = read_calibration(bent.encode(), Reading())
    corner = np.array([0.1, 0.95])
    spot = found.place_m[np.abs(found.at - corner).sum(axis=1).argmin()]
    # the picture is pressed together towards its edges: the same pixel sees more to the side than without
    assert spot[0] < GROUND.ground_of(corner[None])[0, 0] - 0.1
    assert found.off_m > 0.05


def test_a_bend_in_xml_is_that_in_yaml():
    yaml = opencv_yaml().replace("[ 0., 0., 0., 0., 0. ]", "[ -0.2, 0.02, 0., 0., 0. ]")
    one, other = (
        read_calibration(yaml.encode(), Reading()),
        read_calibration(opencv_xml("-.2 .02 0 0 0").encode(), Reading()),
    )
    assert np.array_equal(one.place_m, other.place_m)
    assert one.off_m == other.off_m > 0.05


def test_tsais_bend_leads_from_the_bent_picture_to_the_straight_one():
    kappa = 0.01
    found = read_calibration(tsai(kappa).encode(), Reading(unit_m=0.001))
    on_sensor_mm = (found.at * FRAME - (640, 360)) * 0.004
    straight = on_sensor_mm * (1 + kappa * (on_sensor_mm**2).sum(axis=1, keepdims=True)) / 0.004 + (640, 360)
    assert np.allclose(found.place_m, GROUND.ground_of(straight / FRAME), atol=0.01)
    assert np.abs(straight / FRAME - found.at).max() > 0.01


def test_cameras_of_one_xml_file_are_told_apart_even_where_their_names_are_not():
    two = f"<all>{tsai().partition('?>')[2] * 2}</all>"
    with pytest.raises(InvalidArgument, match="holds 2 cameras: mast, mast 2"):
        read_calibration(two.encode(), Reading())
    assert read_calibration(two.encode(), Reading(which="mast 2", unit_m=0.001)).camera == "mast 2"


@pytest.mark.parametrize(
    ("text", "reading", "words"),
    [
        ("", Reading(), "is empty"),
        ("\x00\xff", Reading(), "There is no camera|neither JSON"),
        ("<xml/>", Reading(), "no camera in this XML"),
        ("<opencv_storage><a>1</a></opencv_storage>", Reading(), "no camera in this file"),
        ("<a><b></a>", Reading(), "looks like XML and is none, line 1"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', Reading(), "DTD or entities"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', Reading(), "DTD or entities"),
        ("<a>" * 500 + "</a>" * 500, Reading(), "nested more deeply"),
        (tsai().replace('focal="4.0"', ""), Reading(), "Intrinsic of mast has no number focal"),
        (tsai().replace('dpx="0.005"', 'dpx="0"'), Reading(), "Pixel size, .* of mast have to be greater"),
        (tsai(rx="inf"), Reading(), "Extrinsic of mast has no number rx"),
        (opencv_xml().replace("<rows>3", "<rows>4"), Reading(), "4 × 3 and holds 9 numbers"),
        (opencv_xml().replace("1000.0", "x"), Reading(), "is no number"),
        ("{", Reading(), "looks like JSON and is none, line 1"),
        ("a: [1, 2", Reading(), "neither JSON nor TOML nor YAML"),
        ("a: &x [1]\nb: *x\n", Reading(), "by reference"),
        ("1 2 3\n4 5 6\n", Reading(), "2 rows of 3 numbers"),
        ("hello: world\n", Reading(), "no camera in this file"),
        (table(TO_PIXELS), Reading(), "how large its picture is"),
        (table(np.ones((3, 3))), Reading(frame_px=FRAME), "no inverse|at infinity"),
        (pose2sim(), Reading(), "holds 2 cameras: cam01, cam02"),
        (pose2sim(), Reading(which="cam03"), "holds no camera “cam03”; it holds cam01, cam02"),
        ("K: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\nwidth: 9\nheight: 9\n", Reading(), "its rotation .* is missing"),
        (sections().replace("0.0", "0.5"), Reading(frame_px=FRAME), "none of a rotation"),
        (opencv_yaml().replace("rows: 3\n   cols: 3", "rows: 3\n   cols: 4"), Reading(), "3 × 4 and holds 9 numbers"),
        (opencv_yaml().replace("640.0", "nan"), Reading(), "not finite|is no number"),
        (opencv_yaml().replace(str(RVEC[0]), str(-RVEC[0])), Reading(), "behind the camera"),
        (pose2sim().replace("false", "true"), Reading(which="cam01"), "is a fisheye"),
        (metropolis(globalCoordinates=[]), Reading(), "does not say where the ground is"),
        (metropolis().replace("cartesian", "image"), Reading(), "nothing of the ground"),
        (metropolis().replace("cartesian", "geo"), Reading(), "its origin"),
        (points(), Reading(frame_px=(640, 480)), "outside a picture of 640 × 480"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(text, reading, words):
    with pytest.raises(InvalidArgument, match=words):
        read_calibration(text.encode("utf-8", "surrogateescape"), reading)


@settings(max_examples=60, deadline=None)
@example(b'{"sensors": [{"id": 1, "attributes": [{"name": "frameWidth", "value": "' + b"9" * 5000 + b'"}]}]}')
@example(b'{"K": [[1e400, 1, 1], [1, 1, 1], [1, 1, 1]]}')
@example(b'{"homography": [[' + b"9" * 400 + b"]]}")
@example(b"[" * 100_000)
@example(b"<a>" * 170_000)
@example(b"<a>" * 70_000 + b"</a>" * 70_000)
@example(b"<?xml version='1.0' encoding='none'?><a/>")
@given(
    st.one_of(
        st.text(alphabet='<>/_abtK"=&;! 0123456789.eRCame', max_size=200).map(lambda text: f"<a>{text}</a>".encode()),
        st.binary(max_size=200),
        st.text(alphabet="[]{}:&*!|>-'\"\n 0123456789.eKRthw#%", max_size=200).map(str.encode),
    )
)
def test_any_bytes_are_read_or_refused_in_words(content):
    try:
        read_calibration(content, Reading(frame_px=FRAME))
    except InvalidArgument as error:
        assert str(error)
