"""One line of the table: fault, trials, worst loss, verdict."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Verdict:
    """What a fault did over all its trials."""

    fault: str
    trials: int = 0
    taken: int = 0
    """Packets taken, or log entries acknowledged, in all trials."""
    unit: str = "packets"
    worst_gops: int | None = None
    """Lost per camera and trial at worst; None where no GOP can be lost."""
    allowed_gops: int = 1
    faults: int = 0
    """Calls that were made to fail."""
    note: str = ""
    wrong: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Nothing wrong, and no more lost than allowed; a fault never tried is not good."""
        return self.trials > 0 and not self.wrong and (self.worst_gops or 0) <= self.allowed_gops

    def lost(self, gops: int) -> None:
        """Take one trial's loss."""
        self.worst_gops = max(self.worst_gops or 0, gops)


def merged(parts: Sequence[Verdict]) -> Verdict:
    """Of the same fault, tried in several places at once."""
    whole = Verdict(parts[0].fault, unit=parts[0].unit, allowed_gops=parts[0].allowed_gops, note=parts[0].note)
    for part in parts:
        whole.trials += part.trials
        whole.taken += part.taken
        whole.faults += part.faults
        whole.wrong += part.wrong
        if part.worst_gops is not None:
            whole.lost(part.worst_gops)
    return whole


def table(verdicts: Iterable[Verdict]) -> str:
    """For people."""
    rows = [("fault", "trials", "given", "worst loss", "verdict")]
    for one in verdicts:
        loss = "no footage at stake" if one.worst_gops is None else f"{one.worst_gops} GOP per camera"
        verdict = "good" if one.is_good else f"BAD: {one.wrong[0] if one.wrong else 'lost too much, or never tried'}"
        if one.note:
            verdict += f" ({one.note})"
        rows.append((one.fault, f"{one.trials:,}", f"{one.taken:,} {one.unit}", loss, verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows
    )
