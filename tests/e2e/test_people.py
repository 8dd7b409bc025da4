"""People, decisions and the privacy report of a whole running site, from the terminal and over HTTP."""

from pathlib import Path

import httpx
import pytest

from custodes.testing.site import RunningSite
from custodes.testing.viewer import NAME, Viewer

pytestmark = pytest.mark.e2e


def test_people_are_let_in_explained_and_limited_from_the_terminal(tmp_path: Path) -> None:
    with RunningSite(tmp_path / "site", {"cameras": []}) as site:
        site.wait_for(lambda: site.token, "the first-boot token")
        ann = Viewer(site.address)
        ann.claim(site.token)
        invited = site.cli(
            "person", "invite", "Ben Ude", "--role", "operator", "--camera", "yard", "--duty", "22:00-06:00"
        )
        assert invited.returncode == 0, invited.stderr
        token = invited.stdout.splitlines()[-1]
        form = {"token": token, "password": "another four words", "password_again": "another four words"}
        ben = httpx.post(f"{site.address}/invitation", data=form, headers={"origin": site.address})
        assert ben.status_code == 303, ben.text
        listed = site.cli("person", "list").stdout
        assert "Ben Ude" in listed and "22:00-06:00" in listed and "yard" in listed

        what = ("--action", "play_back", "--purpose", "maintenance", "--reference", "7")
        asked = ("access", "explain", "--person", "Ben Ude", *what, "--camera")
        assert site.cli(*asked, "yard").stdout.startswith("yes: An operator may play back")
        refused = site.cli(*asked, "gate").stdout
        assert refused.startswith("no: This camera is not among") and "having this camera among theirs" in refused

        assert site.cli("person", "change", "Ben Ude", "--disable").returncode == 0
        assert site.cli(*asked, "yard").stdout.startswith("no:")
        last = site.cli("person", "change", NAME, "--role", "auditor")
        assert last.returncode != 0 and "administer" in last.stderr
        report = site.cli("privacy", "report").stdout
        assert report.startswith("# Record of processing") and "Recipients" in report

        assert ann.get("privacy")["sections"]
        page = ann.http.get("/requests", headers={"accept": "text/html"})
        assert page.status_code == 200 and "Nothing was asked for yet" in page.text
        assert site.cli("audit", "verify").stdout.startswith("good")
