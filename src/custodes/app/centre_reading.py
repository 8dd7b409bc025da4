"""Reads what a centre shows of a site out of its database."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from custodes.adapters.sql.centre import CentreStore
from custodes.app.centre_asking import is_whole
from custodes.config.centre import CentreSiteConfig
from custodes.federation.sites import SiteRow, SiteSummary, SiteView
from custodes.types.federation import (
    CamerasChanged,
    CaseAnswered,
    CountsOfQuarter,
    FleetAudited,
    FlowsOfHour,
    SiteHealth,
)
from custodes.types.question import CaseQuestion
from custodes.units import NS_PER_DAY


def site_summary(store: CentreStore, site: CentreSiteConfig) -> SiteSummary:
    """Raises: what the database raises."""
    found = store.read(site.id, SiteHealth)
    return SiteSummary(site=site, row=store.site(site.id), health=found[-1] if found else None)


def site_summaries(store: CentreStore, sites: Sequence[CentreSiteConfig]) -> list[SiteSummary]:
    """Of all, by one query. Raises: what the database raises."""
    found = store.sites()
    unheard = [(SiteRow(site_id=one.id), None) for one in sites]
    known = [found.get(one.id, never) for one, never in zip(sites, unheard, strict=True)]
    return [SiteSummary(site=one, row=row, health=health) for one, (row, health) in zip(sites, known, strict=True)]


def answer_row(question: CaseQuestion, site: str, found: Sequence[CaseAnswered], is_open: bool) -> dict[str, object]:
    """A question and its answer as data."""
    answer = "waits" if is_open else "no answer in time"
    if is_whole(found):
        answer = "answered" if found[0].is_allowed else f"refused: {found[0].reason}"
    movements = [one for part in found for one in part.found]
    return {
        "question_id": question.question_id,
        "site": site or question.site_id,
        "case": question.case_id,
        "asker": question.asker,
        "reason": question.reason,
        "answer": answer,
        "is_open": is_open,
        "wants_footage": question.wants_footage,
        "start_ns": question.start_ns,
        "end_ns": question.end_ns,
        "expires_ns": question.expires_ns,
        "centre_entry": question.entry,
        "count": len(movements),
        "cameras": found[0].cameras if found else 0,
        "said_by_site": found[0].reason if found else "",
        "site_entry": found[0].log_index if found else "",
        "complete_from_ns": found[0].answered_from_ns if found else 0,
        "found": [msgspec.to_builtins(one) for one in movements],
    }


def site_view(store: CentreStore, site: CentreSiteConfig, now_ns: int) -> SiteView:
    """Raises: what the database raises."""
    counts: Counter[tuple[str, str, str]] = Counter()
    flows: Counter[tuple[str, str, str]] = Counter()
    since_ns = max(now_ns - NS_PER_DAY, 0)
    for quarter in store.read(site.id, CountsOfQuarter, start_ns=since_ns):
        for line in quarter.counts:
            way = "→" if line.is_forward else "←"
            counts[(quarter.camera_id, f"{line.line} {way}", line.object_class)] += line.count
    for hour in store.read(site.id, FlowsOfHour, start_ns=since_ns):
        for cell in hour.cells:
            flows[(hour.group, cell.from_camera, cell.to_camera)] += cell.count
    cameras = [one for fact in store.read(site.id, CamerasChanged) for one in fact.cameras]
    devices = [one for fact in store.read(site.id, FleetAudited) for one in fact.devices]
    return SiteView(
        summary=site_summary(store, site),
        cameras=tuple(sorted(cameras, key=lambda one: (one.is_recording, one.camera_id))),
        counts=tuple((*key, count) for key, count in sorted(counts.items()) if count),
        flows=tuple((*key, count) for key, count in sorted(flows.items()) if count),
        devices=tuple(sorted(devices, key=lambda one: (-one.findings, one.device))),
    )
