"""What seeing costs when packets decide what is decoded, and what it misses, against decoding everything.

    python -m bench.see [--smoke]

Both ways run the same pipeline with the packaged detector on the same packets, in turn. `events_missed`: confirmed
tracks of people or vehicles of decode-everything without one that overlaps in time, and stretches of motion of a
second and more in which the gate decoded nothing. The quiet hour is made of the table clip's packets from GOPs in and
around which nothing moves and nobody stands, looped, after the clip itself taught the gate; a piece of it is decoded
whole for comparison. It has seams where the light or a thing on the table is another, which a real camera has not;
`…_unbroken` is made of the longest stretch. `…_clothes_…`: looks of each measured track (ADR 132), as if another
camera saw the same ground.

`cameras_N_quiet` = cores × 0.9 ÷ (share quiet × cost of a quiet camera + rest × cost of an active one), in CPU seconds
per second of a 1080p15 camera at 5 analysed frames: the table clip enlarged, demuxing, the hop over the hub and
`_RECORDER_S` included. Active: somebody is there and moves all the time.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec.structs
import numpy as np

from bench.clothes import clothes_s
from bench.footage import TABLE, WALKERS, shared_data
from bench.regions import motion_region_track_ms
from bench.view import enlarge
from custodes.app.analyser import make_looking
from custodes.config import SiteConfig
from custodes.detect.change import ChangeWatch
from custodes.errors import CameraEnded
from custodes.media.decode import FrameDecoder
from custodes.media.demux import Demuxer
from custodes.pipeline.activity_gate import ActivityGate, draw_by_hash
from custodes.pipeline.analysis import Looking
from custodes.pipeline.camera import CameraFact, CameraPipeline
from custodes.testing.media import encode_clip, read_clip
from custodes.types.codec import decode, encode
from custodes.types.event import FrameAnalysed, GateMode, TrackEnded
from custodes.types.media import Frame, Packet, StreamInfo
from custodes.types.message import StreamClosed, StreamOpened
from custodes.types.vision import VEHICLES
from custodes.units import NS_PER_S, CameraId, Ns
from eval.report import Report

FPS = 5.0
START_NS = Ns(1_700_000_000 * NS_PER_S)
CLIPS = {
    "one_by_one": TABLE,
    "pets": WALKERS,
    "highway": "traffic/cdnet-highway.mp4",
    "car_park": "traffic/intel-car-detection.mp4",
}
ORACLE = 0.48
"""Share of the table clip's GOPs with motion, as the project's design states it."""

_RECORDER_S = 0.0025
"""CPU seconds per second of a recorded camera: `bench.record`, `core_share_100_cameras` ≤ .25."""

_CORES = 2
_USABLE = 0.9
_EVENT_NS = NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One way through one clip."""

    facts: list[CameraFact]
    pipeline: CameraPipeline
    cpu_s: float

    def looks(self) -> list[FrameAnalysed]:
        return [fact for fact in self.facts if isinstance(fact, FrameAnalysed)]

    def tracks(self) -> list[TrackEnded]:
        return [fact for fact in self.facts if isinstance(fact, TrackEnded)]


def play(looking: Looking, info: StreamInfo, packets: Sequence[Packet], *, has_gate: bool) -> Run:
    """Feed a run to a fresh pipeline."""
    draw = draw_by_hash(info.camera_id) if has_gate else None
    pipeline = CameraPipeline(info.camera_id, looking, fps=FPS, draw=draw)
    pipeline.process(StreamOpened(info=info))
    return go_on(pipeline, info, packets)


def go_on(pipeline: CameraPipeline, info: StreamInfo, packets: Sequence[Packet], *, ends: bool = True) -> Run:
    """Feed more packets of the same run."""
    facts: list[CameraFact] = []
    started_s = time.process_time()
    for packet in packets:
        facts += pipeline.process(packet)
    if ends:
        facts += pipeline.process(StreamClosed(camera_id=info.camera_id, run=info.run))
    return Run(facts=facts, pipeline=pipeline, cpu_s=time.process_time() - started_s)


def demux_s(path: Path, rounds: int = 5) -> float:
    """CPU seconds per packet of reading a file's packets, as the recorder does; the median of several."""
    taken = []
    for _ in range(rounds):
        demuxer, count = Demuxer(str(path), where=path.name, options={}, open_timeout_s=10, read_timeout_s=10), 0
        started_s = time.process_time()
        try:
            for _packet in demuxer.packets():
                count += 1
        except CameraEnded:
            pass
        taken.append((time.process_time() - started_s) / count)
        demuxer.close()
    return float(np.median(taken))


def gate_s(info: StreamInfo, packets: Sequence[Packet], taught: bytes, rounds: int = 5) -> float:
    """CPU seconds per packet of deciding about packets that are quiet, by a gate that knows the stream."""
    taken = []
    for _ in range(rounds):
        gate = ActivityGate(info, draw_by_hash(info.camera_id))
        gate.restore(taught)
        started_s = time.process_time()
        for packet in packets:
            gate.take(packet)
            gate.may_skip(FPS)
        taken.append((time.process_time() - started_s) / len(packets))
    return float(np.median(taken))


def moving(frames: Sequence[Frame], run: Run) -> list[tuple[int, bool, bool]]:
    """(time, moves, is anybody there) of each look of a run that decoded everything."""
    watch, by_seq = ChangeWatch(), {frame.seq: frame for frame in frames}
    looks = []
    for fact in run.looks():
        change = watch.look(by_seq[fact.frame.seq].y, fact.frame)
        looks.append((int(fact.frame.utc_ns), change.is_active, change.is_occupied))
    return looks


def missed(full: Run, gated: Run, looks: Sequence[tuple[int, bool, bool]]) -> int:
    """Events of the one without a trace in the other."""
    there = [track.tracklet for track in gated.tracks()]
    lost = sum(
        not any(
            (other.object_class in VEHICLES) is (track.object_class in VEHICLES)
            and other.start_ns <= track.end_ns + _EVENT_NS
            and other.end_ns >= track.start_ns - _EVENT_NS
            for other in there
        )
        for track in (fact.tracklet for fact in full.tracks())
    )
    times = np.array([fact.frame.utc_ns for fact in gated.looks()])
    steps = np.diff(times, prepend=times[0] - NS_PER_S)
    decoded = times[steps < NS_PER_S]
    for start_ns, end_ns in stretches(looks):
        if not ((decoded >= start_ns - _EVENT_NS) & (decoded <= end_ns + _EVENT_NS)).any():
            lost += 1
    return lost


def stretches(looks: Sequence[tuple[int, bool, bool]]) -> list[tuple[int, int]]:
    """Motion of `_EVENT_NS` and more, gaps of up to half of it bridged."""
    found: list[tuple[int, int]] = []
    for utc_ns, is_active, _ in looks:
        if is_active and found and utc_ns - found[-1][1] <= _EVENT_NS // 2:
            found[-1] = (found[-1][0], utc_ns)
        elif is_active:
            found.append((utc_ns, utc_ns))
    return [(start_ns, end_ns) for start_ns, end_ns in found if end_ns - start_ns >= _EVENT_NS]


def gops(packets: Sequence[Packet]) -> list[list[Packet]]:
    """Packets from keyframe to keyframe."""
    found: list[list[Packet]] = []
    for packet in packets:
        if packet.is_keyframe:
            found.append([])
        found[-1].append(packet)
    return found


def looped(chosen: Sequence[Sequence[Packet]], after: Packet, seconds: float, step_ns: int) -> list[Packet]:
    """GOPs over and over, numbered and timed on from a packet: there and back again, so that light does not jump."""
    order = [*chosen, *reversed(chosen)]
    made: list[Packet] = []
    while len(made) * step_ns < seconds * NS_PER_S:
        for gop in order:
            base = len(made) + 1
            offset_ns = min(packet.utc_ns for packet in gop)
            made += [
                msgspec.structs.replace(
                    packet,
                    run=after.run,
                    seq=after.seq + base + place,
                    utc_ns=Ns(after.utc_ns + base * step_ns + packet.utc_ns - offset_ns),
                )
                for place, packet in enumerate(gop)
            ]
    return made


def quiet_gops(packets: Sequence[Packet], looks: Sequence[tuple[int, bool, bool]]) -> list[list[Packet]]:
    """GOPs in and around which nothing moves and nobody is."""
    busy = np.array([utc_ns for utc_ns, is_active, is_occupied in looks[1:] if is_active or is_occupied])
    chosen = []
    for gop in gops(packets):
        start_ns, end_ns = gop[0].utc_ns - _EVENT_NS, gop[-1].utc_ns + _EVENT_NS
        if not ((busy >= start_ns) & (busy <= end_ns)).any():
            chosen.append(gop)
    return chosen


def one_clip(report: Report, looking: Looking, name: str, path: Path, seconds: float) -> None:
    """Cost per second of video by part, decoded share and misses of one clip."""
    info, packets = read_clip(path, frames=10**6, start_ns=START_NS)
    packets = [packet for packet in packets if packet.utc_ns < START_NS + seconds * NS_PER_S]
    span_s = (packets[-1].utc_ns - packets[0].utc_ns) / NS_PER_S
    full = play(looking, info, packets, has_gate=False)
    gated = play(looking, info, packets, has_gate=True)
    decoder = FrameDecoder(info)
    frames = [frame for packet in packets for frame in decoder.decode(packet)] + decoder.flush()
    looks = moving(frames, full)
    for way, run in (("all", full), ("gate", gated)):
        counters = run.pipeline.counters
        # Parts by a clock that costs nothing to read, their sum by the CPU's.
        parts = {
            "decode": counters.decode_cost_ns,
            "motion": counters.motion_cost_ns,
            "inference": counters.detect_cost_ns,
            "tracking": counters.track_cost_ns,
        }
        for part, cost_ns in parts.items():
            share = cost_ns / max(1, sum(parts.values()))
            report.results[f"{name}_{part}_ms_per_s_{way}"] = round(1000 * run.cpu_s * share / span_s, 2)
    taken_s, count = clothes_s(frames, full.looks())
    report.results |= {
        f"{name}_clothes_us_per_track": round(1e6 * taken_s / max(count, 1), 1),
        f"{name}_clothes_vs_decode_all": round(taken_s / full.cpu_s, 5),
    }
    per_packet_s = demux_s(path)
    report.results[f"{name}_demux_ms_per_s"] = round(1000 * per_packet_s * len(packets) / span_s, 3)
    status = gated.pipeline.status(START_NS)
    share = status.frames_decoded / len(packets)
    active = active_share(packets, looks)
    report.results |= {
        f"{name}_decoded_share": round(share, 3),
        f"{name}_undecoded_rate_share": round(status.frames_undecoded_rate / len(packets), 3),
        f"{name}_active_gops_share": round(active, 3),
        f"{name}_cpu_vs_decode_all": round(gated.cpu_s / full.cpu_s, 3),
        f"{name}_events_missed": missed(full, gated, looks),
        f"{name}_gate_trials": status.gate_trials,
        f"{name}_gate_missed": status.gate_missed,
    }
    if name != "one_by_one":
        return
    report.results["decoded_share_vs_oracle"] = round(share / ORACLE, 3)
    chosen = quiet_gops(packets, looks)
    report.config["quiet_gops"] = len(chosen)
    quiet_hour(report, looking, info, packets, chosen, per_packet_s)


def active_share(packets: Sequence[Packet], looks: Sequence[tuple[int, bool, bool]]) -> float:
    """Share of frames in GOPs with a look at which something moved."""
    busy = np.array([utc_ns for utc_ns, is_active, _ in looks[1:] if is_active])
    count = sum(len(gop) for gop in gops(packets) if ((busy >= gop[0].utc_ns) & (busy <= gop[-1].utc_ns)).any())
    return count / len(packets)


def quiet_hour(
    report: Report,
    looking: Looking,
    info: StreamInfo,
    packets: Sequence[Packet],
    chosen: Sequence[Sequence[Packet]],
    per_packet_s: float,
) -> None:
    """A long time of nothing, by a gate that knows the camera, by one that never saw motion, and decoded whole."""
    is_smoke = bool(report.config["smoke"])
    step_ns = NS_PER_S // 10
    quiet = looped(chosen, packets[-1], 50.0 if is_smoke else 3600.0, step_ns)
    unbroken = looped(longest(chosen), packets[-1], 50.0 if is_smoke else 3600.0, step_ns)
    some = round((10.0 if is_smoke else 200.0) * 10)
    report.config |= {"quiet_s": len(quiet) * step_ns / NS_PER_S, "quiet_s_decoded_whole": some / 10}
    taught = teach(looking, info, packets)
    gate = taught.gate
    assert gate is not None
    report.results["gate_is_trusted"] = float(gate.trust.mode is GateMode.PACKETS)
    gate_packet_s = gate_s(info, quiet[:5000], gate.snapshot())
    report.results["demux_us_per_packet"] = round(per_packet_s * 1e6, 2)
    report.results["gate_us_per_packet"] = round(gate_packet_s * 1e6, 2)
    report.results["gate_vs_demux"] = round(1 + gate_packet_s / per_packet_s, 3)
    for name, wanted in {"": quiet, "_unbroken": unbroken}.items():
        pipeline = teach(looking, info, packets)
        before = pipeline.counters.frames_decoded
        gated = go_on(pipeline, info, wanted)
        decoded = pipeline.counters.frames_decoded - before
        everything_s = play(looking, info, wanted[:some], has_gate=False).cpu_s / some + per_packet_s
        report.results |= {
            f"quiet_decoded_share{name}": round(decoded / len(wanted), 4),
            f"cpu_vs_decode_all_quiet{name}": round((gated.cpu_s / len(wanted) + per_packet_s) / everything_s, 4),
            f"quiet_false_events{name}": len(gated.tracks()),
        }
    if is_smoke:
        return
    cold = play(looking, info, unbroken, has_gate=True)
    ratio = (cold.cpu_s / len(unbroken) + per_packet_s) / everything_s
    report.results["cpu_vs_decode_all_quiet_never_moved"] = round(ratio, 4)


def teach(looking: Looking, info: StreamInfo, packets: Sequence[Packet]) -> CameraPipeline:
    """A pipeline whose gate saw the clip; the run goes on."""
    pipeline = CameraPipeline(info.camera_id, looking, fps=FPS, draw=draw_by_hash(info.camera_id))
    pipeline.process(StreamOpened(info=info))
    go_on(pipeline, info, packets, ends=False)
    return pipeline


def longest(chosen: Sequence[Sequence[Packet]]) -> list[list[Packet]]:
    """The longest row of GOPs that follow each other."""
    rows: list[list[list[Packet]]] = []
    for gop in chosen:
        if rows and rows[-1][-1][-1].seq + 1 == gop[0].seq:
            rows[-1].append(list(gop))
        else:
            rows.append([list(gop)])
    return max(rows, key=len)


def hop_s(packets: Sequence[Packet]) -> float:
    """CPU seconds per packet of putting it into a message and taking it out."""
    started_s = time.process_time()
    for packet in packets:
        decode(encode(packet))
    return (time.process_time() - started_s) / len(packets)


def cameras(report: Report, looking: Looking, path: Path) -> None:
    """How many 1080p15 cameras this machine holds, by measured costs."""
    count = 30 if report.config["smoke"] else 150
    info, packets = read_clip(path, frames=700, start_ns=START_NS)
    decoder = FrameDecoder(info)
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    # In seconds 1 to 4.5 of the clip nobody is there, from 50 to 53 somebody walks through the picture.
    scenes = {"quiet": frames[10:45], "active": frames[500:530]}
    costs: dict[str, float] = {}
    for scene, source in scenes.items():
        order = [*source, *reversed(source)]
        large = (enlarge(order[number % len(order)], 1080, 1920) for number in range(count))
        info, coded = encode_clip(large, fps=15, gop=30, start_ns=START_NS, camera_id="large")
        seconds = (
            (60.0 if scene == "quiet" else 10.0) if report.config["smoke"] else (400.0 if scene == "quiet" else 60.0)
        )
        learning = looped(gops(coded), coded[-1], 40.0 if scene == "quiet" else 0.1, NS_PER_S // 15)
        pipeline = CameraPipeline(CameraId("large"), looking, fps=FPS, draw=draw_by_hash(CameraId("large")))
        pipeline.process(StreamOpened(info=info))
        go_on(pipeline, info, [*coded, *learning], ends=False)
        rest = looped(gops(coded), learning[-1] if learning else coded[-1], seconds, NS_PER_S // 15)
        run = go_on(pipeline, info, rest)
        span_s = len(rest) / 15
        costs[scene] = run.cpu_s / span_s + 15 * hop_s(coded) + 15 * 1e-5 + _RECORDER_S
        report.results[f"core_per_{scene}_1080p15"] = round(costs[scene], 4)
    for share in (90, 50, 0):
        mean_s = share / 100 * costs["quiet"] + (1 - share / 100) * costs["active"]
        report.results[f"cameras_{share}_quiet"] = int(_CORES * _USABLE / mean_s)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    data = shared_data()
    report = Report("bench.see", smoke=arguments.smoke, config={"fps": FPS, "oracle": ORACLE, "detector": "packaged"})
    looking = make_looking(SiteConfig(data_dir=Path("unused")))
    clips = {"one_by_one": TABLE} if arguments.smoke else CLIPS
    for step, (name, path) in enumerate(clips.items()):
        report.progress(step, len(clips) + 2, name)
        one_clip(report, looking, name, data / path, 40.0 if arguments.smoke else 150.0)
    report.results["events_missed"] = sum(
        value for key, value in report.results.items() if key.endswith("_events_missed")
    )
    report.progress(len(clips), len(clips) + 2, "cameras")
    cameras(report, looking, data / TABLE)
    report.progress(len(clips) + 1, len(clips) + 2, "regions")
    decoder_info, packets = read_clip(data / TABLE, frames=60 if arguments.smoke else 400, start_ns=START_NS)
    decoder = FrameDecoder(decoder_info)
    clip = [frame for packet in packets for frame in decoder.decode(packet)]
    report.results |= motion_region_track_ms(clip, rounds=1 if arguments.smoke else 5)
    report.progress(len(clips) + 2, len(clips) + 2, "done")
    report.finish()


if __name__ == "__main__":
    main()
