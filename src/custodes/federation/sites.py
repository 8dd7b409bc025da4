"""What a centre has of its sites, as values for its page and its commands. Pure."""

from dataclasses import dataclass
from typing import Any

from custodes.config.centre import CentreSiteConfig
from custodes.federation.parcel import NO_TIP
from custodes.types.federation import CameraNow, DeviceRow, SiteHealth
from custodes.units import NS_PER_S

SILENT_NS = 300 * NS_PER_S
"""Health comes every minute by default; five that are missing are no coincidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRow:
    """What the centre has of one site."""

    site_id: str
    seq: int = 0
    tip: bytes = NO_TIP
    heard_ns: int = 0
    """By the centre's clock; 0 for never."""
    lost: int = 0
    """Facts that neither side has."""
    refused: int = 0
    """Parcels under the site's name that were none."""
    refusal: str = ""
    log_size: int = 0
    log_ns: int = 0
    """When the witness signed last."""
    cosigned: str = ""
    alarm: str = ""
    """The log did not simply grow; the first such finding stays."""
    alarm_ns: int = 0
    evidence: str = ""
    """What the site sent then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSummary:
    """A line of the list."""

    site: CentreSiteConfig
    row: SiteRow
    health: SiteHealth | None

    def trouble(self, now_ns: int) -> str:
        """In words, the worst first; empty for none."""
        if self.row.alarm:
            return f"log: {self.row.alarm}"
        if not self.row.heard_ns:
            return "never heard"
        silent_ns = now_ns - self.row.heard_ns
        if silent_ns > SILENT_NS:
            wait = ago(silent_ns)
            return f"silent for {wait}"
        if self.health is not None and self.health.recording < self.health.cameras:
            count = self.health.cameras - self.health.recording
            return "1 camera does not record" if count == 1 else f"{count} cameras do not record"
        return f"{self.row.refused} parcels refused: {self.row.refusal}" if self.row.refused else ""

    def cells(self, now_ns: int) -> tuple[str, ...]:
        """For a table."""
        health = self.health
        return (
            self.site.name,
            f"{ago(now_ns - self.row.heard_ns)} ago" if self.row.heard_ns else "never",
            f"{health.recording} of {health.cameras}" if health is not None else "not told",
            str(self.row.seq),
            f"{self.row.log_size} entries" if self.row.log_size else "not witnessed",
            self.trouble(now_ns),
        )

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        health = self.health
        return {
            "site_id": self.site.id,
            "name": self.site.name,
            "heard_ns": self.row.heard_ns,
            "facts": self.row.seq,
            "facts_lost": self.row.lost,
            "refused": self.row.refused,
            "refusal": self.row.refusal,
            "cameras": None if health is None else health.cameras,
            "recording": None if health is None else health.recording,
            "log_size": self.row.log_size,
            "log_ns": self.row.log_ns,
            "alarm": self.row.alarm,
            "alarm_ns": self.row.alarm_ns,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteView:
    """A site's page: its last day."""

    summary: SiteSummary
    cameras: tuple[CameraNow, ...]
    counts: tuple[tuple[str, str, str, int], ...]
    """Camera, line and way, class, how many: sums of what was released."""
    flows: tuple[tuple[str, str, str, int], ...]
    """Group, from, to, how many."""
    devices: tuple[DeviceRow, ...]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            **self.summary.as_json(),
            "cameras_now": [
                {"camera_id": one.camera_id, "state": one.state, "recording": one.is_recording} for one in self.cameras
            ],
            "counts_24h": [list(one) for one in self.counts],
            "flows_24h": [list(one) for one in self.flows],
            "fleet": [
                {
                    "device": one.device,
                    "maker": one.maker,
                    "model": one.model,
                    "firmware": one.firmware,
                    "worst": one.worst,
                    "findings": one.findings,
                }
                for one in self.devices
            ],
        }


def ago(span_ns: int) -> str:
    """`40 s`, `12 min`, `3 h`, `2 days`."""
    seconds = max(span_ns // NS_PER_S, 0)
    for unit, length in (("days", 172_800), ("h", 7_200), ("min", 120)):
        if seconds >= length:
            return f"{seconds // {'days': 86_400, 'h': 3_600, 'min': 60}[unit]} {unit}"
    return f"{seconds} s"
