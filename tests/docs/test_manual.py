"""The manual can be built, and says all that the code can be told."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from custodes.cli.main import COMMANDS
from custodes.config import SiteConfig

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manual") / "pages"
    command = [sys.executable, "-m", "mkdocs", "--quiet", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def text_of(page: Path) -> str:
    return re.sub(r"<[^>]+>", "", page.read_text("utf-8"))


def test_manual_has_every_key_of_the_configuration_and_every_command(manual: Path) -> None:
    settings = text_of(manual / "reference/configuration.html")
    assert [name for name in SiteConfig.model_fields if name not in settings] == []
    assert "cameras.second" in settings
    assert "Below the warden" in settings, "what stands below a field is its explanation"
    commands = text_of(manual / "reference/commands.html")
    assert [name for name in COMMANDS if f"custodes {name}" not in commands] == []


def test_manual_describes_the_api(manual: Path) -> None:
    api = text_of(manual / "reference/api.html")
    assert "GET /api/v1/cameras/{camera_id}/timeline" in api
    assert "<!--" not in api


def test_manuals_pages_fetch_nothing_from_elsewhere(manual: Path) -> None:
    loaded = re.compile(r"""<(?:script|img|iframe)[^>]+src=["'](https?:|//)|<link[^>]+href=["'](https?:|//)""")
    for page in manual.rglob("*.html"):
        assert not loaded.search(page.read_text("utf-8")), page
    for sheet in manual.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:|//)", sheet.read_text("utf-8")), sheet
