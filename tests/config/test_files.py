import os
from pathlib import Path

import pytest

from custodes.config import Assignment, SiteIdentity, SitePaths, read_assignment, read_identity, write_assignment
from custodes.config.identity import write_identity
from custodes.errors import ConfigError, SiteMismatch
from custodes.types.message import CameraSpec
from custodes.units import CameraId, Ns

CAMERA = CameraSpec(
    camera_id=CameraId("gate"),
    name="Gate",
    url="rtsp://h/1",
    username="me",
    password_ref="env:PW",
    transport="tcp",
    is_enabled=True,
    is_looped=False,
)


def test_assignment_is_read_back_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "assignment.json"
    assert read_assignment(path) == Assignment(version=0, cameras=())
    for version in (1, 2):
        write_assignment(path, Assignment(version=version, cameras=(CAMERA,) * version))
        assert read_assignment(path) == Assignment(version=version, cameras=(CAMERA,) * version)
    assert [entry.name for entry in tmp_path.iterdir()] == ["assignment.json"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"version": 1}', b'{"version": "x", "cameras": []}'])
def test_assignment_that_is_damaged_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "assignment.json").write_bytes(content)
    with pytest.raises(ConfigError, match="assignment"):
        read_assignment(tmp_path / "assignment.json")


def test_identity_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "site.json"
    first = SiteIdentity(site_id="a" * 16, name="Gate", created_ns=Ns(1))
    write_identity(path, first)
    with pytest.raises(FileExistsError):
        write_identity(path, SiteIdentity(site_id="b" * 16, name="Other", created_ns=Ns(2)))
    assert read_identity(path) == first
    assert [entry.name for entry in tmp_path.iterdir()] == ["site.json"]


def test_identity_without_an_id_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site.json").write_text('{"site_id": "", "name": "x", "created_ns": 1}')
    with pytest.raises(SiteMismatch):
        read_identity(tmp_path / "site.json")


def test_socket_paths_fit_however_deep_the_data_directory_lies(tmp_path: Path) -> None:
    for depth in (0, 3, 30):
        data_dir = tmp_path.joinpath(*["deeper"] * depth)
        for name in ("warden-server", "server-control", "hub-analysis"):
            assert len(os.fsencode(SitePaths(data_dir).socket(name))) <= 107
    assert SitePaths(tmp_path / ("x" * 90)).run_dir != SitePaths(tmp_path / ("y" * 90)).run_dir
