"""How recordings are cut into pieces for tasks, and how far below live work tasks are."""

import os

from custodes.units import Ns

NICE = 10
"""Live work on the same cores gets nine times as much of them; with 19 a busy machine would never finish a week."""


def step_back() -> None:
    """This process below live work from now on, however far below its parent already is."""
    os.nice(max(0, NICE - os.nice(0)))


def cut(start_ns: Ns, end_ns: Ns, piece_ns: int) -> list[tuple[Ns, Ns]]:
    """[start, end) in pieces that end at whole multiples: work that is resumed has the same ones."""
    pieces, at_ns = list[tuple[Ns, Ns]](), start_ns
    while at_ns < end_ns:
        until_ns = Ns(min((at_ns // piece_ns + 1) * piece_ns, end_ns))
        pieces.append((at_ns, until_ns))
        at_ns = until_ns
    return pieces
