"""What each process may hold or reach (DESIGN section 2), checked on the modules it has really imported."""

import json
import subprocess
import sys

import pytest

WEB = ("fastapi", "starlette", "uvicorn", "custodes.web")
SQL = ("sqlalchemy", "alembic", "custodes.adapters.sql")
MODELS = ("onnxruntime", "openvino", "custodes.adapters.model")
PRIVATE = ("custodes.sealing.unwrap", "custodes.adapters.keys")
MEDIA = ("av", "custodes.media")

FORBIDDEN = {
    "supervisor": (*MEDIA, *SQL, *WEB, *MODELS, *PRIVATE),
    "recorder": (*MODELS, *SQL, "sqlite3", *WEB, *PRIVATE, "custodes.watermark", "ray"),
    "analyser": (*SQL, "sqlite3", *WEB, *PRIVATE, "custodes.sealing", "custodes.face.gallery", "custodes.watermark"),
    "matcher": (*MEDIA, *WEB, *SQL, *PRIVATE, "http.client", "httpx"),
    "warden": (*MEDIA, *WEB, *MODELS, "http.client", "httpx", "sqlalchemy"),
    "server": (*MEDIA, *MODELS, *PRIVATE, "custodes.adapters.camera", "custodes.face.gallery"),
    "job": (*SQL, *WEB, *MODELS, *PRIVATE, "custodes.face"),
}


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_process_when_imported_holds_nothing_it_must_not_reach(kind: str) -> None:
    listing = subprocess.run(
        [sys.executable, "-c", f"import json, sys, custodes.app.{kind}; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = set(json.loads(listing.stdout))
    assert f"custodes.app.{kind}" in loaded
    assert [name for name in FORBIDDEN[kind] if name in loaded] == []
