"""The pages a person finds in the navigation: one list, in the order of the rail. A new page adds its line here."""

from collections.abc import Callable
from dataclasses import dataclass

from custodes.types.access import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLink:
    """One entry. `offered_to`: who may do any of these sees it; empty: everybody who is logged in."""

    path: str
    label: str
    offered_to: tuple[Action, ...] = ()
    also: tuple[str, ...] = ()
    """Further paths, and all below them, on which this entry is the current one."""

    needs_centre: bool = False
    """Left out where no centre may ask for anything."""

    def is_current(self, path: str) -> bool:
        """Whether the page at `path` belongs to this entry."""
        places = self.also if self.path == "/" else (self.path, *self.also)
        return path == self.path or any(path == place or path.startswith(f"{place}/") for place in places)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageGroup:
    """What belongs together, under a heading."""

    label: str
    links: tuple[PageLink, ...]
    is_recognition: bool = False
    """Left out where recognition is switched off."""


PAGES = (
    PageGroup(
        label="Watch",
        links=(
            PageLink(path="/", label="Wall", also=("/cameras",)),
            PageLink(path="/review", label="Review", offered_to=(Action.READ_METADATA,)),
            PageLink(path="/search", label="Search", offered_to=(Action.READ_METADATA,)),
            PageLink(path="/traffic", label="Traffic", offered_to=(Action.READ_METADATA,)),
            PageLink(path="/flows", label="Flows", offered_to=(Action.READ_METADATA,)),
            PageLink(path="/map", label="Map", offered_to=(Action.READ_METADATA,)),
        ),
    ),
    PageGroup(
        label="Investigations",
        links=(
            PageLink(
                path="/cases",
                label="Cases",
                offered_to=(Action.FILE_REQUEST, Action.OPEN_CASE, Action.READ_CASES),
            ),
            PageLink(
                path="/requests",
                label="Requests",
                offered_to=(Action.FILE_REQUEST, Action.APPROVE, Action.REVIEW, Action.MANAGE_PEOPLE),
            ),
            PageLink(path="/exports", label="Exports", offered_to=(Action.FILE_REQUEST,)),
            PageLink(path="/erasures", label="Erasures", offered_to=(Action.FILE_REQUEST, Action.READ_PRIVACY)),
            PageLink(path="/leaks", label="Leaks", offered_to=(Action.FILE_REQUEST, Action.APPROVE)),
        ),
    ),
    PageGroup(
        label="Recognition",
        is_recognition=True,
        links=(
            PageLink(
                path="/faces/zones",
                label="Zones",
                offered_to=(Action.CONFIGURE_FACES, Action.APPROVE, Action.ENROL, Action.VERIFY_FACES),
            ),
            PageLink(path="/faces/people", label="Enrolled", offered_to=(Action.ENROL, Action.READ_PRIVACY)),
            PageLink(
                path="/faces/candidates", label="Candidates", offered_to=(Action.VERIFY_FACES, Action.READ_SIGHTINGS)
            ),
            PageLink(path="/faces/sightings", label="Sightings", offered_to=(Action.READ_SIGHTINGS,)),
            PageLink(path="/journeys", label="Journeys", offered_to=(Action.READ_SIGHTINGS, Action.APPROVE)),
            PageLink(path="/last-seen", label="Last seen", offered_to=(Action.READ_LAST_SEEN,)),
            PageLink(path="/protection", label="Protected", offered_to=(Action.PROTECT,)),
            PageLink(path="/faces/training", label="Training", offered_to=(Action.TRAIN, Action.READ_PRIVACY)),
            PageLink(path="/checkpoint", label="Checkpoint", offered_to=(Action.CHECKPOINT,)),
        ),
    ),
    PageGroup(
        label="Oversight",
        links=(
            PageLink(path="/log", label="Log", offered_to=(Action.READ_LOG,)),
            PageLink(
                path="/centre",
                label="Centre",
                offered_to=(Action.FILE_REQUEST, Action.APPROVE, Action.READ_LOG, Action.READ_PRIVACY),
                needs_centre=True,
            ),
            PageLink(
                path="/notices",
                label="Privacy",
                offered_to=(Action.READ_PRIVACY,),
                also=("/subject-access", "/privacy"),
            ),
        ),
    ),
    PageGroup(
        label="Site",
        links=(
            PageLink(path="/site/cameras", label="Cameras", offered_to=(Action.CONFIGURE,), also=("/site",)),
            PageLink(path="/rules", label="Rules", offered_to=(Action.CONFIGURE,)),
            PageLink(path="/people", label="People", offered_to=(Action.MANAGE_PEOPLE,)),
            PageLink(path="/vehicles", label="Vehicles", offered_to=(Action.ENROL, Action.READ_PRIVACY)),
            PageLink(path="/fleet", label="Fleet", offered_to=(Action.READ_FLEET,)),
            PageLink(path="/backfills", label="Analyse again", offered_to=(Action.ANALYSE,)),
            PageLink(path="/system", label="System"),
        ),
    ),
)

DECIDES = frozenset(action for group in PAGES for link in group.links for action in link.offered_to) | {
    Action.OPEN_CASE,
    Action.WATCH_LIVE,
}
"""Every action that an entry hangs on, and that a page asks about itself (`cases.html`, `wall.html`)."""


def offered(
    may: Callable[[Action], bool], *, is_recognition_on: bool, has_centre: bool = True
) -> tuple[PageGroup, ...]:
    """The groups with the entries that this person may follow; empty groups are left out."""
    shown = (
        PageGroup(
            label=group.label,
            links=tuple(
                link
                for link in group.links
                if (not link.offered_to or any(map(may, link.offered_to))) and (has_centre or not link.needs_centre)
            ),
        )
        for group in PAGES
        if is_recognition_on or not group.is_recognition
    )
    return tuple(group for group in shown if group.links)
