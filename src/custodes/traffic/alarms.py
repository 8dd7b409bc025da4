"""How well incidents are told: delay, and false alarms a day, as people judged them. Sums only."""

from collections.abc import Mapping, Sequence

import numpy as np

from custodes.types.traffic import AlarmRecord, Incident, IncidentKind, IncidentVerdict
from custodes.units import NS_PER_S

_DAY_S = 86_400
Key = tuple[IncidentKind, str, int]


def key_of(one: Incident | IncidentVerdict) -> Key:
    """What makes an incident of a camera that one."""
    return one.kind, one.road, one.start_ns


def verdicts_by(verdicts: Sequence[IncidentVerdict]) -> dict[Key, IncidentVerdict]:
    """Those that stand."""
    return {key_of(one): one for one in verdicts if one.is_real is not None}


def record_of(
    incidents: Sequence[Incident], verdicts: Mapping[Key, IncidentVerdict], analysed_s: float
) -> list[AlarmRecord]:
    """One row for each kind that was found, in the order of `IncidentKind`.

    Args: analysed_s: of the stretch, in seconds of video.
    """
    rows = []
    for kind in IncidentKind:
        mine = [one for one in incidents if one.kind is kind]
        if not mine:
            continue
        words = [verdicts.get(key_of(one)) for one in mine]
        false = sum(1 for word in words if word is not None and word.is_real is False)
        delays = [
            (one.found_ns - one.start_ns) / NS_PER_S
            for one, word in zip(mine, words, strict=True)
            if word is None or word.is_real
        ]
        rows.append(
            AlarmRecord(
                kind=kind,
                found=len(mine),
                real=sum(1 for word in words if word is not None and word.is_real),
                false=false,
                delay_s=round(float(np.median(delays)), 1) if delays else None,
                false_per_day=round(false * _DAY_S / analysed_s, 3) if analysed_s > 0 else None,
            )
        )
    return rows
