"""The API's description, the answers that it describes, and the client that is made from it.

`python -m tests.web.test_client` (`make client`) writes the client anew.
"""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import uvicorn
from pydantic import TypeAdapter
from tests.web.conftest import Site, site_in

import custodes
from custodes.web.api_client import client_source
from custodes.web.api_description import ANSWERS, examples

CLIENT = Path(custodes.__file__).parents[1] / "custodes_client.py"


def made(site: Site) -> str:
    """The client's source, as ruff would have it."""
    source = client_source(site.app.openapi(), {name for name, _ in ANSWERS.values()})
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(CLIENT), "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True, timeout=120).stdout


def test_client_is_that_of_the_api(site: Site) -> None:
    assert CLIENT.read_text("utf-8") == made(site), "the API has changed: `make client`, and look at what it changes"


def test_description_names_each_answer_and_every_example_fits(site: Site) -> None:
    tree = site.app.openapi()
    assert site.app.openapi() is tree
    reads = {path for path, methods in tree["paths"].items() if "get" in methods}
    assert set(ANSWERS) <= reads
    typed = 0
    for path, (name, shape) in ANSWERS.items():
        operation = tree["paths"][path]["get"]
        assert operation["operationId"] == name
        if shape is not None:
            content = operation["responses"]["200"]["content"]["application/json"]
            assert content["example"] == examples()[path]
            TypeAdapter(shape).validate_python(content["example"], strict=True)
            typed += 1
    assert typed >= 25


ASKED = {
    "/api/v1/tracks": "from=0&to=1",
    "/api/v1/cameras/{camera_id}/timeline": "from=0&to=1",
    "/api/v1/cameras/{camera_id}/tracks": "from=0&to=1",
    "/api/v1/cameras/{camera_id}/boxes": "at=1",
    "/api/v1/cameras/{camera_id}/masks": "at=1",
    "/api/v1/cameras/{camera_id}/traffic": "from=0&to=1",
    "/api/v1/flows": "from=0&to=3600000000000",
    "/api/v1/review": "camera=gate&from=0&to=9",
    "/api/v1/search": "camera=gate&from=0&to=9",
}
NOT_ASKED = {"/api/v1/log/{index}/proof", "/api/v1/cases/{number}", "/api/v1/subject-access"}


def test_answers_are_what_the_description_says(claimed: Site) -> None:
    """On a site where little has happened; the examples are of one where more has."""
    asked = 0
    for path, (_, shape) in ANSWERS.items():
        if shape is None or path in NOT_ASKED:
            continue
        answer = claimed.client.get(f"{path.format(camera_id='gate')}?{ASKED.get(path, '')}")
        if answer.status_code in (403, 503):
            continue  # not for these roles, or nobody measures here
        assert answer.status_code == 200, (path, answer.text)
        TypeAdapter(shape).validate_python(answer.json(), strict=True)
        asked += 1
    assert asked >= 12


@pytest.fixture
def address(claimed: Site):
    """The application over a real socket."""
    config = uvicorn.Config(claimed.app, port=0, log_level="warning", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    ends = time.monotonic() + 60
    while not server.started and time.monotonic() < ends:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(30)


def test_client_reads_a_site_over_http(claimed: Site, address: str) -> None:
    import custodes_client  # not by this module: it also makes the client anew, whatever became of the old one

    page = claimed.client.post(
        "/me/tokens", data={"csrf": claimed.csrf, "name": "script", "days": 1, "roles": ["operator", "auditor"]}
    ).text
    token = page.split('id="api-token">')[1].split("<")[0]
    client = custodes_client.Client(address, token)
    assert [one["camera_id"] for one in client.cameras()["cameras"]] == ["gate", "yard"]
    assert client.session()["name"] == "Ada Lovelace"
    lanes = client.lanes(start_ns=0, end_ns=9, camera=["gate", "yard"])
    assert [one["camera_id"] for one in lanes["lanes"]] == ["gate", "yard"]
    assert client.timeline("gate", start_ns=0, end_ns=9)["recorded"] == []
    assert client.log(limit=1)["entries"][0]["sentence"]
    assert "custodes_" in client.metrics()
    with pytest.raises(custodes_client.ApiError, match="404 not_found: There is no camera"):
        client.lanes(start_ns=0, end_ns=9, camera=["none"])
    with pytest.raises(custodes_client.ApiError) as refused:
        custodes_client.Client(address, "wrong").cameras()
    assert refused.value.status == 401
    for wrong in ("cameras.example", "ftp://x", "http://x/path"):
        with pytest.raises(ValueError, match="expected an address"):
            custodes_client.Client(wrong, token)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, site_in(Path(folder)) as fresh:
        CLIENT.write_text(made(fresh), "utf-8")
