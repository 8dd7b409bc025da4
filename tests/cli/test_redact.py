"""`custodes redact` as a person calls it: a film in, a film out, and what bad input is told."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from custodes.cli.main import run
from custodes.media.film import FilmReader

INVALID, ALREADY = 2, 4
FRAMES = 8


def write_film(path: Path, *, frames: int = FRAMES, size: tuple[int, int] = (160, 96), sound: bool = True) -> Path:
    """Grey noise with a bright square that moves; a title, and a second of tone."""
    with av.open(str(path), "w") as out:
        out.metadata["title"] = "somebody's holiday"
        out.metadata["location"] = "+48.2082+016.3738/"
        video = out.add_stream("libx264", rate=10)
        video.width, video.height = size
        video.gop_size = 2
        audio = out.add_stream("aac", rate=16000) if sound else None
        noise = np.random.default_rng(1).integers(60, 120, (size[1], size[0], 3)).astype(np.uint8)
        for number in range(frames):
            picture = noise.copy()
            picture[30:50, 10 * number : 10 * number + 20] = 230
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode(None))
        if audio is not None:
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
            tone.sample_rate = 16000
            out.mux(audio.encode(tone))
            out.mux(audio.encode(None))
    return path


def frames_of(path: Path) -> list[np.ndarray]:
    with FilmReader(path) as reader:
        return [frame.y.copy() for frame in reader.frames()]


def test_redact_when_a_film_then_pictures_alone_are_left_with_their_zone_covered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = write_film(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    corrections = tmp_path / "corrections.json"
    corrections.write_text(json.dumps({"cover": [{"from_s": 0.35, "until_s": 9, "box": [0.0, 0.5, 0.5, 1.0]}]}))
    arguments = ["redact", str(source), str(target), "--zone", "0.5,0,1,0.5", "--corrections", str(corrections)]
    assert run([*arguments, "--review", "--report", "-", "--threads", "1"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report)[1] == "uncertain" and report["frames"] == FRAMES and report["audio"] == "removed"
    with av.open(str(target)) as film:
        assert [stream.type for stream in film.streams] == ["video"]
        assert not {"title", "location", "encoder"} & set(film.metadata)
    assert b"x264" not in target.read_bytes()
    before, after = frames_of(source), frames_of(target)
    assert len(after) == FRAMES
    for number, picture in enumerate(after):
        assert picture[4:44, 84:156].max() < 60  # the zone, at every moment
        assert (picture[52:92, 4:76].max() < 60) == (number >= 4)  # the correction, from its time on
    assert abs(after[0][60:90, 90:150].astype(int) - before[0][60:90, 90:150]).mean() < 15
    page = (tmp_path / "out.mp4.review.html").read_text()
    assert '"film": "out.mp4"' in page and "/*CONTENT*/" not in page
    assert not list(tmp_path.glob("*.part"))
    assert run([*arguments, "--threads", "1"]) == ALREADY


def test_redact_when_the_film_ends_in_the_middle_then_what_is_there_is_covered(tmp_path: Path) -> None:
    whole = write_film(tmp_path / "in.mkv", frames=20, sound=False).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    target = tmp_path / "out.mp4"
    assert run(["redact", str(cut), str(target), "--level", "frame", "--threads", "1"]) == 0
    pictures = frames_of(target)
    assert pictures and all(picture.max() < 60 for picture in pictures)


def test_redact_when_an_mp4_was_cut_before_its_index_then_that_is_said_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = write_film(tmp_path / "in.mp4", sound=False).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])
    assert run(["redact", str(cut), str(tmp_path / "out.mp4")]) == INVALID
    said = capsys.readouterr().err
    assert f"was cut off: it has {len(whole) // 2} bytes" in said and "Copy or export it once more" in said


def test_redact_when_a_folder_then_each_film_and_picture_is_covered_and_a_broken_one_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    film = write_film(source / "a.mkv", frames=2, sound=False)
    with av.open(str(source / "b.png"), "w", format="image2", options={"update": "1"}) as out:
        stream = out.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "rgb24"
        noise = np.random.default_rng(1).integers(60, 220, (96, 160, 3)).astype(np.uint8)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
    (source / "c.mov").write_text("no film")
    (source / "notes.txt").write_text("left alone")
    arguments = ["redact", str(source), str(target), "--level", "frame", "--threads", "1"]
    assert run(arguments) == INVALID
    said = capsys.readouterr().err
    assert "not redacted" in said and "c.mov" in said and "1 of 3" in said
    assert {path.name for path in target.iterdir()} == {"a.mkv.mp4", "b.png.jpg"}
    assert all(picture.max() < 60 for path in target.iterdir() for picture in frames_of(path))
    written = (target / "b.png.jpg").stat().st_mtime_ns
    assert run(arguments) == INVALID
    assert (target / "b.png.jpg").stat().st_mtime_ns == written
    assert run(["redact", str(film), str(target / "a.jpg"), "--threads", "1"]) == INVALID
    assert "is a film of 2 pictures" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.mp4", "out.mp4"], "no such file"),
        (["text.mp4", "out.mp4"], "cannot be read as a film"),
        ([".", "text.mp4"], "has to be another folder"),
        ([".", "."], "has to be another folder"),
        (["empty", "out"], "holds no film and no picture"),
        ([".", "out", "--report", "-"], "--report is of one film"),
        (["tone.mp4", "out.mp4"], "no video, only audio"),
        (["text.mp4", "out.avi"], "has to end with .mp4"),
        (["text.mp4", "gone/out.mp4"], "is no folder"),
        (["text.mp4", "text.mp4"], "is the film itself"),
        (["text.mp4", "out.mp4", "--zone", "0,0,2,2"], "--zone '0,0,2,2': corners"),
        (["text.mp4", "out.mp4", "--zone", "a"], "expected numbers"),
        (["text.mp4", "out.mp4", "--corrections", "text.mp4"], "holds no corrections"),
        (["text.mp4", "out.mp4", "--corrections", "bad.json"], "correction 1 cannot be read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_redact_when_the_input_is_bad_then_one_sentence_says_what(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.mp4").write_text("no film")
    Path("empty").mkdir()
    Path("bad.json").write_text('{"cover": [{"from_s": 2, "until_s": 1, "box": [0, 0, 1, 1]}]}')
    if "tone.mp4" in arguments:
        with av.open("tone.mp4", "w") as out:
            audio = out.add_stream("aac", rate=16000)
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
            tone.sample_rate = 16000
            out.mux(audio.encode(tone))
            out.mux(audio.encode(None))
    assert run(["redact", *arguments]) == INVALID
    shown = capsys.readouterr().err
    assert said in shown and len(shown.splitlines()) == 1
    assert not Path("out.mp4").exists()
