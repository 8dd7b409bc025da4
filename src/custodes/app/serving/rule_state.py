"""What a rule in force knows: whom it tells, what waits for them, what was told and when. What is looked for is in
`rules`."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field

from custodes.config.rules import CAUSES, RuleConfig
from custodes.types.event import Unreached
from custodes.types.rule import Outlet, RuleRow
from custodes.types.traffic import LineFigures
from custodes.units import Ns, RunId

Send = Callable[[Mapping[str, object]], None]
MAX_WAITING = 200
"""For each whom a rule tells: who does not answer delays nobody else."""
_LEVELS = "ABCDEF"


@dataclass(slots=True)
class RuleState:
    """Of one rule."""

    looks: int = 0
    told_ns: int | None = None
    told_of: dict[tuple[str, str], int] = field(default_factory=dict)
    """Kind of trouble and camera → when it was told."""
    queue_looks: dict[str, int] = field(default_factory=dict)
    """Looks in a row that say it of a drawn queue, by its name."""
    stays: dict[tuple[RunId, int], tuple[int, int]] = field(default_factory=dict)
    """Run and track → when it was seen first and last."""


@dataclass(slots=True)
class RuleLine:
    """One whom a rule tells, and what waits for them."""

    send: Send
    rule: str
    where: str = ""
    waiting: asyncio.Queue[dict[str, object]] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))
    trouble: Unreached | None = None
    told: tuple[Ns, str] | None = None

    @property
    def outlet(self) -> Outlet:
        """As it is shown."""
        told_ns, text = self.told or (None, "")
        error = "" if self.trouble is None else self.trouble.error
        return Outlet(where=self.where, told_ns=told_ns, told=text, error=error)


@dataclass(slots=True)
class Watched:
    """A rule and whom it tells."""

    rule: RuleConfig
    senders: InitVar[tuple[Send, ...]]
    state: RuleState = field(default_factory=RuleState)
    lines: tuple[RuleLine, ...] = field(init=False)

    def __post_init__(self, senders: tuple[Send, ...]) -> None:
        self.lines = tuple(
            RuleLine(send, self.rule.name, where) for send, where in zip(senders, self.rule.tells, strict=True)
        )

    def row(self, *, is_of_page: bool) -> RuleRow:
        """As it is shown."""
        return row_of(self.rule, is_of_page=is_of_page, outlets=tuple(line.outlet for line in self.lines))


def row_of(rule: RuleConfig, *, is_of_page: bool, outlets: tuple[Outlet, ...] = (), problem: str = "") -> RuleRow:
    """A rule as it is shown."""
    name = next(name for name in CAUSES if getattr(rule, name) is not None)
    value = getattr(rule, name)
    words = ", ".join(value) if isinstance(value, tuple) else "" if value is True else str(value)
    about = "".join(f", {part}" for part in (rule.queue, rule.line) if part)
    return RuleRow(
        name=rule.name,
        camera=rule.camera,
        cause=f"{name}: {words}{about}" if words else name,
        again_after_s=rule.again_after_s,
        is_of_page=is_of_page,
        outlets=outlets,
        problem=problem,
    )


def said_of_line(rule: RuleConfig, line: LineFigures) -> str:
    """Empty where there is nothing to say."""
    count = sum(one.count for one in line.counts)
    where = f"{line.line}, {'forward' if line.is_forward else 'backward'}"
    if rule.crossings_above is not None and count > rule.crossings_above:
        return f"{count} went over {where}: more than {rule.crossings_above}"
    occupied = None if line.occupancy is None else line.occupancy * 100
    if rule.occupancy_above_pct is not None and occupied is not None and occupied > rule.occupancy_above_pct:
        return f"{where} is occupied {occupied:.0f} % of the time: more than {rule.occupancy_above_pct:.0f} %"
    level = line.level_of_service
    if rule.service_from is not None and level and _LEVELS.index(level) >= _LEVELS.index(rule.service_from):
        return f"level of service {level} on {where}"
    return ""
