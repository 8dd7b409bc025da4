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
    # Nothing that makes a template: that is loaded when a recognition zone of its cameras is on.
    "analyser": (
        *SQL,
        "sqlite3",
        *WEB,
        *PRIVATE,
        "custodes.face.gallery",
        "custodes.watermark",
        "custodes.face.embedding",
        "custodes.adapters.model.faces",
        "custodes.pipeline.recognition",
    ),
    "matcher": (*MEDIA, *WEB, *SQL, *PRIVATE, "http.client", "httpx"),
    "enroller": (*SQL, "sqlite3", *WEB, *PRIVATE, "custodes.face.gallery", "custodes.adapters.camera"),
    "warden": (*MEDIA, *WEB, *MODELS, "http.client", "httpx", "sqlalchemy"),
    "server": (*MEDIA, *MODELS, *PRIVATE, "custodes.adapters.camera", "custodes.face.gallery"),
    "backfiller": (*SQL, *WEB, *PRIVATE, "custodes.face"),
    "prober": (*SQL, "sqlite3", *WEB, *MODELS, *PRIVATE, "custodes.sealing", "custodes.watermark", "custodes.access"),
    "job": (*SQL, *WEB, *MODELS, *PRIVATE, "custodes.face"),
    "forker": (*SQL, *WEB, *MODELS, *PRIVATE, "custodes.face"),
}


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_process_when_imported_holds_nothing_it_must_not_reach(kind: str) -> None:
    listing = subprocess.run(
        [sys.executable, "-c", f"import json, sys, custodes.app.{kind}; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    loaded = set(json.loads(listing.stdout))
    assert f"custodes.app.{kind}" in loaded
    assert [name for name in FORBIDDEN[kind] if name in loaded] == []


@pytest.mark.parametrize("kind", [kind for kind in FORBIDDEN if kind != "supervisor"])
def test_process_when_it_starts_then_its_memory_is_hidden_before_it_reads_anything(kind: str) -> None:
    """Keys, clear packets, decoded pictures, templates, sessions: no core dump and no ptrace shows them."""
    code = f"""
import ctypes, resource, sys
from custodes.app.{kind} import main
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
sys.argv = ["{kind}", "--help"]
try:
    main()
except SystemExit:
    is_dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)  # PR_GET_DUMPABLE
    sys.exit(0 if not is_dumpable and resource.getrlimit(resource.RLIMIT_CORE) == (0, 0) else 1)
sys.exit(2)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=600, check=False).returncode == 0
