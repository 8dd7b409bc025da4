"""Manifests from anywhere: what is refused, and in which words."""

import dataclasses
import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.detect.manifest import (
    MAX_MANIFEST_BYTES,
    check_licence,
    model_digest,
    read_files,
    read_manifest,
    write_manifest,
)
from custodes.errors import ModelRefused
from custodes.testing.models import manifest_of
from custodes.types.model import ModelFile, ModelManifest
from custodes.types.vision import ModelTask


def as_json(**changes: object) -> bytes:
    fields = json.loads(msgspec.json.encode(manifest_of()))
    for key, value in changes.items():
        target = fields
        *path, last = key.split("__")
        for part in path:
            target = target[part]
        target[last] = value
    return json.dumps(fields).encode()


def test_manifest_when_written_then_it_reads_back() -> None:
    manifest = manifest_of()
    assert read_manifest(write_manifest(manifest), origin="test") == manifest


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "age"}, "allow-list"),
        ({"task": "emotion"}, "allow-list"),
        ({"task": "gender"}, "allow-list"),
        ({"manifest_version": 2}, "version 2"),
        ({"name": "../up"}, "name"),
        ({"name": "x\n"}, "name"),
        ({"files": [{"name": "../../etc/passwd", "sha256": "0" * 64}]}, "plain file name"),
        ({"files": [{"name": "/etc/passwd", "sha256": "0" * 64}]}, "plain file name"),
        ({"files": [{"name": "m.onnx", "sha256": "0" * 63}]}, "sha256"),
        ({"files": []}, "0 files"),
        ({"format": "openvino"}, "1 files"),
        ({"format": "pickle"}, "pickle"),
        ({"licence": " "}, "licence"),
        ({"training_data": ""}, "provenance"),
        ({"input__width_px": 10**9}, "pixels a side"),
        ({"input__width_px": 65}, "multiple of its stride"),
        ({"input__stride_px": 0}, "stride"),
        ({"input__std": [1, 0, 1]}, "std"),
        ({"output__names": []}, "outputs"),
        ({"output__names": ["a", "b"]}, "do not fit"),
        ({"output__kind": "vector", "output__dimension": 128}, "cannot be read"),
        ({"task": "face-embed"}, "cannot be read"),
        ({"classes": []}, "0 classes"),
        ({"classes": [{"index": -1, "object_class": 0}]}, "index"),
        ({"classes": [{"index": 0, "object_class": 0}, {"index": 0, "object_class": 1}]}, "twice"),
        ({"classes": [{"index": 0, "object_class": 6}]}, "class face"),
        ({"classes": [{"index": 0, "object_class": 77}]}, "77"),
        ({"classes": [{"index": 0, "object_class": 0, "calibration": [[0.5, 0.5], [0.4, 0.6]]}]}, "calibration"),
        ({"classes": [{"index": 0, "object_class": 0, "calibration": [[1.0, 0.5]]}]}, "calibration"),
        ({"task": "face-detect"}, "class face"),
        ({"floor": 1.5}, "floor"),
        ({"nms_iou": -1}, "nms_iou"),
        ({"is_commercial": "yes"}, "is_commercial"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_manifest_when_one_thing_is_wrong_then_it_is_refused_in_words(changes: dict, words: str) -> None:
    with pytest.raises(ModelRefused, match=words):
        read_manifest(as_json(**changes), origin="test")


@pytest.mark.parametrize("missing", [f.name for f in dataclasses.fields(ModelManifest)])
def test_manifest_when_a_field_is_missing_then_it_is_refused(missing: str) -> None:
    fields = json.loads(as_json())
    del fields[missing]
    with pytest.raises(ModelRefused, match=missing):
        read_manifest(json.dumps(fields).encode(), origin="test")


def test_manifest_when_too_large_then_it_is_not_even_parsed() -> None:
    with pytest.raises(ModelRefused, match="bytes"):
        read_manifest(b" " * (MAX_MANIFEST_BYTES + 1), origin="test")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | st.just(b"[" * 5000))
def test_manifest_when_random_bytes_then_refused_and_nothing_else(content: bytes) -> None:
    with pytest.raises(ModelRefused):
        read_manifest(content, origin="test")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5
    ),
    st.sampled_from([f.name for f in dataclasses.fields(ModelManifest)]),
)
def test_manifest_when_a_field_is_anything_then_it_reads_or_is_refused(value: object, field: str) -> None:
    try:
        manifest = read_manifest(as_json(**{field: value}), origin="test")
    except ModelRefused:
        return
    assert math.isfinite(manifest.floor)
    assert manifest.task in ModelTask


def test_files_when_one_byte_differs_then_refused(tmp_path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"weights")
    digest = "7ef2e9dbb3b8db1fb2f1ee5f5f1b1d3b" + "0" * 32
    with pytest.raises(ModelRefused, match="sha256"):
        read_files(manifest_of(files=(ModelFile(name="m.onnx", sha256=digest),)), tmp_path)


def test_files_when_missing_then_refused(tmp_path) -> None:
    with pytest.raises(ModelRefused, match="cannot be read"):
        read_files(manifest_of(), tmp_path)


def test_licence_when_not_commercial_then_only_the_acknowledged_name_passes() -> None:
    manifest = manifest_of(is_commercial=False)
    with pytest.raises(ModelRefused, match="CUSTODES_ACKNOWLEDGE_NONCOMMERCIAL"):
        check_licence(manifest, frozenset({"another"}))
    check_licence(manifest, frozenset({"made-up"}))


def test_digest_when_two_files_then_either_changes_it() -> None:
    def digest(*digests: str) -> str:
        return model_digest(manifest_of(files=tuple(ModelFile(name="a", sha256=item) for item in digests)))

    assert len({digest("0" * 64), digest("0" * 64, "1" * 64), digest("0" * 64, "2" * 64)}) == 3
