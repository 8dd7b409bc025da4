"""The page of the operator's own vehicles, over the real warden: what it lists, and that it repeats no plate."""

import asyncio

from tests.warden.office import draft

from custodes.access import keys, zones
from custodes.testing.passkey import FakeAuthenticator
from custodes.types.access import Principal, Role
from custodes.types.approval import EnrolKey, VouchForKey
from custodes.types.face import ZoneKind
from custodes.types.face_message import DecideZone, DraftZone

HTML = {"accept": "text/html"}


def approved_zone(site, kind: ZoneKind = ZoneKind.PLATES) -> str:
    """Drafted and approved by three people."""

    async def make() -> str:
        admin = Principal(user_id="a", name="A", roles=frozenset({Role.ADMINISTRATOR}))
        record = await site.warden.about_requests(DraftZone(principal=admin, draft=draft(kind=kind)))
        first = None
        for number, role in enumerate((Role.PRIVACY_OFFICER, Role.SUPERVISOR)):
            who, key = Principal(user_id=f"b{number}", name="B", roles=frozenset({role})), FakeAuthenticator()
            enrolled = key.enrolled(who.user_id)
            await site.warden.about_requests(EnrolKey(principal=who, key=enrolled, name="Key"))
            if first is not None:
                vouched = first[1].get(keys.digest(enrolled))
                await site.warden.about_requests(
                    VouchForKey(principal=first[0], credential_id=key.credential_id, assertion=vouched)
                )
            first = first or (who, key)
            signed = key.get(zones.digest(record.draft))
            record = await site.warden.about_requests(
                DecideZone(principal=who, zone_id=record.draft.zone_id, is_yes=True, note="", assertion=signed)
            )
        return record.draft.zone_id

    return asyncio.run(make())


def post(site, path, form):
    return site.client.post(path, data={**form, "csrf": site.csrf}, follow_redirects=True, headers=HTML)


def test_a_vehicle_is_listed_shown_without_its_plate_and_taken_off(make_site):
    site = make_site()
    site.claim(roles=("supervisor",))
    assert "no zone for plates yet" in site.client.get("/vehicles", headers=HTML).text
    zone_id = approved_zone(site)
    form = {"plate": "KA RL 4711", "label": "Van 3", "agreement": "signed, folder 7", "zones": zone_id, "days": "30"}
    answer = post(site, "/vehicles", form)
    assert "Van 3" in answer.text and "Take Van 3 off" in answer.text
    again = post(site, "/vehicles", form)
    assert "listed already" in again.text
    wrong = post(site, "/vehicles", {**form, "plate": "Quarterly"})
    assert "letters and digits" in wrong.text
    for page in (answer, again, wrong):
        assert "4711" not in page.text and "Quarterly" not in page.text
    vehicle_id = answer.text.split('action="/vehicles/')[1].split("/")[0]
    over = post(site, f"/vehicles/{vehicle_id}/end", {})
    assert "over" in over.text and "Take Van 3 off" not in over.text


def test_who_may_neither_enrol_nor_oversee_does_not_see_the_list(make_site):
    site = make_site()
    site.claim(roles=("operator",))
    assert site.client.get("/vehicles", headers=HTML).status_code == 403
