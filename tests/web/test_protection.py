"""Protected persons over HTTP: invitation, signature, the person's own page; what a requester sees of it: nothing."""

import asyncio
import json
import re

import numpy as np
import pytest
from tests.web.test_people import accept, invite
from tests.web.test_requests import Person, asked

import custodes_verify
from custodes.audit.export import policy_text
from custodes.testing.audit import fake_signer
from custodes.types.face_message import PutTemplate

HERE = {"origin": "http://localhost", "host": "localhost"}


@pytest.fixture
def officer(claimed):
    ann = Person(claimed)
    accept(claimed, invite(claimed, roles=("privacy_officer",)))
    return ann, Person(claimed)


def protected(site, officer) -> str:
    """Somebody who asked for it, signed, and gave a picture; returns the path of their own page."""
    made = officer.post("/protection/invite", name="Cleo Ray", reason="I was followed here before")
    token = re.search(r"/enrol/([\w-]{43})", made.text).group(1)
    shown = site.client.get(f"/enrol/{token}").text
    assert "compared only with the faces in recordings that somebody asks to unmask" in shown
    sha256 = re.search(r'name="sha256" value="(\w+)"', shown).group(1)
    form = {"signature": "Cleo Ray", "agree": "yes", "sha256": sha256}
    signed = site.client.post(f"/enrol/{token}/sign", data=form, headers=HERE).text
    vector = np.ones(128, np.float32)
    template = PutTemplate(token=token, contract="dlib-face-resnet:1", vector=vector, quality=0.9, picture=b"jpeg")
    asyncio.run(site.warden.faces.answer_process(template))
    return re.search(r"/protected/[\w-]{43}", signed).group(0)


def test_protected_person_signs_for_it_and_reads_their_own_page(claimed, officer):
    path = protected(claimed, officer[1])
    claimed.client.cookies.clear()
    own = claimed.client.get(path).text
    assert "You are protected" in own
    assert "Nobody has asked for a picture of you" in own
    assert claimed.client.get("/protected/" + "x" * 43).status_code == 404
    assert claimed.client.post(path.replace("protected", "withdraw"), headers=HERE).status_code == 200
    assert "You are not protected here any more" in claimed.client.get(path).text


def test_withdrawal_gives_a_certificate_that_is_checked_without_the_site(claimed, officer):
    own = protected(claimed, officer[1])
    path = own.replace("protected", "withdraw")
    claimed.client.cookies.clear()
    assert claimed.client.get(f"{path}/certificate").status_code == 409
    assert "Take it back</button>" in claimed.client.get(path).text
    done = claimed.client.post(path, headers=HERE).text
    assert f'href="{path}/certificate"' in done and "Take it back</button>" not in done
    size = claimed.warden.log.size
    assert "certificate" in claimed.client.post(path, headers=HERE).text and claimed.warden.log.size == size
    assert "Take it back</button>" not in claimed.client.get(path).text
    assert f'href="{path}/certificate"' in claimed.client.get(own).text
    answer = claimed.client.get(f"{path}/certificate")
    assert answer.headers["content-disposition"].startswith("attachment")
    policy = custodes_verify.parse_policy(policy_text(fake_signer().keys, []))
    proven = custodes_verify.verify_proof(answer.text, policy)
    assert (proven.index, proven.entry["kind"], proven.entry["actor"]) == (
        size - 1,
        "templates_destroyed",
        "process:warden",
    )
    assert len(proven.entry["details"]["signed_text"]) == 64
    assert "Cleo" not in json.dumps(proven.entry)
    with pytest.raises(custodes_verify.Wrong):
        custodes_verify.verify_proof(answer.text.replace(f"index {size - 1}", f"index {size - 2}"), policy)
    assert claimed.client.get("/withdraw/" + "x" * 43 + "/certificate").status_code == 404


def test_request_page_when_the_site_protects_somebody_then_hides_who_voted_from_who_asked(claimed, officer):
    ann, boss = officer
    protected(claimed, boss)
    request_id = asked(ann)
    boss.enrol()
    assert boss.approve(request_id).status_code == 200
    own, others = ann.get(f"/requests/{request_id}").text, boss.get(f"/requests/{request_id}").text
    assert "2 wanted; whose word is there you see when it is decided" in own
    assert "signed with a passkey" not in own
    assert "1 of 2" in others
    assert "signed with a passkey" in others
    assert "1 of 2" not in ann.get("/requests").text


def test_officer_page_when_nobody_asked_yet_then_says_so(claimed, officer):
    ann, boss = officer
    assert "Nobody has asked to be protected." in boss.get("/protection").text
    assert ann.get("/protection").status_code == 403
