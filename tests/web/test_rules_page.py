"""The page of rules: written, tried, taken away; what is wrong is said; secrets are named, never read from files."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.web.test_site_cameras import HTML

from custodes.testing.catalog import make_spec
from custodes.types.access import AuditKind

RULE = {"name": "crowd", "camera": "gate", "cause": "people_above", "value": "20", "webhook": "http://127.0.0.1:9/x"}


@pytest.fixture
def ruled(claimed):
    claimed.catalog.put_cameras([make_spec("gate")], is_exclusive=False)
    return claimed


def post(site, path, **form):
    return site.client.post(path, data={"csrf": site.csrf, **form}, headers=HTML)


def shown(site):
    return site.client.get("/rules", headers=HTML).text


def test_a_rule_is_written_shown_in_force_in_the_log_and_taken_away(ruled):
    assert "No rule yet" in shown(ruled)
    assert post(ruled, "/rules", **RULE).status_code == 303
    text = shown(ruled)
    assert "crowd" in text and "More people in view than 20" in text and "Main gate" in text
    assert "webhook 127.0.0.1" in text and "nothing to tell since" in text
    assert ruled.catalog.rules().rules == (
        '{"name":"crowd","camera":"gate","people_above":20,"webhook":{"url":"http://127.0.0.1:9/x"}}',
    )
    assert ruled.warden.kinds()[-1] is AuditKind.CONFIG_CHANGED
    assert post(ruled, "/rules/remove", name="crowd").status_code == 303
    assert "No rule yet" in shown(ruled)
    assert ruled.warden.kinds().count(AuditKind.CONFIG_CHANGED) >= 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "at least 1 character"),
        ({"camera": "nowhere"}, "There is no camera nowhere"),
        ({"cause": "weather"}, "Choose what the rule is about"),
        ({"value": ""}, "Say a value"),
        ({"value": "many"}, "valid integer"),
        ({"webhook": ""}, "tells nobody"),
        ({"webhook_secret": "file:/etc/shadow"}, "CUSTODES_RULE_"),
        ({"webhook_secret": "env:PATH"}, "CUSTODES_RULE_"),
        ({"webhook_secret": "env:CUSTODES_RULE_NONE"}, "cannot be read"),
        ({"part": "till"}, "is about none"),
        ({"cause": "service_from", "value": "g"}, "should be"),
        ({"mail_server": "smtp://m.example.org"}, "email"),
    ],
    ids=lambda one: next(iter(one.items()), None) if isinstance(one, dict) else "",
)
def test_what_is_wrong_with_a_rule_is_said_and_what_was_typed_stays(ruled, changes, words):
    answer = post(ruled, "/rules", **{**RULE, **changes})
    assert answer.status_code == 400
    assert words in answer.text
    assert "http://127.0.0.1:9/x" in answer.text or "webhook" in changes
    assert ruled.catalog.rules() is None


def test_a_name_is_there_once_and_a_rule_that_is_not_there_is_not_removed_or_tried(ruled):
    post(ruled, "/rules", **RULE)
    assert "already" in post(ruled, "/rules", **RULE).text
    assert post(ruled, "/rules/remove", name="none").status_code == 404
    assert post(ruled, "/rules/test", name="none").status_code == 404


def test_a_test_message_says_who_took_it_and_who_did_not(ruled):
    took = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            took.append((self.headers["webhook-signature"], self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/hook"
        post(ruled, "/rules", **{**RULE, "webhook": address, "webhook_secret": "env:CUSTODES_RULE_HOOK"})
        assert "took the test message" in post(ruled, "/rules/test", name="crowd").text
        server.shutdown()
    assert len(took) == 1 and took[0][0].startswith("v1,") and b'"is_test": true' in took[0][1]
    assert "does not answer" in post(ruled, "/rules/test", name="crowd").text


def test_two_people_do_not_undo_each_other(ruled):
    post(ruled, "/rules", **RULE)
    post(ruled, "/rules", **{**RULE, "name": "other"})
    assert [one.count("name") for one in ruled.catalog.rules().rules] == [1, 1]
