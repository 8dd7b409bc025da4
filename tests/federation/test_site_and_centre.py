"""A whole site and a whole centre, as their users start them, over a NATS server with accounts."""

import base64
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from custodes.app.centre import centre_store
from custodes.cli.main import custodes as command
from custodes.testing.ending import kill
from custodes.testing.nats import running_nats
from custodes.testing.site import RunningSite

pytestmark = pytest.mark.e2e

CENTRE = "council.example/centre"
PASSWORD = "only for this test"


def custodes(*words: str) -> str:
    """In this process: a start of the command costs seconds on a busy machine."""
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


class CentreProcess:
    def __init__(self, config: Path) -> None:
        self.config = config
        self.address = ""
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "custodes.cli.main", "centre", "up", "--config", str(config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "CENTRE_PASSWORD": PASSWORD},
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.search(r"http://\S+", line):
                self.address = found.group()

    def page(self, path: str, password: str = PASSWORD) -> str:
        token = base64.b64encode(f"centre:{password}".encode()).decode()
        request = urllib.request.Request(self.address + path, headers={"authorization": f"Basic {token}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            return str(answer.read().decode())

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


def cosigned(data_dir: Path) -> list[str]:
    with sqlite3.connect(f"file:{data_dir}/warden/log.db?mode=ro", uri=True) as connection:
        return [name for (name,) in connection.execute("SELECT witness FROM cosigned")]


def answer(config: Path) -> str:
    (row,) = json.loads(custodes("centre", "answers", "--json", "--config", str(config)))
    return str(row["answer"])


def test_site_tells_a_centre_that_witnesses_its_log_and_is_shown_on_its_page(tmp_path: Path) -> None:
    folder = tmp_path
    keys = custodes("centre", "init", str(folder / "centre"), "--name", CENTRE).split()
    with running_nats() as server:
        federation = {
            "nats": {"url": server.url},
            "centre": keys,
            "share": ["health", "log", "fleet", "counts", "flows", "cases"],
            "every_s": 1,
        }
        with RunningSite(folder / "site", {"cameras": [], "federation": federation}) as site:
            (told,) = yaml.safe_load(custodes("federation", "key", "--data", str(site.data_dir)))
            (folder / "site.log").write_text(custodes("audit", "keys", "--data", str(site.data_dir)))
            tree = {
                "data_dir": "centre",
                "nats": {"url": server.url},
                "page": {"port": 0, "password": "env:CENTRE_PASSWORD"},
                "sites": [{**told, "name": "Town hall", "log": "site.log", "latitude": 52.5, "longitude": 13.4}],
            }
            (folder / "centre.yaml").write_text(yaml.safe_dump(tree))
            centre = CentreProcess(folder / "centre.yaml")
            try:
                site.wait_for(lambda: centre.address, "the centre's address")
                store = centre_store(folder / "centre")
                site.wait_for(lambda: store.site(told["id"]).log_size > 0, "a witnessed checkpoint")
                store.close()
                seen = centre.page("/")
                assert "Town hall" in seen and "not witnessed" not in seen
                assert "entries, witnessed" in centre.page(f"/sites/{told['id']}")
                with pytest.raises(urllib.error.HTTPError, match="401"):
                    centre.page("/", "a guess")
                site.wait_for(lambda: cosigned(site.data_dir) == [CENTRE], "its signature at the site")
                (row,) = json.loads(custodes("centre", "sites", "--json", "--config", str(centre.config)))
                assert (row["name"], row["cameras"], row["alarm"], row["refused"]) == ("Town hall", 0, "", 0)
                word = tmp_path / "word"
                word.write_text("four words in a row")
                custodes(
                    "centre", "person", "add", "Ada", "--password-file", str(word), "--config", str(centre.config)
                )
                about = (
                    "--as",
                    "Ada",
                    "--password-file",
                    str(word),
                    "--case",
                    "C-7",
                    "--reason",
                    "a bag",
                    "--from",
                    "1h",
                )
                custodes("centre", "ask", *about, "--config", str(centre.config))
                site.wait_for(lambda: answer(centre.config) != "waits", "an answer")
                assert answer(centre.config) == "refused: none of these cameras is here"
                assert centre.stop() == 0
            finally:
                kill(centre.process)
            assert site.stop() == 0
