"""The report as PDF, for people who sign things: by `fpdf2` (extra `custodes[reports]`)."""

from collections.abc import Iterable

from fpdf import FPDF
from fpdf.enums import WrapMode, XPos, YPos

from custodes.fleet.audit import DeviceReport, FleetReport
from custodes.fleet.verdict import Answer

MAX_DEVICES = 2000
"""About 3,000 pages; beyond, CSV is for machines."""
_UNKNOWN_SHOWN = 6


def to_pdf(report: FleetReport, *, site: str) -> bytes:
    """Summary, the data it rests on, and a section for each device: findings, what is unknown, sources."""
    pdf = FPDF(format="A4")
    pdf.set_title(f"Fleet of {site}")
    pdf.set_auto_page_break(auto=True, margin=15)
    pdf.add_page()
    _line(pdf, f"Fleet of {site}", size=18, style="B")
    _line(pdf, f"Judged on {report.judged} by custodes from the answers of {len(report.devices)} devices.")
    affected = sum(bool(one.findings) for one in report.devices)
    _line(pdf, f"{affected} have findings. No finding is not 'safe': what no rule covers is unknown.")
    _line(pdf, "Data", size=13, style="B")
    for one in report.sets:
        _line(pdf, f"{one.title}: of {one.date}, {one.entries} entries")
    for verdict in report.about_data:
        _line(pdf, f"! {verdict.sentence}")
    for device in report.devices[:MAX_DEVICES]:
        _device(pdf, device)
    if len(report.devices) > MAX_DEVICES:
        _line(pdf, f"{len(report.devices) - MAX_DEVICES} more devices are not printed; the CSV has all.", style="B")
    return bytes(pdf.output())


def _device(pdf: FPDF, device: DeviceReport) -> None:
    seen, identity = device.seen, device.identity
    pdf.ln(3)
    _line(pdf, f"{seen.name or seen.device_id} ({seen.host})", size=13, style="B")
    maker = f"{'' if identity.is_maker_sure else 'probably '}{identity.maker}" if identity.maker else "unknown"
    _line(pdf, f"Brand {identity.brand or 'unknown'}; made by {maker}; model {identity.model or 'not told'}; "
               f"firmware {identity.firmware or 'not told'}.")  # fmt: skip
    for one in device.findings:
        _line(pdf, f"[{one.severity}] {one.rule}: {one.sentence}", style="B" if one.severity == "critical" else "")
        _line(pdf, f"Source: {one.source}; data of {one.data_date}.", size=8)
    unknown = [one.sentence for one in device.verdicts if one.answer is Answer.UNKNOWN]
    _line(pdf, f"Unknown: {' '.join(_few(unknown))}", size=9)


def _few(sentences: list[str]) -> Iterable[str]:
    yield from sentences[:_UNKNOWN_SHOWN]
    if len(sentences) > _UNKNOWN_SHOWN:
        yield f"And {len(sentences) - _UNKNOWN_SHOWN} more."


def _line(pdf: FPDF, text: str, *, size: int = 10, style: str = "") -> None:
    pdf.set_font("Helvetica", style=style, size=size)
    # The built-in fonts know Latin-1; another letter of a device's name becomes a question mark.
    printable = text.encode("latin-1", "replace").decode("latin-1")
    wrap = WrapMode.WORD if " " in text else WrapMode.CHAR
    pdf.multi_cell(0, size * 0.5, printable, new_x=XPos.LMARGIN, new_y=YPos.NEXT, wrapmode=wrap)
