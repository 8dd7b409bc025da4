from pathlib import Path

import pytest

from custodes.config import SiteConfig, load_effective, load_site_yaml, write_effective
from custodes.errors import ConfigError
from custodes.types.stream import WallStream
from custodes.types.vision import ObjectClass

BROKEN = {
    "not YAML": ("cameras: [", "is not YAML"),
    "not UTF-8": (b"name: \xff\xfe", "is not YAML"),
    "a list": ("- a\n- b\n", "top level"),
    "unknown field": ("colour: red\n", "colour: is not known"),
    "a word": ("hello\n", "name: value"),
    "endless nesting": ("name: " + "[" * 3000 + "]" * 3000, "nested too deeply"),
    "no host": ("cameras: [{id: gate, url: 'rtsp:///x'}]\n", "needs a host"),
    "no such port": ("cameras: [{id: gate, url: 'rtsp://h:99999/x'}]\n", "65535"),
    "port that is no number": ("cameras: [{id: gate, url: 'rtsp://h:x/x'}]\n", "65535"),
    "unknown nested field": ("server: {prot: 1}\n", "server.prot"),
    "wrong type": ("server: {port: many}\n", "server.port"),
    "several servers with a catalog in its file": ("server: {processes: 2}\n", "PostgreSQL"),
    "servers of a second machine with a catalog in its file": ("server: {leads: false}\n", "PostgreSQL"),
    "several servers beyond the last port": (
        "server: {processes: 3, port: 65534}\ncatalog: {host: db.example}\n",
        "65535",
    ),
    "port out of range": ("server: {port: 70000}\n", "server.port"),
    "camera without url": ("cameras: [{id: gate}]\n", "cameras.0.url"),
    "camera id in capitals": ("cameras: [{id: Gate, url: 'rtsp://h/'}]\n", "cameras.0.id"),
    "camera id that climbs": ("cameras: [{id: ../x, url: 'rtsp://h/'}]\n", "cameras.0.id"),
    "credentials in url": ("cameras: [{id: gate, url: 'rtsp://u:pw-of-mine@h/'}]\n", "credentials"),
    "password in clear": (
        "cameras: [{id: gate, url: 'rtsp://h/', password: hunter2}]\n",
        "cameras.0.password: must be env:",
    ),
    "unknown scheme": ("cameras: [{id: gate, url: 'gopher://h/'}]\n", "gopher"),
    "ONVIF stream that is none": ("cameras: [{id: gate, url: 'onvif://h/?stream=best'}]\n", "?stream=main"),
    "relative file": ("cameras: [{id: gate, url: 'file:clip.mp4'}]\n", "absolute"),
    "retention of nothing": ("retention: {max_age_h: 0}\n", "retention.max_age_h"),
    "retention without end": ("retention: {max_age_h: .inf}\n", "retention.max_age_h"),
    "retention that is no number": ("retention: {max_age_h: .nan}\n", "retention.max_age_h"),
    "no room at all": ("retention: {max_gb: 0}\n", "retention.max_gb"),
    "camera's retention below zero": ("cameras: [{id: a, url: 'rtsp://h/', retention_h: -1}]\n", "retention_h"),
    "ground of three points": (
        "cameras: [{id: a, url: 'rtsp://h/', ground: [{at: [0, 1], place_m: [0, 0]}]}]\n",
        "needs 4 points",
    ),
    "line of no length": (
        "cameras: [{id: a, url: 'rtsp://h/', lines: [{name: x, start: [0, 1], end: [0, 1]}]}]\n",
        "begins where it ends",
    ),
    "line outside the picture": (
        "cameras: [{id: a, url: 'rtsp://h/', lines: [{name: x, start: [0, 1], end: [0, 2]}]}]\n",
        "lines.0.end",
    ),
    "second stream with credentials": (
        "cameras: [{id: a, url: 'rtsp://h/', second: {url: 'rtsp://u:p@h/2'}}]\n",
        "cameras.0.second.url",
    ),
    "second stream that nobody can cover": (
        "cameras: [{id: a, url: 'rtsp://h/', privacy: [{polygon: [[0, 0], [1, 0], [1, 1]]}],"
        " second: {url: 'rtsp://h/2'}}]\n",
        "same_view",
    ),
    "wall of what nobody analyses": (
        "cameras: [{id: a, url: 'rtsp://h/', second: {url: 'rtsp://h/2', wall: second}}]\n",
        "wall: second needs analyse: true",
    ),
    "same id twice": ("cameras: [{id: a, url: 'rtsp://h/'}, {id: a, url: 'rtsp://h/2'}]\n", "twice"),
    "a python object": ("name: !!python/object/apply:os.system ['true']\n", "is not YAML"),
}


@pytest.mark.parametrize(("text", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_file_gives_one_sentence_that_names_the_place(text: str | bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_site_yaml(path)
    message = str(caught.value)
    assert words in message and "site.yaml" in message and "\n" not in message
    assert "Value error" not in message and "byte string" not in message
    assert "hunter2" not in message and "pw-of-mine" not in message


def test_huge_file_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_bytes(b"#" * (1 << 21))
    with pytest.raises(ConfigError, match="at most"):
        load_site_yaml(tmp_path / "site.yaml")


def test_empty_file_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").touch()
    config = load_site_yaml(tmp_path / "site.yaml")
    assert config.server == SiteConfig().server
    assert config.server.host == "127.0.0.1"
    assert "name" not in config.model_fields_set


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("data_dir: here/data\nmodels_dir: ../m\n")
    config = load_site_yaml(tmp_path / "site.yaml")
    assert config.data_dir == tmp_path / "here" / "data"
    assert config.models_dir == tmp_path.parent / "m"


def test_effective_configuration_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "name: Gate\ndata_dir: .\ncameras: [{id: gate, url: 'rtsp://h/1', password: 'env:PW', username: me}]\n"
    )
    config = load_site_yaml(tmp_path / "site.yaml")
    write_effective(config, tmp_path / "effective.json")
    assert load_effective(tmp_path) == config


@pytest.mark.parametrize("content", [None, b"{", b"\xff", b'{"colour": 1}'])
def test_effective_configuration_that_is_damaged_names_its_file(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "effective.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"effective\.json"):
        load_effective(tmp_path)


def test_retention_is_three_days_unless_said_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("cameras: [{id: a, url: 'rtsp://h/'}, {id: b, url: 'rtsp://h/', retention_h: 0.5}]")
    config = load_site_yaml(path)
    assert (config.retention.max_age_h, config.retention.max_gb) == (72.0, None)
    assert [camera.spec().retention_h for camera in config.cameras] == [0.0, 0.5]
    path.write_text("retention: {max_age_h: 24, max_gb: 1.5}")
    config = load_site_yaml(path)
    write_effective(config, tmp_path / "effective.json")
    assert load_effective(tmp_path).retention == config.retention
    assert (config.retention.max_age_h, config.retention.max_gb) == (24.0, 1.5)


def area_yaml(polygon: str, classes: str = "[car]") -> str:
    return f"""
cameras:
  - id: gate
    url: file:///clip.mp4
    detect:
      zones:
        - polygon: {polygon}
          classes: {classes}
      masks:
        - polygon: [[0, 0], [1, 0], [1, 1]]
"""


def test_zones_and_masks_when_written_reach_the_camera(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(area_yaml("[[0, 0], [0.5, 0], [0.5, 1]]"))
    zone, mask = load_site_yaml(path).cameras[0].spec().detect_areas
    assert (zone.polygon, zone.classes, zone.is_mask) == (((0, 0), (0.5, 0), (0.5, 1)), (ObjectClass.CAR,), False)
    assert (mask.classes, mask.is_mask) == ((), True)


@pytest.mark.parametrize(
    ("polygon", "classes"),
    [("[[0, 0], [1, 1]]", "[car]"), ("[[0, 0], [2, 0], [1, 1]]", "[car]"), ("[[0, 0], [1, 0], [1, 1]]", "[face]"),
     (f"{[[0, 0]] * 65}", "[car]")],
    ids=["two corners", "outside the picture", "no such class", "too many corners"],
)  # fmt: skip
def test_an_area_when_it_is_none_then_the_field_is_named(tmp_path: Path, polygon: str, classes: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(area_yaml(polygon, classes))
    with pytest.raises(ConfigError, match=r"cameras\.0\.detect\.zones\.0"):
        load_site_yaml(path)


def test_second_stream_when_written_in_yaml_is_the_cameras(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        "cameras: [{id: gate, url: 'rtsp://h/1', privacy: [{polygon: [[0, 0], [1, 0], [1, 1]]}],"
        " second: {url: 'rtsp://h/2', retention_h: 720, analyse: true, same_view: true, wall: second}}]\n"
    )
    spec = load_site_yaml(path).cameras[0].spec()
    assert spec.second is not None and spec.second.wall is WallStream.SECOND
    first, second = spec.streams()
    assert (second.camera_id, second.url, second.retention_h) == ("gate.second", "rtsp://h/2", 720.0)
    assert second.is_analysed
    assert second.scene.privacy == first.scene.privacy != ()


def test_recorders_when_several_have_names_and_groups_name_only_those() -> None:
    assert SiteConfig().recorder.names == ("recorder",)
    group = {"cameras": ["gate-*"], "recorders": ["recorder-2"]}
    several = SiteConfig.model_validate({"recorder": {"processes": 2, "groups": [group]}})
    assert several.recorder.names == ("recorder", "recorder-2")
    with pytest.raises(ValueError, match="recorder-2"):
        SiteConfig.model_validate({"recorder": {"groups": [group]}})
