"""`custodes check` and `custodes export-native` as a person calls them, on a stopped site."""

import json
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

import custodes_verify
from custodes.cli.main import run
from custodes.config import SitePaths
from custodes.runtime.data_dir import stopped_site
from custodes.sealing.published import PinnedKeys, write_pinned
from custodes.testing.camera import START_NS, write_clip
from custodes.testing.recorder import SITE_ID, RecorderSite, record_clip
from custodes.units import CameraId

CAM = CameraId("cam")
DATA_LOSS, ALREADY, NOT_FOUND = 11, 4, 3


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RecorderSite:
    folder = tmp_path_factory.mktemp("check")
    site = RecorderSite(folder / "site")
    site.create()
    site.publish(CAM, START_NS)
    record_clip(site, CAM, write_clip(folder / "a.mp4", frames=80, gop=10, fps=10), segment_s=2)
    key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    pinned = PinnedKeys(
        site_id=SITE_ID,
        site_key=key,
        log_origin="custodes.test/log",
        log_key=key,
        log_mldsa_key=MLDSA44PrivateKey.generate().public_key().public_bytes_raw(),
    )
    site.paths.warden_key.unlink()
    write_pinned(site.paths.warden_key, pinned)
    return site


@pytest.fixture
def data(recorded: RecorderSite, tmp_path: Path) -> Path:
    shutil.copytree(recorded.data_dir, tmp_path / "site")
    return tmp_path / "site"


def first(data: Path) -> Path:
    return sorted(data.glob("segments/*/*/*.seg"))[0]


def test_check_when_good_then_zero_and_when_damaged_then_data_loss(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", "--hash", "--data", str(data)]) == 0
    assert capsys.readouterr().out.startswith("good: ")
    first(data).unlink()
    assert run(["check", "--presence", "--json", "--data", str(data)]) == DATA_LOSS
    tree = json.loads(capsys.readouterr().out)
    assert [one["finding"] for one in tree["found"]] == ["missing"]


def test_check_repair_when_a_tail_is_torn_then_mended_once(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with first(data).open("ab") as stream:
        stream.write(b"torn")
    assert run(["check", "--data", str(data)]) == DATA_LOSS
    assert run(["check", "--repair", "--data", str(data)]) == 0
    assert "mended" in capsys.readouterr().out
    assert run(["check", "--hash", "--data", str(data)]) == 0


def test_check_repair_when_the_site_runs_then_refused(data: Path) -> None:
    with stopped_site(SitePaths(data)):
        assert run(["check", "--data", str(data)]) == 0
        assert run(["check", "--repair", "--data", str(data)]) == ALREADY


def test_export_native_when_checked_then_byte_exact_and_complete(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copy"
    assert run(["export-native", str(folder), "--data", str(data)]) == 0
    for file in data.glob("segments/*/*/*.seg"):
        assert (folder / file.relative_to(data)).read_bytes() == file.read_bytes()
    assert run(["export-native", str(folder), "--check", "--data", str(data)]) == 0
    assert "nothing that the site still has" in capsys.readouterr().out
    assert run(["export-native", str(folder), "--data", str(data)]) == ALREADY
    assert run(["export-native", str(tmp_path / "none"), "--camera", "other", "--data", str(data)]) == NOT_FOUND
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("damage", ["byte", "lost", "added", "link", "list"])
def test_native_export_when_changed_then_it_does_not_verify(data: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "copy"
    assert run(["export-native", str(folder), "--data", str(data)]) == 0
    policy = custodes_verify.parse_policy((folder / "log/policy").read_text())
    assert custodes_verify.verify_native(folder, policy)
    file = first(folder)
    content = file.read_bytes()
    match damage:
        case "byte":
            file.write_bytes(content[:-50] + bytes([content[-50] ^ 1]) + content[-49:])
        case "lost":
            file.unlink()
        case "added":
            (folder / "more.txt").write_text("x")
        case "link":
            file.unlink()
            file.symlink_to(first(data))
        case "list":
            manifest = (folder / "manifest.json").read_text()
            root = json.loads(manifest)["segments"][0]["root"]
            (folder / "manifest.json").write_text(manifest.replace(root, "00" * 32))
    with pytest.raises(custodes_verify.Wrong):
        custodes_verify.verify_native(folder, policy)
    assert run(["export-native", str(folder), "--check", "--data", str(data)]) == DATA_LOSS


def test_native_export_when_the_site_has_more_then_the_reverse_check_says_so(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    assert run(["export-native", str(folder), "--data", str(data)]) == 0
    manifest = json.loads((folder / "manifest.json").read_text())
    gone = manifest["segments"].pop()
    manifest["files"].pop(gone["file"])
    (folder / gone["file"]).unlink()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert run(["export-native", str(folder), "--check", "--data", str(data)]) == DATA_LOSS


def test_native_export_when_a_segment_is_not_as_sealed_then_nothing_is_left_behind(data: Path, tmp_path: Path) -> None:
    with first(data).open("ab") as stream:
        stream.write(b"torn")
    assert run(["export-native", str(tmp_path / "copy"), "--data", str(data)]) == DATA_LOSS
    assert not (tmp_path / "copy").exists()
