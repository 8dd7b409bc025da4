"""OpenVINO IR through the same door; OpenVINO may be missing."""

import dataclasses
import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

import custodes_models
from custodes.adapters.model import find_model, load_detector, open_session
from custodes.adapters.model.catalogue import load_manifest
from custodes.detect.manifest import MANIFEST_SUFFIX, write_manifest
from custodes.errors import ModelRefused
from custodes.testing.models import check_detector, check_session
from custodes.types.model import ModelFile, ModelFormat
from custodes.types.vision import ModelTask

NAME = "centernet-mobilenetv3"


@pytest.fixture(scope="module")
def ir_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged detector as IR."""
    openvino = pytest.importorskip("openvino", reason="OpenVINO is an optional dependency")
    folder = tmp_path_factory.mktemp("ir")
    weights = custodes_models.weights_folder()
    openvino.save_model(
        openvino.Core().read_model(weights / f"{NAME}.onnx"), folder / "ir.xml", compress_to_fp16=False
    )
    files = tuple(
        ModelFile(name=name, sha256=hashlib.sha256((folder / name).read_bytes()).hexdigest())
        for name in ("ir.xml", "ir.bin")
    )
    manifest = load_manifest(weights / f"{NAME}{MANIFEST_SUFFIX}")
    manifest = dataclasses.replace(manifest, name="ir", format=ModelFormat.OPENVINO, files=files)
    (folder / f"ir{MANIFEST_SUFFIX}").write_bytes(write_manifest(manifest))
    return folder


def test_openvino_session_when_run_then_it_agrees_with_onnx_runtime(ir_folder: Path) -> None:
    sessions = [
        open_session(
            find_model(models_dir=ir_folder, name=name, task=ModelTask.DETECT), threads=1, acknowledged=frozenset()
        )
        for name in ("ir", NAME)
    ]
    picture = np.random.default_rng(1).integers(0, 256, (1, 64, 96, 3)).astype(np.float32)
    check_session(sessions[0], {"tower_0/images": picture})
    first, second = (session.run({"tower_0/images": picture}) for session in sessions)
    np.testing.assert_allclose(first["tower_0/keypoints"], second["tower_0/keypoints"], rtol=0.02, atol=0.01)


def test_openvino_detector_when_run_then_it_keeps_the_contract(ir_folder: Path) -> None:
    check_detector(load_detector(models_dir=ir_folder, name="ir", threads=1, floor=0.01))


def test_openvino_when_the_weights_file_is_changed_then_refused(ir_folder: Path, tmp_path: Path) -> None:
    for path in ir_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "ir.bin").write_bytes(b"\0" + (ir_folder / "ir.bin").read_bytes()[1:] + b"\0")
    with pytest.raises(ModelRefused, match=r"ir\.bin"):
        load_detector(models_dir=tmp_path, name="ir", threads=1)


def test_openvino_when_not_installed_then_it_is_said(ir_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelRefused, match=r"custodes\[openvino\]"):
        load_detector(models_dir=ir_folder, name="ir", threads=1)
