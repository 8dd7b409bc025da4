"""Checkpoint files: whole or not there, bounded, never in the way."""

from custodes.app.checkpoints import MAX_BYTES, Checkpoints
from custodes.units import CameraId

A = CameraId("a")


def test_what_was_written_is_read_and_an_empty_state_removes_it(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.read(A) == b""
    checkpoints.write(A, b"one")
    checkpoints.write(A, b"two")
    assert Checkpoints(tmp_path).read(A) == b"two"
    checkpoints.write(A, b"")
    checkpoints.write(A, b"")
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_large_is_none_of_ours(tmp_path):
    Checkpoints(tmp_path).write(A, bytes(MAX_BYTES + 1))
    assert Checkpoints(tmp_path).read(A) == b""


def test_a_folder_that_is_gone_costs_nothing_else(tmp_path):
    checkpoints = Checkpoints(tmp_path / "nowhere")
    checkpoints.write(A, b"x")
    checkpoints.write(A, b"")
    assert checkpoints.read(A) == b""


def test_tracks_and_what_was_learnt_lie_beside_each_other(tmp_path):
    tracks, learnt = Checkpoints(tmp_path), Checkpoints(tmp_path, "gate")
    tracks.write(A, b"one")
    learnt.write(A, b"two")
    tracks.write(A, b"")
    assert (tracks.read(A), learnt.read(A)) == (b"", b"two")
