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


# Keys, clear packets, decoded pictures, templates, sessions: no core dump and no ptrace shows them, from before a
# process reads anything. The supervisor, which holds none of these, has no `main`.
_BEGIN = """
import ctypes, json, resource, sys
import custodes.app.{kind} as process
loaded = sorted(sys.modules)
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
sys.argv = ["{kind}", "--help"]
try:
    getattr(process, 'main', lambda: None)()
except SystemExit:
    pass
is_dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)  # PR_GET_DUMPABLE
print()
print(json.dumps([loaded, not is_dumpable and resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)]))
"""


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_process_when_it_begins_then_it_holds_nothing_it_must_not_reach_and_hides_its_memory(kind: str) -> None:
    begun = subprocess.run(
        [sys.executable, "-c", _BEGIN.replace("{kind}", kind)], capture_output=True, text=True, timeout=600, check=True
    )
    loaded, is_hidden = json.loads(begun.stdout.splitlines()[-1])
    assert f"custodes.app.{kind}" in loaded
    assert [name for name in FORBIDDEN[kind] if name in set(loaded)] == []
    assert is_hidden or kind == "supervisor"
