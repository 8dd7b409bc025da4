"""Makes a clip that demo/rtsp_server.py can loop: H.264, yuv420p, GOP of 1 s, no B-frames, no audio.

    .venv/bin/python demo/prepare.py INPUT OUTPUT.h264 [--fps N] [--height PX] [--seconds S]

Writes Annex-B to OUTPUT.h264 and beside it OUTPUT.h264.json: {"fps", "frames": [[offset, length, is_keyframe], …]},
one entry per access unit. Anything FFmpeg reads goes in; the natural frame rate is kept unless --fps says otherwise.
"""

import argparse
import json
import sys
from fractions import Fraction
from pathlib import Path

import av
import av.error

MAX_FPS = 60


def prepare(source: Path, target: Path, *, fps: float | None, height: int | None, seconds: float | None) -> int:
    """Transcode; returns the number of frames. Raises SystemExit with one sentence for a clip that is none."""
    try:
        with av.open(str(source)) as clip:
            if not clip.streams.video:
                raise SystemExit(f"{source.name} carries no video")
            stream = clip.streams.video[0]
            rate = Fraction(fps).limit_denominator(1001) if fps else (stream.average_rate or Fraction(25))
            rate = min(max(rate, Fraction(1)), Fraction(MAX_FPS))
            frames = _encode(clip, stream, target, rate, height, seconds)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SystemExit(f"{source} cannot be used as a clip: {getattr(error, 'strerror', None) or error}") from None
    if not frames:
        raise SystemExit(f"{source.name} holds no picture that can be decoded")
    index = {"fps": [rate.numerator, rate.denominator], "frames": frames}
    target.with_name(target.name + ".json").write_text(json.dumps(index))
    return len(frames)


def _encode(clip, stream, target, rate, height, seconds):
    frames, offset, encoder = [], 0, None
    stream.thread_type = "AUTO"
    limit = int(seconds * rate) if seconds else None
    fresh = target.with_name(target.name + ".new")
    with fresh.open("wb") as out:

        def write(packets):
            nonlocal offset
            for packet in packets:
                payload = bytes(packet)
                out.write(payload)
                frames.append([offset, len(payload), bool(packet.is_keyframe)])
                offset += len(payload)

        for number, picture in enumerate(_decoded(clip, stream)):
            if limit is not None and number >= limit:
                break
            if encoder is None:
                encoder = _encoder(picture, rate, height)
            picture = picture.reformat(encoder.width, encoder.height, "yuv420p")
            picture.pts, picture.time_base, picture.pict_type = number, 1 / rate, 0
            write(encoder.encode(picture))
        if encoder is not None:
            write(encoder.encode(None))
    fresh.replace(target)
    return frames


def _decoded(clip, stream):
    """Pictures; a damaged tail ends the clip instead of the program."""
    seen = False
    try:
        for picture in clip.decode(stream):
            seen = True
            yield picture
    except av.error.FFmpegError:
        if not seen:
            raise


def _encoder(picture, rate, height):
    tall = min(height or picture.height, picture.height) & ~1
    wide = round(picture.width * tall / picture.height) & ~1
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = wide, tall, "yuv420p"
    encoder.framerate, encoder.time_base = rate, 1 / rate
    encoder.gop_size, encoder.max_b_frames = max(round(rate), 1), 0
    # repeat-headers: each keyframe carries SPS and PPS, so that a client may join anywhere.
    encoder.options = {
        "preset": "veryfast",
        "crf": "23",
        "x264-params": "scenecut=0:repeat-headers=1:annexb=1:aud=0",
    }
    # One slice per picture, as most cameras send it; slice threads would make two.
    encoder.thread_count, encoder.thread_type = 2, "FRAME"
    return encoder


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--fps", type=float)
    parser.add_argument("--height", type=int)
    parser.add_argument("--seconds", type=float)
    wanted = parser.parse_args()
    if not wanted.source.is_file():
        raise SystemExit(f"{wanted.source}: no such file")
    wanted.target.parent.mkdir(parents=True, exist_ok=True)
    count = prepare(wanted.source, wanted.target, fps=wanted.fps, height=wanted.height, seconds=wanted.seconds)
    print(f"{wanted.target}: {count} frames", file=sys.stderr)


if __name__ == "__main__":
    main()
