"""A change of networks, and people whose basis was recorded by somebody else, over the warden's real desks."""

from dataclasses import replace

import pytest
from tests.warden.conftest import Site
from tests.warden.office import ADMIN, BOSS, CONTRACT, DAY, WORDS, Office, face, person, template, through

from custodes.access.enrolment import SAMPLES_MAX
from custodes.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from custodes.face.filling import GalleryFiller
from custodes.face.matching import Matching
from custodes.types.access import AuditKind, Role
from custodes.types.face import BasisKind, EnrolmentPhase, LegalBasis
from custodes.types.face_message import (
    BeginSample,
    ForgetNetwork,
    InviteEnrolment,
    ReadEnrolments,
    ReadGalleryChanges,
    ReadInvitation,
    ReadModels,
    RenewInvitation,
    ReviewEnrolment,
    WithdrawConsent,
)
from custodes.units import Ns

NEXT = "face-reidentification-retail-0095:8899aabbccddeeff"
OLD_NAME, NEXT_NAME = CONTRACT.partition(":")[0], NEXT.partition(":")[0]
OTHER_BOSS = person(9, Role.SUPERVISOR)
PAPER = LegalBasis(kind=BasisKind.EXPLICIT_CONSENT, reference="signed on paper, binder 4, page 12")


class Follower:
    """A matcher that goes on reading."""

    def __init__(self, office: Office) -> None:
        self.matching = Matching()
        self._filler = GalleryFiller(self.matching)
        self._office = office

    async def read(self) -> Matching:
        while True:
            message = ReadGalleryChanges(version=self.matching.version, limit=10, roster=self._filler.roster)
            changes = await self._office.process(message)
            if not self._filler.take(changes):
                self.matching.clear()
                self._filler = GalleryFiller(self.matching)
            elif changes.is_complete:
                return self.matching


def test_matcher_when_somebody_is_reviewed_early_then_goes_on_reading(site: Site) -> None:
    async def main(office: Office) -> None:
        zone_id = await office.zone()
        person_id, *_ = await office.enrolled(1, (zone_id,))
        follower = Follower(office)
        assert (await follower.read()).gallery.templates == 3
        await office.ask(ReviewEnrolment(principal=BOSS, person_id=person_id))
        assert (await follower.read()).gallery.templates == 3
        await office.enrolled(2, (zone_id,))
        assert (await follower.read()).gallery.templates == 6

    through(site, main)


def test_change_of_networks_from_new_links_to_the_end_of_the_former(site: Site) -> None:
    async def main(office: Office) -> None:
        zone_id = await office.zone()
        person_id, token, _ = await office.enrolled(1, (zone_id,))
        _, other, _ = await office.enrolled(2, (zone_id,), samples=SAMPLES_MAX)
        renewed = (await office.ask(RenewInvitation(principal=BOSS, person_id=person_id))).token
        with pytest.raises(PermissionDenied):
            await office.ask(ReadInvitation(token=token))
        allowed = await office.process(BeginSample(token=other, contracts=(NEXT, CONTRACT)))
        assert allowed.contracts == (NEXT,), "of the former there are enough"
        for given, number in ((renewed, 1), (other, 2)):
            for look in range(3):
                kept = await office.process(replace(template(given, face(number, look)), contract=NEXT))
            assert kept.templates == 3
            if given == renewed:
                with pytest.raises(FailedPrecondition, match="1 people have too few"):
                    await office.ask(ForgetNetwork(principal=BOSS, network=OLD_NAME, kept=NEXT_NAME))
        rows = (await office.ask(ReadModels(principal=BOSS))).people
        assert [[(one.contract, one.templates) for one in row.counts] for row in rows] == [
            [(CONTRACT, 3), (NEXT, 3)],
            [(CONTRACT, 8), (NEXT, 3)],
        ]
        follower = Follower(office)
        assert (await follower.read()).gallery.templates == 17, "the former compares until it is forgotten"
        gone = await office.ask(ForgetNetwork(principal=BOSS, network=OLD_NAME, kept=NEXT_NAME))
        assert gone.templates == 11
        matching = await follower.read()
        assert matching.gallery.contracts == (f"{zone_id}/{NEXT}",)
        assert matching.gallery.templates == 6
        shown = await office.ask(ReadInvitation(token=other))
        assert (shown.phase, shown.enrolment.templates) == (EnrolmentPhase.ACTIVE, 3)

    through(site, main)
    assert {AuditKind.INVITATION_RENEWED, AuditKind.NETWORK_FORGOTTEN} <= set(site.kinds())


@pytest.mark.parametrize("names", [(OLD_NAME, OLD_NAME), ("", OLD_NAME)], ids=["the same", "none"])
def test_former_network_when_it_is_no_other_then_nothing_goes(site: Site, names: tuple[str, str]) -> None:
    async def main(office: Office) -> None:
        with pytest.raises(InvalidArgument):
            await office.ask(ForgetNetwork(principal=BOSS, network=names[0], kept=names[1]))
        with pytest.raises(PermissionDenied):
            await office.ask(ForgetNetwork(principal=ADMIN, network=OLD_NAME, kept=NEXT_NAME))

    through(site, main)


def test_recorded_basis_when_another_looked_then_and_only_then_compared(site: Site) -> None:
    async def main(office: Office) -> None:
        zone_id = await office.zone()
        asked = InviteEnrolment(
            principal=BOSS, name="N7", purpose=WORDS, zone_ids=(zone_id,), basis=PAPER,
            expires_ns=Ns(site.clock.now_ns() + 10 * DAY),
        )  # fmt: skip
        for changed in (replace(asked, zone_ids=()), replace(asked, may_follow=True),
                        replace(asked, basis=replace(PAPER, reference="paper"))):  # fmt: skip
            with pytest.raises(InvalidArgument):
                await office.ask(changed)
        made = await office.ask(asked)
        for look in range(3):
            await office.process(template(made.token, face(7, look)))
        follower = Follower(office)
        assert (await follower.read()).gallery.templates == 0
        with pytest.raises(PermissionDenied):
            await office.ask(ReviewEnrolment(principal=BOSS, person_id=made.enrolment.person_id))
        (row,) = (await office.ask(ReadEnrolments(principal=OTHER_BOSS))).enrolments
        assert (row.reference, row.phase) == (PAPER.reference, EnrolmentPhase.REVIEW_OVERDUE)
        await office.ask(ReviewEnrolment(principal=OTHER_BOSS, person_id=made.enrolment.person_id))
        assert (await follower.read()).gallery.templates == 3
        await office.ask(WithdrawConsent(token=made.withdraw_token))
        assert (await follower.read()).gallery.templates == 0

    through(site, main)
    files = [one for one in site.paths.data_dir.rglob("*") if one.is_file()]
    assert any(one.name == "faces.db" for one in files)
    assert not any(PAPER.reference.encode() in one.read_bytes() for one in files)
