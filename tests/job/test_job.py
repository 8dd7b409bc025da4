"""The job as a process, against a real warden: keys only by grant and log, clean ends whatever happens."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from custodes.adapters.ipc.framing import frame
from custodes.adapters.ipc.hub import Hub
from custodes.errors import Unavailable
from custodes.record.live import SealedStream
from custodes.record.segment import Opening
from custodes.sealing.wrap import new_segment
from custodes.testing.ending import joined
from custodes.testing.job import CAMERA, SITE_ID, JobSite
from custodes.testing.media import make_clip, people_at, read_counter, vouch, write_segment
from custodes.testing.player import play
from custodes.types.media import Packet, Segment
from custodes.types.message import (
    JobReady,
    MaskFacts,
    MediaChunk,
    MediaInit,
    SeekTo,
    StillRendered,
    StopView,
    ViewEnded,
    ViewKind,
    ViewNote,
)
from custodes.units import NS_PER_MS, NS_PER_S, Ns, SegmentId

FRAMES = 40


@pytest.fixture(scope="module")
def recorded(site: JobSite) -> Segment:
    """Four seconds, recorded a minute ago."""
    start_ns = time.time_ns() - 60 * NS_PER_S
    key = site.published_key()
    segment, _ = write_segment(
        site.paths.data_dir,
        *make_clip(frames=FRAMES, fps=10, gop=10, start_ns=start_ns),
        public_key=key.public_key,
        key_id=key.key_id,
        site_id=SITE_ID,
    )
    return segment


def facts(start_ns: int, frames: int = FRAMES):
    numbers = range(0, frames, 2)
    return MaskFacts(frames=vouch([start_ns + n * 100 * NS_PER_MS for n in numbers], [people_at(n) for n in numbers]))


def recorded_grant(site: JobSite, segment: Segment, session: str):
    return site.grant(live=False, start_ns=segment.header.start_ns, end_ns=segment.end_ns, session=session)


def test_job_when_stills_are_asked_then_given_logged_and_ended_cleanly(site: JobSite, recorded: Segment):
    start_ns = recorded.header.start_ns
    grant = recorded_grant(site, recorded, "stills")
    before = len(site.released_segments())
    with site.job() as job:
        job.channel.send(site.task(grant, ViewKind.STILL, recorded))
        job.channel.send(facts(start_ns))
        job.channel.send(SeekTo(utc_ns=Ns(start_ns + 1_500 * NS_PER_MS), request_id=1))
        still = job.until(StillRendered, ViewNote, ViewEnded)[-1]
        assert isinstance(still, StillRendered)
        assert (still.request_id, still.utc_ns - start_ns) == (1, 1_500 * NS_PER_MS)
        assert not still.is_fully_masked
        job.channel.send(SeekTo(utc_ns=Ns(start_ns + 9 * NS_PER_S), request_id=2))
        note = job.until(ViewNote, ViewEnded)[-1]
        assert isinstance(note, ViewNote)
        assert (note.code, note.request_id) == ("gap", 2)
        job.channel.send(StopView())
        assert job.until(ViewEnded)[-1] == ViewEnded(frames_shown=1, error="")
        assert job.wait() == 0
    assert len(site.released_segments()) == before + 1


def test_job_when_playing_back_then_pictures_play_to_the_end(site: JobSite, recorded: Segment):
    start_ns = recorded.header.start_ns
    with site.job() as job:
        job.channel.send(
            site.task(recorded_grant(site, recorded, "play"), ViewKind.PLAYBACK, recorded, start_ns=start_ns)
        )
        job.channel.send(facts(start_ns))
        outputs = job.until(ViewNote, ViewEnded)
        assert isinstance(outputs[-1], ViewNote)
        assert outputs[-1].code == "end"
        job.channel.send(SeekTo(utc_ns=Ns(start_ns + 3 * NS_PER_S), request_id=1))
        outputs += job.until(ViewNote, ViewEnded)
        job.channel.send(StopView())
        outputs += job.until(ViewEnded)
        assert job.wait() == 0
    whole, tail = play(outputs)
    # A loaded machine may leave pictures out; what is shown is in order and right.
    numbers = [(utc_ns - start_ns) // (100 * NS_PER_MS) for utc_ns in whole.utc_ns]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0
    clear = [i for i, masked in enumerate(whole.is_fully_masked) if not masked]
    assert [read_counter(whole.pictures[i][0]) for i in clear] == [numbers[i] for i in clear]
    assert len(clear) > 5
    assert tail.utc_ns[0] == start_ns + 3 * NS_PER_S


def test_job_when_grant_is_unknown_then_no_picture_and_a_reason(site: JobSite, recorded: Segment):
    grant = recorded_grant(site, recorded, "forged")
    task = site.task(grant, ViewKind.PLAYBACK, recorded, start_ns=recorded.header.start_ns)
    forged = type(task)(**{name: getattr(task, name) for name in task.__slots__} | {"grant_token": "A" * 43})
    with site.job() as job:
        job.channel.send(forged)
        outputs = job.until(ViewEnded)
        assert not any(isinstance(o, MediaInit | MediaChunk | StillRendered) for o in outputs)
        ended = outputs[-1]
        assert isinstance(ended, ViewEnded)
        assert ended.error
        assert ended.frames_shown == 0
        assert job.wait() == 0


def test_job_when_server_goes_away_then_exit_0(site: JobSite, recorded: Segment):
    with site.job() as spare:
        spare.channel.close()
        assert spare.wait() == 0
    with site.job() as job:
        job.channel.send(site.task(recorded_grant(site, recorded, "eof"), ViewKind.STILL, recorded))
        job.channel.close()
        assert job.wait() == 0


def test_job_when_terminated_then_says_how_it_ended(site: JobSite, recorded: Segment):
    with site.job() as job:
        job.channel.send(site.task(recorded_grant(site, recorded, "term"), ViewKind.STILL, recorded))
        job.channel.send(facts(recorded.header.start_ns))
        job.channel.send(SeekTo(utc_ns=recorded.header.start_ns, request_id=1))
        job.until(StillRendered, ViewNote, ViewEnded)
        job.process.send_signal(signal.SIGTERM)
        assert job.until(ViewEnded)[-1] == ViewEnded(frames_shown=1, error="")
        assert job.wait() == 0


def test_job_when_deadline_passes_then_it_ends_by_itself(site: JobSite, recorded: Segment):
    grant = recorded_grant(site, recorded, "late")
    with site.job() as job:
        job.channel.send(site.task(grant, ViewKind.STILL, recorded, deadline_s=0.3))
        ended = job.until(ViewEnded)[-1]
        assert isinstance(ended, ViewEnded)
        assert "over" in ended.error
        assert job.wait() in (0, -signal.SIGALRM)  # on a busy machine its own alarm comes before its last line


def test_job_when_sent_what_no_server_sends_then_it_ends_with_a_reason(site: JobSite, recorded: Segment):
    with site.job() as job:
        job.channel.send(site.task(recorded_grant(site, recorded, "odd"), ViewKind.STILL, recorded))
        job.channel.send(JobReady(job_id="x", pid=1))
        ended = job.until(ViewEnded)[-1]
        assert isinstance(ended, ViewEnded)
        assert "JobReady" in ended.error


def test_job_when_killed_then_the_connection_closes_and_another_serves(site: JobSite, recorded: Segment):
    with site.job("job-a") as job:
        job.channel.send(site.task(recorded_grant(site, recorded, "kill"), ViewKind.STILL, recorded))
        job.process.kill()
        assert job.wait() == -signal.SIGKILL
        # The kernel says reset instead of closed when the task was not read yet.
        with contextlib.suppress(Unavailable):
            assert job.channel.receive() is None
    with site.job("job-b") as job:
        job.channel.send(StopView())
        assert job.wait() == 0


def test_job_when_running_then_its_memory_is_hidden(site: JobSite):
    with site.job() as job:
        limits = Path(f"/proc/{job.process.pid}/limits").read_text()
        core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"]


@pytest.mark.parametrize(("call", "dumpable"), [("hide_memory()", 0), ("pass", 1)])
def test_hide_memory_when_called_then_process_is_not_dumpable(call: str, dumpable: int):
    code = f"""
import ctypes
from custodes.runtime.memory import hide_memory
{call}
raise SystemExit(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=600).returncode == dumpable


class Form:
    """What the recorder's live hub sends: `SealedStream`, framed."""

    def __init__(self, stream: SealedStream) -> None:
        self._stream = stream

    def opened(self) -> bytes:
        return frame(self._stream.opened())

    def packet(self, packet: Packet) -> bytes:
        return frame(self._stream.packet(packet))

    def closed(self) -> bytes:
        return frame(self._stream.closed())


def open_segment(site: JobSite, hub: Hub, info, start_ns: int, number: int) -> None:
    key = site.published_key()
    header, data_key = new_segment(
        public_key=key.public_key,
        key_id=key.key_id,
        site_id=SITE_ID,
        camera_id=CAMERA,
        run=info.run,
        segment_id=SegmentId(f"{start_ns:019d}-{info.run}-{number}"),
        start_ns=Ns(start_ns),
    )
    hub.open_stream(CAMERA, Form(SealedStream(Opening(header=header, data_key=data_key, info=info))))


def test_job_when_live_then_pictures_flow_over_a_rotation_and_survive_the_recorder(site: JobSite):
    hub_path = site.paths.socket("hub-live")
    grant = site.grant(live=True, start_ns=time.time_ns(), end_ns=time.time_ns() + 600 * NS_PER_S, session="live")
    start_ns = time.time_ns()
    info, packets = make_clip(frames=900, fps=20, gop=10, start_ns=start_ns)
    hub = Hub(hub_path)
    hub.start()
    with site.job() as job:
        job.channel.send(site.task(grant, ViewKind.LIVE))
        stop = threading.Event()

        def record() -> None:
            """Two segments in real time; analysis is at most two frames behind. Long, since a busy job leaves out."""
            for number, packet in enumerate(packets):
                if number in (0, 30):
                    open_segment(site, hub, info, packet.utc_ns, number)
                if stop.wait(max(packet.utc_ns - time.time_ns(), 0) / NS_PER_S):
                    return
                hub.publish(packet)
                if number >= 4 and number % 2 == 0:
                    looks = range(max(0, number - 8), number - 1, 2)
                    earlier, people = [int(packets[n].utc_ns) for n in looks], [people_at(n) for n in looks]
                    job.channel.send(MaskFacts(frames=vouch(earlier, people)[-3:]))

        recorder = threading.Thread(target=record, daemon=True)
        recorder.start()
        outputs: list[object] = []
        while sum(isinstance(o, MediaChunk) for o in outputs) < 30:
            outputs += job.until(MediaChunk, ViewEnded)
        stop.set()
        joined(recorder)
        hub.stop()
        # Not any note: the stream's end is told first, and a recorder that is back by then is never missed.
        outputs += job.until_note("recorder_down")
        again = Hub(hub_path)
        again.start()
        later_ns = time.time_ns()
        info, packets = make_clip(frames=10, fps=10, gop=10, start_ns=later_ns, run="1" * 12)
        open_segment(site, again, info, later_ns, 60)
        for packet in packets:
            again.publish(packet)
        while not (isinstance(outputs[-1], MediaChunk) and outputs[-1].utc_ns >= later_ns):
            outputs += job.until(MediaChunk, ViewEnded)
        job.channel.send(StopView())
        outputs += job.until(ViewEnded)
        assert job.wait() == 0
        again.stop()
    streams = play(outputs)
    shown = [n for stream in streams for n in stream.utc_ns]
    assert shown == sorted(shown)
    for stream in streams:
        for utc_ns, masked, picture in zip(stream.utc_ns, stream.is_fully_masked, stream.pictures, strict=True):
            if masked:
                assert np.ptp(picture[0].astype(int)) <= 28
            else:
                assert read_counter(picture[0]) == round((utc_ns - start_ns) / (50 * NS_PER_MS))
    assert any(not masked for stream in streams for masked in stream.is_fully_masked)
