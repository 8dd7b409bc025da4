"""An archive of posts becomes groups, generations and a page; hostile rows become sentences."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from tests.leaks.scenes import scene
from tests.media.test_found_clip import clip

from custodes.cli.leak import leak
from custodes.errors import InvalidArgument


def jpeg(y: np.ndarray, quality: int) -> bytes:
    return bytes(cv2.imencode(".jpg", y, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    first = scene(7)
    copy = cv2.resize(first, (700, 394), interpolation=cv2.INTER_AREA)
    cut = copy[40:-40, 60:-60]
    pictures = {"a.jpg": jpeg(first, 90), "b.jpg": jpeg(copy, 70), "c.jpg": jpeg(cut, 60), "d.jpg": jpeg(scene(8), 80)}
    pictures["e.jpg"] = jpeg(cv2.resize(scene(8), (600, 338)), 70)
    for name, encoded in pictures.items():
        (tmp_path / name).write_bytes(encoded)
    rows = [
        "id,account,time,url,language,place,picture",
        "p1,alpha,2026-05-01T10:00:00Z,https://x.example/1,en,Berlin,a.jpg",
        "p2,beta,2026-05-01T10:05:00Z,https://x.example/2,de,,b.jpg",
        "p3,<b>gamma,2026-05-01T12:00:00Z,https://x.example/3,de,,c.jpg",
        "p4,alpha,2026-05-02T08:00:00Z,,,,d.jpg",
        "p5,beta,2026-05-02T08:04:00Z,,,,e.jpg",
        "p6,delta,2026-05-03T08:04:00Z,,,,",
    ]
    (tmp_path / "posts.csv").write_text("\n".join(rows))
    return tmp_path / "posts.csv"


def test_case_when_drawn_then_groups_generations_and_who_posts_together(archive: Path) -> None:
    page = archive.parent / "case.html"
    done = CliRunner().invoke(leak, ["case", str(archive), "-o", str(page), "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    groups = [{one["post_id"]: one["parent_id"] for one in group} for group in told["groups"]]
    assert groups[0] == {"p1": "", "p2": "p1", "p3": "p2"}
    assert groups[1] == {"p4": "", "p5": "p4"}
    assert told["together"] == [{"one": "alpha", "other": "beta", "pictures": 2}]
    text = page.read_text()
    assert "<b>gamma" not in text
    assert "&lt;b&gt;gamma" in text
    over_time, accounts = text.split("Who copied from whom")
    assert over_time.count("<circle") == 5
    assert accounts.count("<circle") == 3, "a node an account"
    assert accounts.count('class="pair"') == 1
    assert "Without a picture: p6" in text


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("p9,x,yesterday,,,,a.jpg", "ISO 8601"),
        ("p9,x,2026-05-01,,,,../../etc/passwd", "outside of the folder"),
        ("p9,x,2026-05-01,,,,none.jpg", "cannot be read"),
        ("p1,x,2026-05-01,,,,a.jpg", "same id"),
        ("p9," + "x" * 121 + ",2026-05-01,,,,", "post 7: account has 121 characters"),
    ],
)
def test_case_when_a_row_is_wrong_then_says_which(archive: Path, row: str, says: str) -> None:
    archive.write_text(archive.read_text() + "\n" + row)
    with pytest.raises(InvalidArgument, match=says):
        CliRunner().invoke(leak, ["case", str(archive), "-o", str(archive.parent / "x.html")], catch_exceptions=False)


def test_case_when_a_file_cannot_be_read_or_is_a_clip_then_named_and_the_others_compared(archive: Path) -> None:
    (archive.parent / "clip.mp4").write_bytes(clip(3))
    rows = "\np8,x,2026-05-04,,,,posts.csv\np9,y,2026-05-04,,,,clip.mp4"
    archive.write_text(archive.read_text() + rows)
    page = archive.parent / "case.html"
    done = CliRunner().invoke(leak, ["case", str(archive), "-o", str(page), "--json"], catch_exceptions=False)
    assert "post p8: not compared: That is no picture" in done.stderr
    told = json.loads(done.stdout)
    assert [len(group) for group in told["groups"]] == [3, 2, 1]
    assert told["groups"][2][0]["post_id"] == "p9"
    assert "p8</td><td>That is no picture" in page.read_text()


def test_case_when_no_file_of_it_can_be_read_then_named_and_no_picture_told(archive: Path) -> None:
    archive.write_text("id,account,time,picture\np1,x,2026-05-04,posts.csv\n")
    page = archive.parent / "case.html"
    done = CliRunner().invoke(leak, ["case", str(archive), "-o", str(page)], catch_exceptions=False)
    assert "1 posts, 0 pictures" in done.stderr
    assert "Without a picture: p1" in page.read_text()
