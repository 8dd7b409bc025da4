"""Login through a real provider, npm's oidc-provider with its own pages. Slow: not part of .ci/run."""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.web.conftest import PASSWORD, Site, site_in

from custodes.testing.ending import kill
from custodes.types.access import AuditKind

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
HOST = {"host": "localhost", "origin": "http://localhost"}
CALLBACK = "http://localhost/login/oidc/callback"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Installed from npm by name, started on a free loopback port."""
    if shutil.which("npm") is None:
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("oidc")
    for name in ("package.json", "provider.mjs"):
        shutil.copy(HERE / name, folder)
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True, timeout=300)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["node", "provider.mjs", str(port), CALLBACK], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    while b"ready" not in (line := process.stdout.readline()):
        assert line, "the provider ended"
    yield f"http://localhost:{port}"
    kill(process)


@pytest.fixture
def site(tmp_path: Path, issuer: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("OIDC_SECRET", "test secret of no worth")
    provider = {"issuer": issuer, "client_id": "custodes", "client_secret": "env:OIDC_SECRET", "label": "Company"}
    with site_in(tmp_path, oidc=provider, clock="real") as made:
        made.claim()
        yield made


def depart(site: Site, *, link: bool = False) -> str:
    if link:
        answer = site.client.post("/me/oidc", headers={**HOST, "x-csrf-token": site.csrf})
    else:
        answer = site.client.get("/login/oidc", headers=HOST)
    assert answer.status_code == 200, answer.text
    found = re.search(r'content="0;url=([^"]+)"', answer.text)
    assert found is not None
    return found[1].replace("&amp;", "&")


def sign_in(address: str, login: str) -> dict[str, str]:
    """What a person does at the provider: name, any password, consent. Returns state and code of the way back."""
    with httpx.Client(follow_redirects=False, timeout=60) as browser:
        answer = browser.get(address)
        for _ in range(12):
            if answer.is_redirect:
                target = httpx.URL(address).join(answer.headers["location"])
                if str(target).startswith(CALLBACK):
                    return {name: values[0] for name, values in parse_qs(urlsplit(str(target)).query).items()}
                answer = browser.get(target)
                continue
            action = re.search(r'<form[^>]*action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert action is not None and prompt is not None, answer.text[:500]
            form = {"prompt": prompt[1], "login": login, "password": "any"}
            answer = browser.post(httpx.URL(address).join(action[1]), data=form)
    raise AssertionError("the provider never sent us back")


def arrive(site: Site, query: dict[str, str]) -> httpx.Response:
    return site.client.get("/login/oidc/callback", params=query, headers=HOST)


def test_account_when_linked_logs_in_through_the_provider_and_a_stranger_does_not(site: Site) -> None:
    stranger = arrive(site, sign_in(depart(site), "ada"))
    assert stranger.status_code == 401
    assert "no account here is linked" in stranger.text
    site.client.cookies.clear()
    site.log_in(password=PASSWORD)
    assert arrive(site, sign_in(depart(site, link=True), "ada")).status_code == 200
    site.client.cookies.clear()
    query = sign_in(depart(site), "ada")
    assert arrive(site, query).status_code == 200
    assert site.client.get("/api/v1/session").status_code == 200
    assert site.warden.log.read(0, 999)[-1].record.kind is AuditKind.LOGIN
    assert arrive(site, query).status_code == 401, "a second time"
    site.client.cookies.clear()
    assert arrive(site, sign_in(depart(site), "eve")).status_code == 401


def test_answer_for_another_browser_or_with_a_forged_state_is_refused(site: Site) -> None:
    query = sign_in(depart(site), "ada")
    cookies = dict(site.client.cookies)
    site.client.cookies.clear()
    assert arrive(site, query).status_code == 401
    site.client.cookies.update(cookies)
    assert arrive(site, {**query, "state": "forged"}).status_code == 401
    assert arrive(site, {}).status_code == 401
    depart(site)
    assert arrive(site, {**query, "code": "forged"}).status_code == 401
