"""Rules: what they tell, how often, to whom; a real HTTP and a real SMTP receiver."""

import asyncio
import base64
import hashlib
import hmac
import json
import socketserver
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import ValidationError

from custodes.adapters.notify import senders
from custodes.adapters.sql import sqlite_catalog
from custodes.app.serving.passages import PassageWatch, passage_parts
from custodes.app.serving.rule_senders import watched_rules
from custodes.app.serving.rule_state import Watched
from custodes.app.serving.rules import TRIES, RuleService
from custodes.config.rules import RuleConfig
from custodes.errors import ConfigError, Unavailable
from custodes.testing.catalog import make_quarter, make_spec
from custodes.testing.clock import ManualClock
from custodes.testing.media import vouch
from custodes.testing.web import InlineCatalog
from custodes.types.event import SiteEvent, SiteEventKind
from custodes.types.plate import Passage, PassageList, ReadPassages
from custodes.types.scene import CameraScene, QueueArea
from custodes.types.traffic import Incident, IncidentKind, Queue
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_S, CameraId, Ns, RunId

HOOK = {"webhook": {"url": "http://127.0.0.1:9/hook"}}
WRONG_WAY = Incident(
    camera_id=CameraId("gate"),
    kind=IncidentKind.WRONG_WAY,
    road="entry",
    start_ns=Ns(10 * NS_PER_S),
    found_ns=Ns(11 * NS_PER_S),
    end_ns=Ns(11 * NS_PER_S),
    is_over=False,
    object_class=ObjectClass.CAR,
    run=RunId("00000000cafe"),
    track_id=7,
    evidence="14 m against the way in 1.2 s",
)


def service_of(*rules, catalog=None, send=None, clock=None):
    told = []
    watched = [Watched(RuleConfig(**{**HOOK, **rule}), (send or told.append,)) for rule in rules]

    async def at_once(_):
        return None

    service = RuleService(site="Hall", watched=watched, catalog=catalog, clock=clock or ManualClock(), sleep=at_once)
    return service, told


def tell(service, count):
    assert service.waiting == count
    asyncio.run(service.tell_waiting())


def waiting(service):
    return service.waiting


def test_an_incident_is_told_once_in_a_while_without_its_track():
    service, told = service_of({"name": "wrong", "camera": "gate", "incident": "wrong_way", "again_after_s": 60})
    service.take_incident(WRONG_WAY)
    service.take_incident(replace(WRONG_WAY, found_ns=Ns(30 * NS_PER_S)))
    service.take_incident(replace(WRONG_WAY, kind=IncidentKind.STOPPED, found_ns=Ns(200 * NS_PER_S)))
    service.take_incident(replace(WRONG_WAY, camera_id=CameraId("yard"), found_ns=Ns(200 * NS_PER_S)))
    service.take_incident(replace(WRONG_WAY, is_over=True, found_ns=Ns(200 * NS_PER_S)))
    service.take_incident(replace(WRONG_WAY, found_ns=Ns(100 * NS_PER_S)))
    assert waiting(service) == 2
    tell(service, 2)
    assert [one["utc_ns"] for one in told] == [11 * NS_PER_S, 100 * NS_PER_S]
    assert told[0]["text"] == "wrong: wrong way on entry: 14 m against the way in 1.2 s"
    assert set(told[0]) == {"text", "site", "rule", "camera", "utc_ns"}


@pytest.mark.parametrize(("count", "looks", "is_told"), [(3, 3, True), (3, 2, False), (2, 9, False)])
def test_a_count_above_is_told_when_several_looks_say_it(count, looks, is_told):
    service, _ = service_of({"name": "crowd", "camera": "gate", "people_above": 2})
    boxes = [(0.1 * n, 0.1, 0.1 * n + 0.05, 0.3) for n in range(count)]
    times = [n * NS_PER_S for n in range(1, looks + 1)]
    service.take_frames(CameraId("gate"), vouch(times, [boxes] * looks, camera_id="gate"))
    assert waiting(service) == int(is_told)


def test_a_long_queue_is_told_once(tmp_path):
    clock = ManualClock()
    catalog = sqlite_catalog(tmp_path / "catalog.db", site_id="ab" * 8, clock=clock)
    now_ns = clock.now_ns()
    queue = Queue(vehicles=8, length_m=61.0, utc_ns=now_ns - NS_PER_S, mean_vehicles=2.0)
    quarter = replace(make_quarter("gate", 0), start_ns=Ns(now_ns - 60 * NS_PER_S), end_ns=now_ns, queue=queue)
    catalog.put_figures([quarter])
    rules = (
        {"name": "tailback", "camera": "gate", "queue_above_m": 50},
        {"name": "x", "camera": "gate", "queue_above_m": 70},
    )
    service, told = service_of(*rules, catalog=InlineCatalog.over(catalog), clock=clock)
    for _ in range(3):
        asyncio.run(service.check_queues())
    assert waiting(service) == 1
    tell(service, 1)
    assert told[0]["text"] == "tailback: a queue of 61 m, longer than 50 m"
    catalog.close()


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"crossings_above": 2}, "3 went over gate, forward: more than 2"),
        ({"crossings_above": 3}, ""),
        ({"crossings_above": 2, "line": "yard"}, ""),
        ({"occupancy_above_pct": 20, "line": "gate"}, "gate, forward is occupied 25 % of the time: more than 20 %"),
        ({"occupancy_above_pct": 25}, ""),
        ({"service_from": "D"}, "level of service E on gate, forward"),
        ({"service_from": "F"}, ""),
    ],
)
def test_what_goes_over_a_line_is_told_once_a_quarter_with_its_coverage(tmp_path, rule, words):
    clock = ManualClock()
    catalog = sqlite_catalog(tmp_path / "catalog.db", site_id="ab" * 8, clock=clock)
    start_ns = Ns(clock.now_ns() - 60 * NS_PER_S)
    line = replace(make_quarter("gate", 0).lines[0], occupancy=0.25, level_of_service="E")
    quarter = replace(make_quarter("gate", 0), start_ns=start_ns, end_ns=clock.now_ns(), lines=(line,))
    catalog.put_figures([quarter])
    rule = {"name": "line", "camera": "gate", "again_after_s": 0, **rule}
    service, told = service_of(rule, catalog=InlineCatalog.over(catalog), clock=clock)
    for _ in range(3):
        asyncio.run(service.check_queues())
    tell(service, 1 if words else 0)
    assert [one["text"] for one in told] == (
        [f"line: {words}; 50 % of the quarter of an hour was analysed"] if words else []
    )
    catalog.close()


def test_a_stay_is_told_when_one_track_lasts_longer_than_allowed_without_a_break():
    service, told = service_of({"name": "lingers", "camera": "gate", "stay_above_s": 10, "again_after_s": 3600})
    box = [(0.1, 0.1, 0.2, 0.3)]
    seconds = [*range(0, 10), *range(17, 27)]  # twice nine seconds, with a break of seven
    service.take_frames(CameraId("gate"), vouch([one * NS_PER_S for one in seconds], [box] * len(seconds)))
    assert waiting(service) == 0
    service.take_frames(CameraId("gate"), vouch([one * NS_PER_S for one in (28, 29)], [box] * 2))
    tell(service, 1)
    assert told[0]["text"] == "lingers: somebody is in view for 11 s; 10 s are the limit"


def test_rules_that_stay_go_on_when_others_come(tmp_path):
    service, told = service_of({"name": "wrong", "camera": "gate", "incident": "wrong_way"})
    service.take_incident(WRONG_WAY)
    kept = service.watched[0]
    other = RuleConfig(**HOOK, name="crowd", camera="gate", people_above=1)
    service.watch([Watched(kept.rule, (told.append,)), Watched(other, (told.append,))])
    assert service.watched[0] is kept
    service.take_incident(replace(WRONG_WAY, found_ns=Ns(12 * NS_PER_S)))  # told already, and that is known
    assert service.waiting == 1
    service.watch([])
    service.take_incident(replace(WRONG_WAY, found_ns=Ns(999 * NS_PER_S)))
    assert service.waiting == 0


def test_who_is_told_by_a_rule_that_comes_later_is_told_while_the_service_runs():
    async def both() -> list[object]:
        service, told = service_of()
        running = asyncio.create_task(service.run())
        rule = RuleConfig(**HOOK, name="wrong", camera="gate", incident="wrong_way")
        service.watch([Watched(rule, (told.append,))])
        service.take_incident(WRONG_WAY)
        async with asyncio.timeout(30):
            while not told:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return told

    assert len(asyncio.run(both())) == 1


def test_a_listed_vehicle_is_told_each_time_and_only_where_the_rule_looks():
    service, told = service_of(
        {"name": "barrier", "camera": "gate", "listed_vehicle": True},
        {"name": "p", "camera": "gate", "people_above": 1},
    )
    one = Passage(
        number=4,
        vehicle_id="v",
        label="Van 3",
        zone_id="z",
        zone="Main gate",
        camera_id=CameraId("gate"),
        utc_ns=Ns(1),
    )
    fresh, warden = [], PassageList(passages=(one,), last=4)

    class Warden:
        async def about_requests(self, message):
            assert isinstance(message, ReadPassages)
            new = tuple(each for each in warden.passages if each.number > message.after)
            return replace(warden, passages=new)

    watch = PassageWatch(Warden(), lambda passage: (fresh.append(passage.number), service.take_passage(passage)))
    asyncio.run(watch.step())
    assert fresh == [], "what was before the start opens no gate"
    warden = PassageList(
        passages=(one, replace(one, number=5), replace(one, number=6, camera_id=CameraId("yard"))), last=6
    )
    asyncio.run(watch.step())
    assert fresh == [5, 6]
    warden = PassageList(passages=(replace(one, number=1),), last=1)
    asyncio.run(watch.step())
    asyncio.run(watch.step())
    assert fresh == [5, 6, 1], "a warden that began anew is understood"
    tell(service, 2)
    assert {one["text"] for one in told} == {"barrier: Van 3, a listed vehicle, is at Main gate"}
    assert told[0]["vehicle"] == "Van 3"
    assert passage_parts(Warden(), service_of({"name": "p", "camera": "gate", "people_above": 1})[0]) == {}


LEFT_HALF = QueueArea(name="till", polygon=((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)))


class OneCamera:
    """A catalog of one camera with a queue."""

    def __init__(self, area):
        self.area = area

    async def cameras(self):
        return [replace(make_spec("gate"), scene=CameraScene(queues=(self.area,)))]


def queue_frames(seconds, ids, *, run="0" * 12):
    """So many looks, a second apart, of people in the left half and one in the right."""
    boxes = [(0.1 + 0.05 * place, 0.2, 0.14 + 0.05 * place, 0.9) for place in range(len(ids))]
    times = [Ns(round(one * NS_PER_S)) for one in seconds]
    return vouch(times, [[*boxes, (0.8, 0.2, 0.9, 0.9)]] * len(times), ids=[[*ids, 99]] * len(times),
                 camera_id="gate", run=run)  # fmt: skip


def test_a_queue_of_people_is_told_when_it_is_longer_or_slower_than_allowed():
    rules = (
        {"name": "long", "camera": "gate", "people_waiting_above": 2, "queue": "till"},
        {"name": "slow", "camera": "gate", "wait_above_s": 10},
        {"name": "other", "camera": "gate", "people_waiting_above": 0, "queue": "door"},
    )
    service, told = service_of(*rules, catalog=OneCamera(LEFT_HALF))
    gate = CameraId("gate")
    asyncio.run(service.learn_queues())
    service.take_frames(gate, queue_frames(range(3), [1, 2]))
    assert waiting(service) == 0, "two are not more than two, and nobody waited for long"
    service.take_frames(gate, queue_frames(range(3, 6), [1, 2, 3]))
    asyncio.run(service.learn_queues())
    service.take_frames(gate, queue_frames(range(6, 14), [1, 2, 3]))
    tell(service, 2)
    assert [one["text"] for one in told] == [
        "long: 3 people in the queue till, more than 2",
        "slow: half of those in the queue till wait for more than 13 s; 10 s are the limit",
    ]
    assert "track" not in repr(told)


def test_waits_begin_anew_with_another_run():
    service, _ = service_of({"name": "slow", "camera": "gate", "wait_above_s": 10}, catalog=OneCamera(LEFT_HALF))
    asyncio.run(service.learn_queues())
    service.take_frames(CameraId("gate"), queue_frames(range(9), [1, 2]))
    service.take_frames(CameraId("gate"), queue_frames(range(9, 18), [1, 2], run="00000000cafe"))
    assert waiting(service) == 0


def test_what_cannot_be_told_is_tried_again_and_then_dropped():
    tries = []

    def down(news):
        tries.append(news)
        raise Unavailable("nobody answers")

    service, _ = service_of({"name": "wrong", "camera": "gate", "incident": "wrong_way"}, send=down)
    service.take_incident(WRONG_WAY)
    tell(service, 1)
    assert len(tries) == TRIES
    assert service.dropped == 1
    (trouble,) = service.troubles()
    assert (trouble.name, trouble.error) == ("wrong", "nobody answers")


def test_who_does_not_answer_delays_nobody_else_and_is_well_again_when_told():
    told, is_down = [], [True]

    def flaky(news):
        if is_down[0]:
            raise Unavailable("nobody answers")

    async def one_line_stands():
        rules = [RuleConfig(**{**HOOK, "name": name, "camera": "gate", "incident": "wrong_way"}) for name in "ab"]
        watched = [Watched(rules[0], (flaky,)), Watched(rules[1], (told.append,))]
        blocked = asyncio.Event()
        service = RuleService(
            site="Hall",
            watched=watched,
            catalog=InlineCatalog(None),
            clock=ManualClock(),
            sleep=lambda _: blocked.wait(),
        )
        service.take_incident(WRONG_WAY)
        running = asyncio.create_task(service.run())
        async with asyncio.timeout(60):
            while not (told and service.troubles()):
                await asyncio.sleep(0.01)
            is_down[0] = False
            blocked.set()
            while service.troubles():
                await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(one_line_stands())
    assert [news["rule"] for news in told] == ["b"]


@contextmanager
def serving(server):
    server.daemon_threads = True  # a connection that says nothing keeps nobody from closing
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


def test_a_webhook_is_signed_and_an_error_or_a_redirect_is_no_answer():
    got = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.headers, body))
            self.send_response(int(self.path.strip("/")))
            self.send_header("location", "http://127.0.0.1:1/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            return

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Hook)) as port:
        for _ in range(2):
            senders.webhook(f"http://127.0.0.1:{port}/204", "hush")({"text": "Tür offen"})
        senders.webhook(f"http://127.0.0.1:{port}/204", "hush")({"text": "Tür zu"})
        for status in (302, 500):
            with pytest.raises(Unavailable, match=str(status)):
                senders.webhook(f"http://127.0.0.1:{port}/{status}", "")({"text": "x"})
    headers, body = got[0]
    assert json.loads(body) == {"text": "Tür offen"}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(b"hush", signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 3600
    again, other = got[1][0]["webhook-id"], got[2][0]["webhook-id"]
    assert (again == headers["webhook-id"], other == headers["webhook-id"]) == (True, False)
    assert got[3][0]["webhook-signature"] is None, "without a secret nothing is signed"
    with pytest.raises(Unavailable, match="does not answer"):
        senders.webhook(f"http://127.0.0.1:{port}/204", "")({"text": "x"})


class Mailbox(socketserver.StreamRequestHandler):
    """As much SMTP as a client needs; no TLS."""

    def handle(self):
        say = lambda line: self.wfile.write(line + b"\r\n")  # noqa: E731
        say(b"220 test")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                say(b"354 go")
                lines = []
                while (text := self.rfile.readline()) != b".\r\n":
                    lines.append(text)
                self.server.mails.append(b"".join(lines))
            if word == b"QUIT":
                say(b"221 bye")
                return
            say(b"250 ok")


def test_an_email_has_one_line_of_subject_and_no_password_goes_without_tls():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox)
    server.mails = []
    news = {"text": "wrong: way\r\nBcc: all@example.org", "site": "Hall"}
    with serving(server) as port:
        senders.email(f"smtp://127.0.0.1:{port}", "cam@example.org", ("duty@example.org",), "", "")(news)
        with pytest.raises(Unavailable, match="no TLS"):
            senders.email(f"smtp://127.0.0.1:{port}", "c@example.org", ("d@example.org",), "cam", "hush")(news)
    (mail,) = server.mails
    head = mail.split(b"\r\n\r\n")[0]
    assert b"Subject: wrong: way Bcc: all@example.org" in head
    assert not any(line.startswith(b"Bcc") for line in head.split(b"\r\n"))
    assert b"site: Hall" in mail


class Broker(socketserver.StreamRequestHandler):
    """As much MQTT 3.1.1 as a client needs that publishes once."""

    def handle(self):
        while head := self.rfile.read(1):
            size, factor, byte = 0, 1, 128
            while byte & 128:
                byte = self.rfile.read(1)[0]
                size, factor = size + (byte & 127) * factor, factor * 128
            body, kind = self.rfile.read(size), head[0] >> 4
            if kind == 1:  # CONNECT
                self.wfile.write(b"\x20\x02\x00\x00")
            if kind == 3:  # PUBLISH, quality of service 1
                long = int.from_bytes(body[:2], "big")
                self.server.published.append((body[2 : 2 + long], json.loads(body[4 + long :])))
                self.wfile.write(b"\x40\x02" + body[2 + long : 4 + long])
            if kind == 14:  # DISCONNECT
                return


def test_a_message_reaches_an_mqtt_broker_and_a_missing_one_is_said():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Broker)
    server.published = []
    with serving(server) as port:
        senders.mqtt(f"mqtt://127.0.0.1:{port}", "hall/alarms", "", "")({"text": "wrong way"})
    assert server.published == [(b"hall/alarms", {"text": "wrong way"})]
    with pytest.raises(Unavailable, match="does not take"):
        senders.mqtt(f"mqtt://127.0.0.1:{port}", "hall/alarms", "", "")({"text": "x"})


def test_a_rule_without_its_secret_is_left_out_and_the_others_stay(tmp_path):
    (tmp_path / "secret").write_text("hush\n")
    ways = [f"file:{tmp_path / 'secret'}", "env:NOWHERE", "env:HOOK", f"file:{tmp_path / 'none'}", ""]
    rules = [
        RuleConfig(
            name=str(number), camera="gate", incident="stopped", webhook={"url": "http://127.0.0.1:9/", "secret": way}
        )
        for number, way in enumerate(ways)
    ]
    assert [one.rule.name for one in watched_rules(rules, {"HOOK": "x"})] == ["0", "2", "4"]


@pytest.mark.parametrize(
    "rule",
    [
        {"name": "a", "camera": "gate", **HOOK},
        {"name": "a", "camera": "gate", "incident": "stopped", "people_above": 3, **HOOK},
        {"name": "a", "camera": "gate", "incident": "stopped"},
        {"name": "a", "camera": "gate", "incident": "face", **HOOK},
        {"name": "a", "camera": "gate", "incident": "stopped", "webhook": {"url": "https://u:p@example.org/"}},
        {"name": "a", "camera": "gate", "incident": "stopped", "mqtt": {"server": "mqtt://h", "topic": "a/#"}},
    ],
    ids=["no cause", "two causes", "nobody to tell", "unknown", "credentials in the URL", "wildcard topic"],
)
def test_a_rule_that_makes_no_sense_is_refused(rule):
    with pytest.raises(ValidationError):
        RuleConfig(**rule)


def test_a_secret_that_says_it_is_base64_has_to_be():
    assert senders.webhook_key("whsec_aHVzaA==") == b"hush"
    with pytest.raises(ConfigError, match="is not base64"):
        senders.webhook("http://127.0.0.1:1/", "whsec_hush!")


def trouble(kind=SiteEventKind.CAMERA_COVERED, camera="gate", start_s=10):
    cameras = (CameraId(camera),) if camera else ()
    return SiteEvent(kind=kind, start_ns=Ns(start_s * NS_PER_S), end_ns=Ns(0), camera_ids=cameras, detail="80 %")


def test_trouble_is_told_for_each_camera_and_kind_once_in_a_while():
    service, told = service_of(
        {"name": "all", "health": ["down", "tampering"]}, {"name": "one", "camera": "yard", "health": ["tampering"]}
    )
    service.take_health(trouble())
    service.take_health(trouble(start_s=20))
    service.take_health(trouble(SiteEventKind.CAMERA_MOVED, start_s=20))
    service.take_health(trouble(camera="yard", start_s=20))
    service.take_health(trouble(SiteEventKind.DISK_FORECAST, camera="", start_s=20))
    tell(service, waiting(service))
    assert [(one["rule"], one["event"], one["camera"]) for one in told] == [
        ("all", "camera_covered", "gate"),
        ("all", "camera_moved", "gate"),
        ("all", "camera_covered", "yard"),
        ("one", "camera_covered", "yard"),
    ]
    assert told[0]["text"] == "all: camera covered (gate): 80 %"


@pytest.mark.parametrize("rule", [{"health": []}, {"health": ["weather"]}, {"people_above": 3}, {}])
def test_a_rule_about_all_cameras_is_of_health_alone(rule):
    with pytest.raises(ValidationError):
        RuleConfig(name="x", **HOOK, **rule)
