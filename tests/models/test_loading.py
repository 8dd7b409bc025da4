"""Catalogue, loading, running: the packaged weights, and folders that are not as they should be."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import custodes_models
from custodes.adapters.model import catalogue, find_model, load_detector, open_session, scan
from custodes.adapters.model.pull import pull_folder, pull_url
from custodes.detect.decode import DETECTING
from custodes.detect.manifest import MANIFEST_SUFFIX, read_manifest, write_manifest
from custodes.errors import InvalidArgument, MediaError, ModelRefused
from custodes.testing.models import check_detector, check_session
from custodes.types.vision import ModelTask, ObjectClass

PACKAGED = custodes_models.weights_folder()
DETECTORS = [item.name for item in catalogue(None) if item.output.kind in DETECTING]


def task_of(name: str) -> ModelTask:
    return next(item.task for item in catalogue(None) if item.name == name)


def copy_model(name: str, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for suffix in (".onnx", MANIFEST_SUFFIX):
        shutil.copyfile(PACKAGED / f"{name}{suffix}", folder / f"{name}{suffix}")
    return folder


@pytest.mark.parametrize("name", DETECTORS)
def test_packaged_detector_when_loaded_then_it_keeps_the_contract(name: str) -> None:
    check_detector(load_detector(models_dir=None, name=name, threads=1, task=task_of(name), floor=0.01))


def test_onnx_session_when_run_then_it_keeps_the_contract() -> None:
    entry = find_model(models_dir=None, name="nanodet-g", task=ModelTask.DETECT)
    picture = np.random.default_rng(5).normal(size=(1, 3, 64, 96)).astype(np.float32)
    check_session(open_session(entry, threads=1, acknowledged=frozenset()), {"input_1": picture})


def test_onnx_session_when_the_input_has_another_shape_then_media_error() -> None:
    entry = find_model(models_dir=None, name="nanodet-g", task=ModelTask.DETECT)
    session = open_session(entry, threads=1, acknowledged=frozenset())
    with pytest.raises(MediaError, match="nanodet-g"):
        session.run({"input_1": np.zeros((1, 5), np.float32)})


def test_default_detector_when_asked_for_then_people_and_vehicles_are_among_its_classes() -> None:
    manifest = find_model(models_dir=None, name=None, task=ModelTask.DETECT).manifest
    assert {ObjectClass.PERSON, ObjectClass.CAR, ObjectClass.BUS, ObjectClass.TRUCK} <= {
        item.object_class for item in manifest.classes
    }


def test_detector_when_the_picture_was_scaled_before_then_the_boxes_are_the_same() -> None:
    detector = load_detector(models_dir=None, name=None, threads=1, floor=0.01)
    from custodes.detect.picture import resize

    picture = np.random.default_rng(2).integers(0, 256, (60, 90, 3), dtype=np.uint8).repeat(6, 0).repeat(6, 1)
    width, height = detector.input_size_px(540, 360)
    small = np.rint(resize(picture, width, height)).astype(np.uint8)
    assert detector.input_size_px(width, height) == (width, height)
    direct, scaled = detector.detect([picture, small])
    best = min(len(direct.scores), len(scaled.scores), 3)
    ratio = np.array([540 / width, 360 / height] * 2)
    np.testing.assert_allclose(direct.boxes_px[:best], scaled.boxes_px[:best] * ratio, atol=6)


@pytest.mark.parametrize(
    "picture",
    [np.zeros((15, 40, 3), np.uint8), np.zeros((40, 40), np.uint8), np.zeros((40, 40, 3), np.float32)],
    ids=["too small", "grey", "float"],
)
def test_detector_when_not_a_picture_then_invalid_argument(picture: np.ndarray) -> None:
    detector = load_detector(models_dir=None, name="centernet-mobilenetv3", threads=1)
    with pytest.raises(InvalidArgument):
        detector.detect([picture])


def test_load_when_a_byte_of_the_weights_is_changed_then_refused(tmp_path: Path) -> None:
    folder = copy_model("centernet-mobilenetv3", tmp_path / "m")
    path = folder / "centernet-mobilenetv3.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelRefused, match="its manifest says"):
        load_detector(models_dir=folder, name="centernet-mobilenetv3", threads=1)


def test_load_when_not_onnx_at_all_then_refused(tmp_path: Path) -> None:
    import hashlib

    folder = copy_model("centernet-mobilenetv3", tmp_path / "m")
    (folder / "centernet-mobilenetv3.onnx").write_bytes(b"not a model")
    path = folder / f"centernet-mobilenetv3{MANIFEST_SUFFIX}"
    fields = json.loads(path.read_text())
    fields["files"][0]["sha256"] = hashlib.sha256(b"not a model").hexdigest()
    path.write_text(json.dumps(fields))
    with pytest.raises(ModelRefused, match="not a model that ONNX Runtime can run"):
        load_detector(models_dir=folder, name="centernet-mobilenetv3", threads=1)


def test_load_when_non_commercial_then_only_with_acknowledgement(tmp_path: Path) -> None:
    folder = copy_model("centernet-mobilenetv3", tmp_path / "m")
    path = folder / f"centernet-mobilenetv3{MANIFEST_SUFFIX}"
    manifest = read_manifest(path.read_bytes(), origin="test")
    path.write_bytes(write_manifest(dataclasses.replace(manifest, is_commercial=False, name="theirs")))
    with pytest.raises(ModelRefused, match="commercially"):
        load_detector(models_dir=folder, name="theirs", threads=1)
    loaded = load_detector(models_dir=folder, name="theirs", threads=1, acknowledged=frozenset({"theirs"}))
    assert loaded.ref.name == "theirs"


@pytest.mark.parametrize("name", ["nobody", "centerface"], ids=["unknown", "another task"])
def test_load_when_the_name_does_not_fit_then_refused(name: str) -> None:
    with pytest.raises(ModelRefused, match=name):
        load_detector(models_dir=None, name=name, threads=1)


def test_load_when_threads_are_absurd_then_invalid_argument() -> None:
    with pytest.raises(InvalidArgument, match="threads"):
        load_detector(models_dir=None, name=None, threads=0)


def test_scan_when_a_file_has_no_manifest_then_it_is_listed_as_refused(tmp_path: Path) -> None:
    (tmp_path / "mystery.onnx").write_bytes(b"x")
    (tmp_path / f"broken{MANIFEST_SUFFIX}").write_text("{")
    (tmp_path / "readme.txt").write_text("x")
    entries, refused = scan(tmp_path)
    assert {item.path.name for item in refused} == {"mystery.onnx", f"broken{MANIFEST_SUFFIX}"}
    assert all(item.is_packaged for item in entries)


def test_scan_when_a_file_has_only_the_name_of_a_known_one_then_refused(tmp_path: Path) -> None:
    (tmp_path / "FastestDet.onnx").write_bytes(b"an impostor")
    _, refused = scan(tmp_path)
    assert [item.path.name for item in refused] == ["FastestDet.onnx"]


def test_scan_when_the_folder_is_missing_then_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="does not exist"):
        scan(tmp_path / "nowhere")


@pytest.mark.parametrize("path", sorted(custodes_models.known_folder().iterdir()), ids=lambda path: path.name)
def test_known_manifest_when_read_then_it_is_valid(path: Path) -> None:
    manifest = read_manifest(path.read_bytes(), origin=path.name)
    assert path.name == f"{manifest.name}{MANIFEST_SUFFIX}"


def test_pull_when_one_of_two_is_damaged_then_the_other_is_copied(tmp_path: Path) -> None:
    source = copy_model("centernet-mobilenetv3", copy_model("centerface", tmp_path / "s"))
    (source / "centerface.onnx").write_bytes(b"damaged")
    copied, refused = pull_folder(source, tmp_path / "t")
    assert [item.name for item in copied] == ["centernet-mobilenetv3"]
    assert [item.path.name for item in refused] == ["centerface.onnx"]
    assert {path.name for path in (tmp_path / "t").iterdir()} == {
        "centernet-mobilenetv3.onnx", f"centernet-mobilenetv3{MANIFEST_SUFFIX}"}  # fmt: skip


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://example.org/a.manifest.json", "ftp://x/y"])
def test_pull_when_not_https_then_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="https"):
        pull_url(url, tmp_path)
