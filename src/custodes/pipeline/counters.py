"""What one camera's analysis did and did not do, for AnalyserStatus."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Running sums since the analyser process started; the times are of the newest packet and analysed frame."""

    packets: int = 0
    frames_decoded: int = 0
    frames_analysed: int = 0
    frames_skipped_rate: int = 0
    frames_skipped_quiet: int = 0
    frames_undecoded_quiet: int = 0
    frames_undecoded_rate: int = 0
    gops_shed: int = 0
    decode_errors: int = 0
    frames_damaged: int = 0
    detector_calls: int = 0
    detector_errors: int = 0
    whole_looks: int = 0
    regions_looked: int = 0
    regions_shed: int = 0
    lighting_changes: int = 0
    detections_outside: int = 0
    people_ended: int = 0
    vehicles_ended: int = 0
    received_ns: int = 0
    analysed_ns: int = 0
    judged_ns: int = 0
    """Newest moment that was looked at, or left undecoded on purpose."""
    decode_cost_ns: int = 0
    motion_cost_ns: int = 0
    detect_cost_ns: int = 0
    track_cost_ns: int = 0
