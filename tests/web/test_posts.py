"""Posts of a case over HTTP: written down, imported, compared, shown to those on the case, taken away and checked."""

import io
import json
import zipfile

import cv2
import pytest
from tests.leaks.scenes import scene
from tests.web.test_people import accept, invite
from tests.web.test_requests import HERE, Person

from custodes.sealing.published import PinnedKeys, write_pinned
from custodes_verify import Wrong, parse_policy, verify_evidence

TABLE = """id,account,time,url,language,place,picture,screenshot
a,@first,2026-05-01T10:00:00Z,https://x.example/1,en,Berlin,a.jpg,shot.png
b,@second,2026-05-01T10:05:00Z,https://x.example/2,de,,b.jpg,
c,<script>alert(1)</script>,2026-05-01T12:00:00Z,javascript:alert(1),de,,b.jpg,
d,@late,2026-05-03T12:00:00Z,,,,bad.jpg,
e,@late,2026-05-04T12:00:00Z,,,,,
"""


def jpeg(y, quality=80):
    return cv2.imencode(".jpg", y, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


FILES = {
    "a.jpg": jpeg(scene(3, width=480, height=270), 90),
    "b.jpg": jpeg(cv2.resize(scene(3, width=480, height=270), (320, 180)), 60),
    "bad.jpg": b"\xff\xd8\xff" + bytes(50),
    "shot.png": cv2.imencode(".png", scene(5, width=64, height=64))[1].tobytes(),
}
PATH = "/cases/2026-7/posts"


@pytest.fixture
def ann(claimed):
    claimed.own_case("2026-7")
    return Person(claimed)


def send(person, path, files, **form):
    client = person.site.client
    client.cookies.clear()
    client.cookies.update(person.cookies)
    return client.post(path, data=form, files=files, headers={**HERE, "x-csrf-token": person.site.csrf})


def archive(person, table=TABLE, name="posts.csv", **changes):
    pictures = [("pictures", (each, content)) for each, content in {**FILES, **changes}.items()]
    return send(person, f"{PATH}/import", [("table", (name, table)), *pictures])


def compared(person):
    for _ in range(2000):
        told = person.site.client.get(f"/api/v1{PATH}").json()
        if not told["is_comparing"]:
            return told
    raise AssertionError("the comparison does not end")


def test_archive_when_imported_then_grouped_drawn_and_only_for_those_on_the_case(ann):
    assert archive(ann).status_code == 303
    told = compared(ann)
    assert (len(told["posts"]), told["pictures"]) == (5, 1)
    text = ann.get(PATH).text
    assert "first seen" in text and "Who copied from whom" in text
    assert text.count("<script>alert") == 0 and 'href="javascript' not in text
    assert "picture is damaged or cut off" in text, (
        "one that cannot be decoded is said to be so, and the others are compared"
    )
    shown = ann.get(f"{PATH}/thumbnail?post=a")
    assert shown.headers["content-type"] == "image/jpeg" and shown.content not in FILES.values()
    taken = ann.get(f"{PATH}/picture?post=a")
    assert taken.content == FILES["a.jpg"] and taken.headers["content-disposition"].startswith("attachment")
    assert ann.get(f"{PATH}/picture?post=a&screenshot=1").content == FILES["shot.png"]
    assert "5 posts written down" in ann.get("/cases/2026-7").text

    ann.get("/")
    accept(ann.site, invite(ann.site, roles=("investigator",), name="Cleo"))
    cleo = Person(ann.site)
    for path in (PATH, f"{PATH}/thumbnail?post=a", f"{PATH}/picture?post=a", f"/api/v1{PATH}"):
        assert cleo.get(path).status_code == 404
    assert cleo.post(f"{PATH}/bundle").status_code == 404


def test_post_when_written_down_then_compared_with_the_others_and_thrown_away(ann):
    form = {"account": "@one", "at": "2026-05-01T10:00", "url": "https://x.example"}
    picture = [("picture", ("a.jpg", FILES["a.jpg"]))]
    assert send(ann, PATH, picture, **form).status_code == 303
    assert send(ann, PATH, [("picture", ("b.jpg", FILES["b.jpg"]))], **{**form, "at": "2026-05-02"}).status_code == 303
    assert compared(ann)["pictures"] == 1
    assert ann.post(f"{PATH}/remove", post_id="p1").status_code == 303
    (left,) = compared(ann)["posts"]
    assert left["post_id"] == "p2"
    folder = ann.site.app.state.deps.config.data_dir / "leaks" / "posts" / "2026-7"
    assert [path.name for path in folder.glob("pictures/*")] == [left["sha256"]]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert ann.post(f"{PATH}/remove", is_all="1").status_code == 303
    assert not folder.exists()


WRONG = (
    (TABLE.replace("2026-05-03T12:00:00Z", "the third"), "posts.csv", "post 4 has the time"),
    (TABLE.replace("b.jpg", "none.jpg"), "posts.csv", "is not among the chosen files"),
    (TABLE.replace("e,@late", "a,@late"), "posts.csv", "There is a post a already"),
    ("time\n" + "2026-05-01\n" * 501, "posts.csv", "501 posts"),
    ("{", "posts.json", "is no JSON"),
    (json.dumps({"posts": 3}), "posts.json", "holds no list"),
    ("", "posts.csv", "has no column time"),
    ("id,time\n", "posts.csv", "no post in it"),
)


def test_archive_when_a_row_is_wrong_then_said_and_nothing_is_kept(ann):
    for table, name, says in WRONG:
        answer = archive(ann, table, name)
        assert 400 <= answer.status_code < 600, says
        assert says in answer.text
        assert ann.site.client.get(f"/api/v1{PATH}").json()["posts"] == [], says


def test_picture_when_it_is_none_then_refused(ann):
    form = {"account": "@one", "at": "2026-05-01T10:00"}
    for content in (b"<svg onload=alert(1)>", b"\x00\x00\x00\x18ftypheic" + bytes(64)):
        assert send(ann, PATH, [("picture", ("a.jpg", content))], **form).status_code == 400


def test_evidence_when_taken_then_anybody_checks_it_and_a_changed_file_is_found(ann, tmp_path):
    site = ann.site
    known = site.warden.log._signer.keys
    keys = PinnedKeys(
        site_id="ab" * 8, site_key=bytes(32), log_origin=known.ed25519.name, log_key=known.ed25519.public_key,
        log_mldsa_key=known.mldsa44.public_key,
    )  # fmt: skip
    write_pinned(site.app.state.deps.config.data_dir / "warden-key.json", keys)
    assert archive(ann).status_code == 303
    compared(ann)
    answer = ann.post(f"{PATH}/bundle")
    assert answer.status_code == 200, answer.text
    site.clock.advance(899 * 10**9)
    assert 'href="/prove"' not in ann.get(PATH).text
    site.clock.advance(2 * 10**9)
    late = ann.post(f"{PATH}/bundle")
    assert late.status_code == 409 and late.json()["detail"].startswith("Confirm who you are")
    assert 'href="/prove"' in ann.get(PATH).text
    path = tmp_path / "posts.zip"
    path.write_bytes(answer.content)
    with zipfile.ZipFile(path) as bundle:
        policy = parse_policy(bundle.read("log/policy").decode())
        page = bundle.read("case.html").decode()
        assert "What may not be concluded" in bundle.read("README.txt").decode()
        assert "data:image/jpeg" in page and "http-equiv" not in page and "<script" not in page
        changed = io.BytesIO()
        with zipfile.ZipFile(changed, "w") as other:
            for name in bundle.namelist():
                content = bundle.read(name)
                other.writestr(name, content.replace(b"@second", b"@secund") if name == "posts.json" else content)
    assert "posts 2026-05-01" in verify_evidence(path, policy)[0]
    path.write_bytes(changed.getvalue())
    with pytest.raises(Wrong, match=r"posts\.json"):
        verify_evidence(path, policy)
