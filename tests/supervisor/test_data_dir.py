import os
from pathlib import Path

import pytest

from custodes.config import SiteConfig, SitePaths, load_effective, read_identity
from custodes.errors import AlreadyExists, CustodesError, FailedPrecondition, SiteMismatch
from custodes.runtime.data_dir import OpenSite, make_run_dir, open_data_dir, read_generation, running_pid
from custodes.runtime.running import register, running_sites, unregister
from custodes.testing.clock import ManualClock
from custodes.units import NS_PER_S


def _open(data_dir: Path, site_id: str = "0123456789abcdef", **fields: object) -> OpenSite:
    config = SiteConfig.model_validate({"data_dir": data_dir, **fields})
    return open_data_dir(config, clock=ManualClock(), new_site_id=lambda: site_id)


def test_identity_is_written_once_when_the_directory_is_new(tmp_path: Path) -> None:
    data_dir = tmp_path / "site"
    with _open(data_dir, name="Gate") as site:
        assert site.identity.name == "Gate"
        assert load_effective(data_dir).name == "Gate"
        assert data_dir.stat().st_mode & 0o777 == 0o700
    with _open(data_dir, site_id="f" * 16) as site:
        assert site.identity.site_id == "0123456789abcdef"
        assert site.config.name == "Gate"


def test_second_start_is_refused_when_a_site_runs(tmp_path: Path) -> None:
    with _open(tmp_path / "site") as site:
        with pytest.raises(AlreadyExists, match=rf"process {os.getpid()}"):
            _open(tmp_path / "site")
        assert running_pid(site.paths.data_dir) == os.getpid()
    assert running_pid(tmp_path / "site") is None
    _open(tmp_path / "site").close()


def test_generation_grows_with_each_that_takes_the_site_over(tmp_path: Path) -> None:
    with _open(tmp_path / "site") as first:
        with pytest.raises(AlreadyExists):
            _open(tmp_path / "site")
        assert read_generation(first.paths) == first.generation, "who was refused took nothing over"
    with _open(tmp_path / "site") as second:
        assert second.generation == read_generation(second.paths) == first.generation + 1


@pytest.mark.parametrize("broken", [b"", b"x", b"-1", b"9" * 18, b"\xff"])
def test_generation_when_lost_or_damaged_goes_on_from_the_clock(tmp_path: Path, broken: bytes) -> None:
    with _open(tmp_path / "site") as first:
        pass
    first.paths.generation.write_bytes(broken)
    with _open(tmp_path / "site") as second:
        assert second.generation == first.generation == ManualClock().now_ns() // NS_PER_S
    first.paths.generation.unlink()
    _open(tmp_path / "site").close()


def _stranger(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o700)
    (data_dir / "thesis.odt").touch()


def _other_kind(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o700)
    (data_dir / "site.json").write_text('{"kind": "hugo", "site_id": "x", "name": "blog", "created_ns": 1}')


def _not_json(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o700)
    (data_dir / "site.json").write_bytes(b"\x00\xff")


def _newer(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o700)
    (data_dir / "site.json").write_text('{"site_id": "x", "name": "My site", "created_ns": 1, "format": 2}')


def _other_site(data_dir: Path) -> None:
    _open(data_dir, name="Somebody else's").close()


@pytest.mark.parametrize("prepare", [_stranger, _other_kind, _not_json, _newer, _other_site])
def test_directory_is_refused_and_left_alone_when_it_is_not_this_sites(prepare, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    data_dir = tmp_path / "site"
    prepare(data_dir)
    before = {path.name: path.read_bytes() for path in data_dir.iterdir() if path.is_file()}
    with pytest.raises(SiteMismatch, match=str(data_dir)):
        _open(data_dir, name="Gate")
    assert before == {path.name: path.read_bytes() for path in data_dir.iterdir() if path.is_file()}


def test_directory_is_refused_when_it_is_open_to_others(tmp_path: Path) -> None:
    _open(tmp_path / "site").close()
    (tmp_path / "site").chmod(0o755)
    with pytest.raises(FailedPrecondition, match="chmod 700"):
        _open(tmp_path / "site")


def test_directory_is_refused_when_it_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "site").touch()
    with pytest.raises(CustodesError, match="is a file"):
        _open(tmp_path / "site")


def test_run_dir_is_refused_when_it_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FailedPrecondition, match="link"):
        make_run_dir(tmp_path / "run")


def test_start_goes_on_when_power_was_cut_while_the_identity_was_written(tmp_path: Path) -> None:
    data_dir = tmp_path / "site"
    data_dir.mkdir(mode=0o700)
    (data_dir / ".site.json.123").write_bytes(b'{"site_')
    with _open(data_dir):
        assert read_identity(SitePaths(data_dir).identity) is not None


def test_running_sites_lists_only_those_whose_lock_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with _open(tmp_path / "a"):
        register(tmp_path / "a")
        register(tmp_path / "gone")
        assert running_sites() == [tmp_path / "a"]
        unregister(tmp_path / "a")
        assert running_sites() == []
