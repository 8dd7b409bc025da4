"""What the server knows right now, in memory: the latest word of recorders and analysers, and sums from the catalog.

Nothing here is durable; after a restart the next statuses fill it within a second.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, replace

from custodes.ports.catalog import CameraTotals
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.supervisor import Supervisor
from custodes.types.event import AnalyserStatus, CameraState, CameraStatus, GateChanged, StreamVerified
from custodes.types.message import CameraRow, CameraSpec, SiteStatus
from custodes.types.stream import SecondStream
from custodes.units import NS_PER_S, CameraId, Ns

STALE_NS = 6 * NS_PER_S
"""Statuses come every second; after this long without one its sender counts as down. A busy machine keeps them back
for three, and nobody should be called for that."""

REFRESH_S = 1.0

UNKNOWN = "unknown"
RECORDER_DOWN = "recorder is down"

GATE_CHANGES_KEPT = 20
"""Per camera, for its page; the catalog keeps all."""

_NO_TOTALS = CameraTotals(recorded_ns=Ns(0), gaps_ns=Ns(0), tracks=0, people=0, vehicles=0)


@dataclass(slots=True)
class _Analysis:
    """Newest status, and what earlier analyser processes had counted before theirs."""

    status: AnalyserStatus
    received_ns: Ns
    decoded_before: int = 0
    analysed_before: int = 0
    people_shown: int = 0
    vehicles_shown: int = 0


class ServerLiveState:
    """`ports.views.LiveState`. Used on the event loop only."""

    def __init__(self, catalog: AsyncCatalog, supervisor: Supervisor, clock: Clock) -> None:
        self._catalog = catalog
        self._supervisor = supervisor
        self._clock = clock
        self._started_ns = clock.monotonic_ns()
        self._cameras: tuple[CameraSpec, ...] = ()
        self._totals: dict[CameraId, CameraTotals] = {}
        self._recorder: dict[CameraId, tuple[CameraStatus, Ns]] = {}
        self._analysis: dict[CameraId, _Analysis] = {}
        self._verified: dict[CameraId, StreamVerified] = {}
        self._gate_changes: dict[CameraId, deque[GateChanged]] = {}

    async def refresh(self) -> None:
        """Read cameras and sums anew."""
        self._cameras = tuple(await self._catalog.cameras())
        self._totals = await self._catalog.totals()
        for analysis in self._analysis.values():
            if not self._is_stale(analysis.received_ns):
                self._raise_shown(analysis)
        configured = {stream.camera_id for spec in self._cameras for stream in spec.streams()}
        for known in (self._recorder, self._analysis, self._verified, self._gate_changes):
            for camera_id in known.keys() - configured:
                del known[camera_id]

    async def run(self) -> None:
        """Refresh for ever."""
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_S)

    def damage(self, camera_id: CameraId) -> tuple[int, int]:
        """(damaged, decoded) pictures since its analyser started; (0, 0) while none speaks of it."""
        known = self._analysis.get(camera_id)
        if known is None:
            return 0, 0
        damaged = known.status.frames_damaged + known.status.decode_errors
        return damaged, known.status.frames_decoded + known.status.decode_errors

    def take_camera(self, status: CameraStatus) -> None:
        """Keep the newest by the sender's time; a status that was sent again later is old."""
        known = self._recorder.get(status.camera_id)
        if known is None or status.utc_ns >= known[0].utc_ns or self._is_stale(known[1]):
            self._recorder[status.camera_id] = (status, self._clock.monotonic_ns())

    def packets_per_s(self, stream: CameraId) -> float | None:
        """As its recorder measures it now; None while nobody does."""
        known = self._recorder.get(stream)
        return None if known is None or self._is_stale(known[1]) else known[0].fps

    def take_verified(self, fact: StreamVerified) -> None:
        """Keep the newest by media time."""
        known = self._verified.get(fact.camera_id)
        if known is None or fact.run != known.run or fact.end_ns >= known.end_ns:
            self._verified[fact.camera_id] = fact

    def take_analyser(self, status: AnalyserStatus) -> None:
        """Keep the newest; counters that begin again mean a new analyser process."""
        now_ns = self._clock.monotonic_ns()
        known = self._analysis.get(status.camera_id)
        if known is None:
            self._analysis[status.camera_id] = known = _Analysis(status, now_ns)
            self._raise_shown(known)
            return
        if status.utc_ns < known.status.utc_ns and not self._is_stale(known.received_ns):
            return
        if status.frames_decoded < known.status.frames_decoded or status.packets < known.status.packets:
            known.decoded_before += known.status.frames_decoded
            known.analysed_before += known.status.frames_analysed
        known.status, known.received_ns = status, now_ns
        self._raise_shown(known)

    def take_gate_change(self, change: GateChanged) -> bool:
        """Keep the latest; False for one that was sent again."""
        changes = self._gate_changes.setdefault(change.camera_id, deque(maxlen=GATE_CHANGES_KEPT))
        if change in changes:
            return False
        changes.append(change)
        return True

    def gate_changes(self) -> list[GateChanged]:
        """The latest of all cameras, also of one that no analyser speaks of now."""
        return [change for changes in self._gate_changes.values() for change in changes]

    def _raise_shown(self, analysis: _Analysis) -> None:
        """A track that ends leaves the live count up to a second before the catalog's sum has it: never count down."""
        status = analysis.status
        totals = self._totals.get(status.camera_id, _NO_TOTALS)
        analysis.people_shown = max(analysis.people_shown, totals.people + status.live_people)
        analysis.vehicles_shown = max(analysis.vehicles_shown, totals.vehicles + status.live_vehicles)

    def camera_rows(self) -> list[CameraRow]:
        """See `LiveState`."""
        return [self._row(spec) for spec in self._cameras]

    async def site_status(self) -> SiteStatus:
        """See `LiveState`."""
        return await self._supervisor.read_status()

    def _is_stale(self, received_ns: Ns) -> bool:
        return self._clock.monotonic_ns() - received_ns > STALE_NS

    def _state(self, spec: CameraSpec) -> tuple[str, str]:
        if not spec.is_enabled:
            return CameraState.DISABLED.value, ""
        known = self._recorder.get(spec.camera_id)
        if known is None and not self._is_stale(self._started_ns):
            return CameraState.STARTING.value, ""
        if known is None or self._is_stale(known[1]):
            return UNKNOWN, RECORDER_DOWN
        return known[0].state.value, known[0].detail

    def _wall_stream(self, spec: CameraSpec, second: SecondStream, first: CameraRow) -> str:
        """The second where the configuration wants it there; the first while nothing comes of the second."""
        statuses = [known[0] if (known := self._recorder.get(one.camera_id)) else None for one in spec.streams()]
        first_px, second_px = (0 if one is None else one.width_px * one.height_px for one in statuses)
        is_silent = self._state(spec.streams()[1])[0] != CameraState.RECORDING.value
        if not second.is_for_wall(first_px, second_px) or (is_silent and first.is_recording):
            return "first"
        return "second"

    def _row(self, spec: CameraSpec) -> CameraRow:
        state, detail = self._state(spec)
        totals = self._totals.get(spec.camera_id, _NO_TOTALS)
        row = CameraRow(
            camera_id=spec.camera_id,
            name=spec.name,
            state=state,
            detail=detail,
            is_recording=state == CameraState.RECORDING.value,
            recorded_s=totals.recorded_ns / NS_PER_S,
            gaps_s=totals.gaps_ns / NS_PER_S,
            frames_decoded=0,
            frames_analysed=0,
            tracks=totals.tracks,
            people=totals.people,
            vehicles=totals.vehicles,
            live_people=0,
            live_vehicles=0,
        )
        if spec.second is not None:
            second, second_detail = self._state(spec.streams()[1])
            row = replace(
                row, second=second, second_detail=second_detail, wall=self._wall_stream(spec, spec.second, row)
            )
        known = self._recorder.get(spec.camera_id)
        if known is not None:
            row = replace(row, width_px=known[0].width_px)
        if known is not None and not self._is_stale(known[1]):
            said = tuple(f"{one.word.value} ({one.detail})" for one in known[0].device_says)
            row = replace(
                row, lost_packets=known[0].lost_packets, device_events=known[0].device_events, device_says=said
            )
        if known is not None and row.is_recording:
            clock = known[0].clock
            offset_ns = clock.camera_offset_ns
            row = replace(
                row,
                clock_source=clock.source.value,
                clock_error_s=clock.error_ns / NS_PER_S,
                camera_offset_s=None if offset_ns is None else offset_ns / NS_PER_S,
            )
        verified = self._verified.get(spec.camera_id)
        if verified is not None and known is not None and verified.run == known[0].run:
            row = replace(row, signature=verified.state.value, signature_detail=verified.detail)
        analysis = self._analysis.get(spec.camera_id)
        return row if analysis is None else self._with_analysis(row, analysis)

    def _with_analysis(self, row: CameraRow, analysis: _Analysis) -> CameraRow:
        """Finished tracks are in the catalog; those that live are added as long as the analyser speaks of them."""
        status = analysis.status
        is_fresh = not self._is_stale(analysis.received_ns)
        people = status.live_people if is_fresh else 0
        vehicles = status.live_vehicles if is_fresh else 0
        return replace(
            row,
            frames_decoded=analysis.decoded_before + status.frames_decoded,
            frames_analysed=analysis.analysed_before + status.frames_analysed,
            tracks=analysis.people_shown + analysis.vehicles_shown,
            people=analysis.people_shown,
            vehicles=analysis.vehicles_shown,
            live_people=people,
            live_vehicles=vehicles,
            frames_skipped_rate=status.frames_skipped_rate,
            frames_skipped_quiet=status.frames_skipped_quiet,
            gops_shed=status.gops_shed,
            analysis_lag_s=round(status.lag_ns / NS_PER_S, 1) if is_fresh else 0.0,
            is_scene_known=is_fresh and status.is_scene_known,
            scene_agreement=status.scene_agreement,
            tampered=tuple(one.kind.value for one in status.tampering) if is_fresh else (),
            frames_undecoded_quiet=status.frames_undecoded_quiet,
            frames_undecoded_rate=status.frames_undecoded_rate,
            gate_mode=status.gate_mode.value if is_fresh else "",
            gate_reason=status.gate_reason,
            gate_since_ns=status.gate_since_ns,
            gate_trials=status.gate_trials,
            gate_missed=status.gate_missed,
            gate_miss_low=status.gate_miss_low,
            gate_miss_high=status.gate_miss_high,
            gate_changes=tuple(self._gate_changes.get(row.camera_id, ())),
            regions_shed=status.regions_shed,
        )
