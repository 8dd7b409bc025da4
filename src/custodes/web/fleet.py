"""Pages and data of the fleet: what the cameras are, what is wrong with them, with source and date of each verdict."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from custodes.errors import NotFound
from custodes.fleet.audit import DeviceReport, FleetReport
from custodes.fleet.tables import device_data, to_csv, to_data
from custodes.fleet.verdict import Answer, Severity, Topic
from custodes.units import CameraId
from custodes.web.deps import deps_of, page, present
from custodes.web.words import CAUSE_WORDS, span_words

router = APIRouter(include_in_schema=False)
api_router = APIRouter(prefix="/api/v1")

MAX_SHOWN = 500
"""Rows of the page; the files have all."""


async def no_audit() -> FleetReport:
    """For an application without a shelf of audits."""
    return FleetReport(devices=(), sets=(), about_data=(), judged=datetime.now(UTC).date())


@router.get("/fleet")
async def fleet(
    request: Request,
    topic: Annotated[str, Query(max_length=32)] = "",
    severity: Annotated[str, Query(max_length=32)] = "",
    text: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """All devices this person may know of, the worst first, with a filter."""
    report = await _visible(request)
    shown = [one for one in report.devices if _fits(one, topic, severity, text)]
    return page(
        request,
        "fleet.html",
        report=report,
        devices=shown[:MAX_SHOWN],
        found=len(shown),
        topics=[one.value for one in Topic],
        severities=[one.value for one in Severity],
        asked={"topic": topic, "severity": severity, "text": text},
        cause_words=CAUSE_WORDS,
        span_words=span_words,
    )


@router.get("/fleet.csv")
async def fleet_csv(request: Request) -> Response:
    """A row a verdict."""
    return Response(
        to_csv(await _visible(request)),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="fleet.csv"'},
    )


@router.get("/fleet/{device_id}")
async def device(request: Request, device_id: str) -> Response:
    """One device: evidence, contradictions, every verdict."""
    report = await _visible(request)
    found = next((one for one in report.devices if one.seen.device_id == device_id), None)
    if found is None:
        raise NotFound(f"There is no device {device_id[:64]!r} in the last audit.")
    return page(request, "fleet_device.html", device=found)


@api_router.get("/fleet")
async def fleet_as_data(request: Request, device: Annotated[str, Query(max_length=64)] = "") -> dict[str, object]:
    """The report of the last audit; with `device`, of that one alone."""
    report = await _visible(request)
    if not device:
        return to_data(report)
    return {"devices": [device_data(one) for one in report.devices if one.seen.device_id == device]}


async def _visible(request: Request) -> FleetReport:
    report = await deps_of(request).fleet()
    cameras = present(request).principal.cameras
    health = report.health
    if health is not None:
        health = replace(health, cameras=tuple(one for one in health.cameras if cameras.covers(one.camera_id)))
    devices = tuple(one for one in report.devices if cameras.covers(CameraId(one.seen.device_id)))
    return replace(report, devices=devices, health=health)


def _fits(one: DeviceReport, topic: str, severity: str, text: str) -> bool:
    words = f"{one.seen.device_id} {one.seen.name} {one.seen.host} {one.identity.brand} {one.identity.maker}"
    words = f"{words} {one.identity.model} {one.identity.firmware} {' '.join(v.rule for v in one.findings)}".lower()
    return text.lower() in words and (
        not (topic or severity)
        or any(
            verdict.answer is Answer.AFFECTED
            and topic in ("", verdict.topic.value)
            and severity in ("", verdict.severity.value)
            for verdict in one.verdicts
        )
    )
