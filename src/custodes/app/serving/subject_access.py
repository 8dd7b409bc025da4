"""What goes into an export beside the film for a person who asked for their data: who saw them."""

from custodes.access.subject import SubjectFacts, papers
from custodes.app.serving.view import ViewOrder
from custodes.config import SiteConfig
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import PurposeKind
from custodes.types.stream import camera_of
from custodes.web.looks import LookBook

MAX_ENTRIES_READ = 2_000_000
"""Of the log: months of a busy site, in about a minute."""


async def papers_of(
    order: ViewOrder, *, catalog: AsyncCatalog, warden: Warden, clock: Clock, config: SiteConfig
) -> dict[str, bytes]:
    """The papers by file name; none for another purpose. Raises: Unavailable."""
    if order.purpose.kind is not PurposeKind.SUBJECT_ACCESS:
        return {}
    camera_id = camera_of(order.camera_id)
    spec = next((one for one in await catalog.cameras() if one.camera_id == camera_id), None)
    usual_h = config.retention.max_age_h
    said = config.privacy
    book = LookBook(warden=warden, clock=clock, timezone=config.access.timezone)
    found, is_all = await book.all_who_saw(camera_id, order.start_ns, order.end_ns, max_entries=MAX_ENTRIES_READ)
    facts = SubjectFacts(
        site_name=config.name,
        camera_name=spec.name if spec is not None else camera_id,
        start_ns=order.start_ns,
        end_ns=order.end_ns,
        reference=order.purpose.reference,
        tracks=tuple(f"{run}/{track_id}" for run, track_id in order.shown),
        controller=said.controller,
        contact=said.contact,
        purpose=said.purpose,
        legal_basis=said.legal_basis,
        retention_h=usual_h if spec is None else spec.kept_h(usual_h),
        has_names=said.subject_access_names,
        reaches_back=is_all,
    )
    return papers(facts, found)
