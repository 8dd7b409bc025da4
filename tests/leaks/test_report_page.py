"""A finding as a page: what may and may not be concluded stands there for every verdict; text of people is escaped."""

import json

import pytest

from custodes.leaks.report_page import report_page

TOLD = {
    "verdict": "named", "site": "Yard <b>", "reference": "2026-7 <script>", "created_ns": 1_767_225_600 * 10**9,
    "traced_by": ["Ann", "Ben"], "software": "custodes 1", "place": "The picture shows the view of camera gate.",
    "sentence": "The picture derives from the copy delivered to session S.", "may_not_conclude": "It says not who.",
    "picture_sha256": "ab" * 32, "trials": 40, "decoys": 10_000, "decoy_z_max": 3.9,
    "cameras": {"gate": {"found": True, "likeness": 0.99, "error": ""}},
    "named": [{"session": "S", "slot_start_ns": 1_767_225_600 * 10**9, "z": 20.1, "session_layer_z": 9.0,
               "view": "masked", "granted_index": 3, "released_index": 4}],
    "shown_to": [{"person": "<i>Eve", "purpose": "case", "reference": "7", "fidelity": "masked", "granted_index": 3,
                  "granted_ns": 1_767_225_600 * 10**9, "session_id": "S"}],
}  # fmt: skip


@pytest.mark.parametrize(
    "verdict", ["named", "composite", "supported", "transplanted", "unmarked", "unseen", "found", "not ours"]
)
def test_page_when_made_then_says_what_may_and_may_not_be_concluded(verdict: str) -> None:
    told = {**TOLD, "verdict": verdict}
    if verdict in ("found", "not ours"):
        for name in ("named", "shown_to", "decoys", "trials", "decoy_z_max"):
            told.pop(name)
    page = report_page(json.loads(json.dumps(told)), b"\xff\xd8\xff", "image/jpeg")
    assert "What may be concluded" in page and "It says not who." in page
    assert "leaked it" not in page
    assert "<script" not in page and "<i>Eve" not in page and "Yard <b>" not in page
    assert "data:image/jpeg;base64" in page
    assert "//" not in page.replace("</", ""), "nothing is fetched"
