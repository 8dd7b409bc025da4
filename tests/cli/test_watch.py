from pathlib import Path

import pytest

from custodes.cli.watch import camera_id_of, source_camera


def test_password_goes_into_a_private_file_when_the_url_carries_one(tmp_path: Path) -> None:
    camera = source_camera("rtsp://admin:p%40ss@192.0.2.7:554/Streaming/101?x=1", tmp_path)
    assert camera.url == "rtsp://192.0.2.7:554/Streaming/101?x=1"
    assert camera.username == "admin"
    secret = Path(camera.password.removeprefix("file:"))
    assert secret.read_text() == "p@ss"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert "p@ss" not in camera.model_dump_json() and "p%40ss" not in camera.model_dump_json()


def test_file_is_played_in_a_loop(tmp_path: Path) -> None:
    clip = tmp_path / "My Clip (1).mp4"
    clip.write_bytes(b"x")
    camera = source_camera(str(clip), tmp_path)
    assert (camera.id, camera.loop, camera.url) == ("my-clip-1", True, clip.as_uri())


@pytest.mark.parametrize(("text", "expected"), [("Übergang", "bergang"), ("---", "camera"), ("a" * 99, "a" * 63)])
def test_camera_id_is_always_valid(text: str, expected: str) -> None:
    assert camera_id_of(text) == expected
