"""A list of people to enrol: what each line has to hold, and that one bad line hinders no other."""

import pytest

from custodes.access.bulk import COLUMNS, MAX_CSV_BYTES, MAX_ROWS, read_bulk
from custodes.errors import InvalidArgument
from custodes.types.face import BasisKind

ZONES = {"Door": "z1", "Hall, north": "z2"}
HEAD = ",".join(COLUMNS)
LINK = "Ada,opening the gate at night,Door,365,link,,"
PAPER = (
    'Bob,opening the gate at night,"Door;Hall, north",30,employment_law,agreement of 3 March in file 7,b1.jpg;b2.jpg'
)


def listed(*lines: str) -> str:
    return "\r\n".join((HEAD, *lines))


def test_rows_of_a_link_and_of_a_paper() -> None:
    rows, refused = read_bulk("\ufeff" + listed(LINK, PAPER), ZONES)
    assert refused == []
    ada, bob = rows
    assert (ada.basis, ada.pictures, ada.zone_ids, ada.line) == (None, (), ("z1",), 2)
    assert (bob.basis, bob.days, bob.zone_ids) == (BasisKind.EMPLOYMENT_LAW, 30, ("z1", "z2"))
    assert bob.pictures == ("b1.jpg", "b2.jpg")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (LINK.replace("link", ""), "a basis of each person"),
        (LINK.replace("link", "because"), "a basis of each person"),
        (LINK.replace("Ada", " "), "a name"),
        (LINK.replace("opening the gate at night", "gate"), "purpose"),
        (LINK.replace("Door", "Cellar"), "no active zone 'Cellar'"),
        (LINK.replace("365", "0"), "days are"),
        (LINK.replace("365", "-3"), "days are"),
        (LINK.replace("365", "99999999999999"), "days are"),
        (LINK + "a.jpg", "before they signed"),
        (PAPER.replace("agreement of 3 March in file 7", "paper"), "where the basis lies"),
        (PAPER.replace("b1.jpg;b2.jpg", ""), "1 to 8 pictures"),
        (PAPER.replace("b2.jpg", "b1.jpg"), "named twice"),
        (PAPER.replace('"Door;Hall, north"', ""), "for zones"),
        ("Cyd", "purpose"),
    ],
)
def test_line_when_something_lacks_then_it_alone_is_refused(line: str, words: str) -> None:
    rows, refused = read_bulk(listed(line, LINK.replace("Ada", "Eve")), ZONES)
    assert [row.name for row in rows] == ["Eve"]
    (one,) = refused
    assert one.line == 2
    assert words in one.words


def test_people_and_pictures_when_they_come_twice_then_the_second_is_refused() -> None:
    rows, refused = read_bulk(listed(PAPER, PAPER.replace("Bob", "Cyd"), PAPER.replace("b1", "c1")), ZONES)
    assert [row.name for row in rows] == ["Bob"]
    assert ["named twice" in one.words or "already" in one.words for one in refused] == [True, True]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lacks the columns"),
        ("name,purpose\nAda,gate", "lacks the columns"),
        (listed('Ada,"opening'), "no CSV"),
        (listed(*(LINK.replace("Ada", f"P{n}") for n in range(MAX_ROWS + 1))), f"more than {MAX_ROWS}"),
        (listed("x" * MAX_CSV_BYTES), "larger than"),
        (listed("x" * 200_000), "no CSV"),
    ],
    ids=["empty", "columns", "quote", "rows", "bytes", "field"],
)
def test_list_when_it_is_none_then_all_of_it_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        read_bulk(text, ZONES)
