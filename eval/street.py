"""A street that lives for hours, without pictures: cars that follow each other, lights, jams, parked cars, deliveries,
cyclists, people on pavements and over the road. The truth of what happened is kept; seeded.

Cars follow by the Intelligent Driver Model (Treiber, Hennecke, Helbing 2000). A lane's places `s_m` run from where
vehicles come from to where they go; the camera sees some 80 m of some 250. Nobody changes lanes. No vehicle drives the
wrong way and none reverses, so that a wrong way told is false.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from custodes.types.vision import ObjectClass

Floats = npt.NDArray[np.float64]
STEP_S = 0.2
SEEN_M = 78.0
"""The stretch that may be in the picture is 0 to here."""
_FROM_M, _TO_M = -110.0, 140.0
_GO, _BRAKE, _TIME_S, _GAP_M = 1.5, 2.2, 1.3, 2.0
"""m/s², m/s², s, m: the model's, for towns."""
_DAY = (5, 3, 2, 2, 4, 12, 32, 68, 90, 70, 60, 62, 66, 66, 68, 78, 94, 100, 84, 60, 42, 30, 20, 11)
"""Of the busiest hour, in percent, by hour: a working day's curve (HBS 2015, type of a town's main road)."""
STOOD_M = 2.0
"""Who moves less stands: drivers creep before they stop."""
SOLIDS: dict[ObjectClass, tuple[float, float, float]] = {
    ObjectClass.CAR: (4.4, 1.8, 1.5),
    ObjectClass.TRUCK: (8.0, 2.5, 3.2),
    ObjectClass.BUS: (12.0, 2.55, 3.1),
    ObjectClass.MOTORCYCLE: (2.1, 0.8, 1.5),
    ObjectClass.BICYCLE: (1.8, 0.6, 1.2),
    ObjectClass.PERSON: (0.4, 0.5, 1.7),
}
_MIX = ((ObjectClass.CAR, 0.84), (ObjectClass.TRUCK, 0.09), (ObjectClass.BUS, 0.02), (ObjectClass.MOTORCYCLE, 0.05))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What there is on one street in one hour."""

    hour: int
    lanes: int
    """Each way."""
    wide_m: float
    """Of the lane at the kerb; deliveries leave room to pass where it is 5 m."""
    busiest_per_h: float
    """Vehicles a lane."""
    kmh: float
    has_lights: bool
    red_s: float = 50.0
    cycle_s: float = 90.0
    stop_m: float = 52.0
    jam_s: tuple[float, float] = (0.0, 0.0)
    """From, to: beyond the seen stretch hardly anybody gets on."""
    has_parking: bool = False
    stops_per_h: float = 0.0
    """Deliveries and the like, each way; bus stops come by themselves."""
    walkers_per_h: float = 100.0
    """On each pavement, in the day."""
    crossing_per_h: float = 0.0
    cyclists_per_h: float = 20.0

    @property
    def share(self) -> float:
        """Of the busiest hour's traffic."""
        return _DAY[self.hour] / 100

    @property
    def is_night(self) -> bool:
        """Lamps only."""
        return self.hour < 6 or self.hour >= 21

    @property
    def edge_m(self) -> float:
        """From the middle to the kerb."""
        return 3.5 * (self.lanes - 1) + self.wide_m


@dataclass(slots=True)
class Thing:
    """One vehicle or person. `aside_m`: to the right of its lane's middle, as it drives."""

    name: int
    object_class: ObjectClass
    solid: tuple[float, float, float]
    s_m: float
    wish_mps: float
    mps: float
    aside_m: float = 0.0
    to_aside_m: float = 0.0
    stop_m: float = 1e9
    stop_s: float = 0.0
    stop_aside_m: float = 0.0
    stands_until_s: float = -1.0
    is_aside: bool = False
    """At the kerb or in a parking place: the others pass."""
    is_rider: bool = False
    """On a bicycle or motorcycle: a person is seen on it, too."""
    anchor: tuple[float, float] = (0.0, 0.0)
    still_since_s: float = 0.0
    told: set[str] = field(default_factory=set)
    """What was told of it while it stands here."""
    place: tuple[float, float] = (0.0, 0.0)
    heading: float = 0.0
    road: str = ""


class Lane:
    """One lane; `x_m` of its middle, `sign` +1 upwards."""

    def __init__(self, plan: Plan, number: int, sign: int, rng: np.random.Generator, names: Iterator[int]) -> None:
        self.plan, self.sign, self.rng, self.names = plan, sign, rng, names
        self.is_kerb = number == plan.lanes - 1
        width = plan.wide_m if self.is_kerb else 3.5
        self.x_m = sign * (3.5 * number + width / 2)
        self.half_m = width / 2
        self.road = "up" if sign > 0 else "down"
        self.things: list[Thing] = []
        self._next_s = 0.0
        self._next_cyclist_s = self._pause(plan.cyclists_per_h * plan.share)

    def _pause(self, per_h: float) -> float:
        return float(self.rng.exponential(3600 / per_h)) if per_h > 0 else 1e9

    def step(self, now_s: float, blocks: list[float]) -> None:
        """Everybody drives for one step. Args: blocks: `s_m` where somebody is on foot."""
        self._enter(now_s)
        self.things.sort(key=lambda one: -one.s_m)
        ahead: Thing | None = None
        for thing in self.things:
            self._drive(thing, ahead, now_s, blocks)
            if not thing.is_aside and thing.object_class is not ObjectClass.BICYCLE:
                ahead = thing
        self.things = [one for one in self.things if one.s_m < _TO_M]

    def _enter(self, now_s: float) -> None:
        last = min((one.s_m for one in self.things if one.object_class is not ObjectClass.BICYCLE), default=1e9)
        if now_s >= self._next_s and last > _FROM_M + 18:
            self.things.append(self._vehicle())
            self._next_s = now_s + 1.2 + self._pause(self.plan.busiest_per_h * self.plan.share)
        if self.is_kerb and now_s >= self._next_cyclist_s:
            wish = float(self.rng.uniform(3.5, 6.5))
            aside = self.half_m - 0.6
            solid = SOLIDS[ObjectClass.BICYCLE]
            bicycle = Thing(next(self.names), ObjectClass.BICYCLE, solid, _FROM_M, wish, wish, aside, aside)
            bicycle.is_rider = True
            self.things.append(bicycle)
            self._next_cyclist_s = now_s + self._pause(self.plan.cyclists_per_h * self.plan.share)

    def _vehicle(self) -> Thing:
        kinds, shares = zip(*_MIX, strict=True)
        kind = kinds[int(self.rng.choice(len(kinds), p=shares))]
        scale = self.rng.uniform(0.9, 1.12)
        long, wide, high = SOLIDS[kind]
        wish = self.plan.kmh / 3.6 * float(self.rng.uniform(0.8, 1.15))
        swing = float(self.rng.normal(0, 0.15))
        solid = (long * scale, wide * min(scale, 1.0), high * scale)
        thing = Thing(next(self.names), kind, solid, _FROM_M, wish, wish * 0.8, swing, swing)
        thing.is_rider = kind is ObjectClass.MOTORCYCLE
        per_vehicle = self.plan.stops_per_h / max(self.plan.busiest_per_h * self.plan.share, 1)
        if self.is_kerb and not thing.is_rider and self.rng.random() < per_vehicle:
            self._intend(thing)
        return thing

    def _intend(self, thing: Thing) -> None:
        """It will stop: to deliver at the kerb, to let somebody out in its lane, or to park where there are places."""
        thing.stop_m = float(self.rng.uniform(12, 48))
        kind = self.rng.random()
        at_kerb = self.half_m - thing.solid[1] / 2 - 0.1
        if self.plan.has_parking and kind < 0.5 and thing.object_class is ObjectClass.CAR:
            thing.stop_s, thing.stop_aside_m = float(self.rng.uniform(60, 2400)), self.half_m + 1.1
            if any(one.is_aside and abs(one.s_m - thing.stop_m) < 6.5 for one in self.things):
                thing.stop_m = 1e9
        elif self.plan.wide_m >= 5 and kind < 0.85:
            thing.stop_s, thing.stop_aside_m = float(self.rng.uniform(20, 900)), at_kerb
        else:
            thing.stop_s, thing.stop_aside_m = float(self.rng.uniform(4, 40)), thing.aside_m

    def _drive(self, thing: Thing, ahead: Thing | None, now_s: float, blocks: list[float]) -> None:
        wish = thing.wish_mps
        if self.plan.jam_s[0] <= now_s < self.plan.jam_s[1] and thing.s_m > 85:
            wish = min(wish, 0.9)
        limits = []
        if thing.object_class is not ObjectClass.BICYCLE:
            if ahead is not None:
                limits.append((ahead.s_m - ahead.solid[0] / 2, ahead.mps))
            limits += [(block, 0.0) for block in blocks]
        if self.plan.has_lights and now_s % self.plan.cycle_s < self.plan.red_s:
            limits.append((self.plan.stop_m, 0.0))
        if thing.stop_m < 1e8 and thing.stands_until_s < 0:
            limits.append((thing.stop_m + thing.solid[0] / 2 + _GAP_M, 0.0))
        if thing.is_aside and thing.stands_until_s >= 0:
            self._stand(thing, now_s)
        else:
            self._go(thing, wish, limits)
            self._maybe_stop(thing, now_s)
        step_m = 0.5 * STEP_S if thing.mps < 1 and thing.stands_until_s >= 0 else 0.12 * thing.mps * STEP_S
        thing.aside_m += float(np.clip(thing.to_aside_m - thing.aside_m, -step_m, step_m))

    def _go(self, thing: Thing, wish: float, limits: list[tuple[float, float]]) -> None:
        free = 1 - (thing.mps / wish) ** 4
        worst = 0.0
        front = thing.s_m + thing.solid[0] / 2
        for at_m, other_mps in limits:
            gap = at_m - front
            # Who cannot stop any more drives on; who is past is past.
            if gap < -1 or (other_mps == 0 and gap < thing.mps**2 / 9 - 1 and thing.mps > 3):
                continue
            want = _GAP_M + max(
                0.0, thing.mps * _TIME_S + thing.mps * (thing.mps - other_mps) / (2 * (_GO * _BRAKE) ** 0.5)
            )
            worst = max(worst, (want / max(gap, 0.3)) ** 2)
        pull = max(_GO * (free - worst), -6.0)
        mps = max(0.0, thing.mps + pull * STEP_S)
        thing.s_m += (thing.mps + mps) / 2 * STEP_S
        thing.mps = mps

    def _maybe_stop(self, thing: Thing, now_s: float) -> None:
        if thing.stands_until_s >= 0:
            if now_s >= thing.stands_until_s:  # it stood in its lane
                thing.stop_m, thing.stands_until_s = 1e9, -1.0
            else:
                thing.mps = 0.0
            return
        if thing.stop_m < 1e8:
            if thing.stop_m - thing.s_m < 25:
                thing.to_aside_m = min(thing.stop_aside_m, self.half_m - thing.solid[1] / 2)
            if thing.mps < 0.3 and abs(thing.stop_m - thing.s_m) < 2.5:
                thing.stands_until_s, thing.mps = now_s + thing.stop_s, 0.0
                thing.is_aside = thing.stop_aside_m > thing.aside_m + 0.4 or thing.stop_aside_m > 1
                thing.to_aside_m = thing.stop_aside_m

    def _stand(self, thing: Thing, now_s: float) -> None:
        """At the kerb; it leaves when nobody comes."""
        if now_s < thing.stands_until_s:
            return
        near = (one.s_m - thing.s_m for one in self.things if one is not thing and not one.is_aside)
        if all(not -35 < far < 12 for far in near):
            thing.is_aside, thing.stop_m, thing.stands_until_s, thing.to_aside_m = False, 1e9, -1.0, 0.0


@dataclass(slots=True)
class _Walker:
    """Somebody on foot: along a pavement, or over the road."""

    thing: Thing
    way: tuple[float, float]
    until_s: float
    rests_s: tuple[float, float] = (0.0, 0.0)


class Street:
    """Everything on one street, step by step."""

    def __init__(self, plan: Plan, rng: np.random.Generator) -> None:
        self.plan, self._rng = plan, rng
        self._names = iter(range(1, 10**9))
        self.lanes = [Lane(plan, number, sign, rng, self._names) for sign in (1, -1) for number in range(plan.lanes)]
        self._walkers: list[_Walker] = []
        if plan.has_parking:
            self._park()

    def _park(self) -> None:
        """Places at both kerbs, half of them taken by cars that stay."""
        for lane in (one for one in self.lanes if one.is_kerb):
            for s_m in np.arange(6.0, SEEN_M, 6.5):
                if self._rng.random() < 0.5:
                    thing = lane._vehicle()
                    thing.object_class, thing.solid, thing.is_rider = ObjectClass.CAR, SOLIDS[ObjectClass.CAR], False
                    thing.s_m, thing.mps, thing.is_aside = float(s_m), 0.0, True
                    thing.aside_m = thing.to_aside_m = thing.stop_aside_m = lane.half_m + 1.1
                    thing.stop_m, thing.stands_until_s = float(s_m), float(self._rng.uniform(300, 9000))
                    lane.things.append(thing)

    def step(self, now_s: float) -> list[Thing]:
        """All things after one more step, where they are."""
        self._walk(now_s)
        edge = self.plan.edge_m + 1.0
        crossing = [one.thing.place[1] for one in self._walkers if one.way[0] and abs(one.thing.place[0]) < edge]
        things = []
        for lane in self.lanes:
            lane.step(now_s, [y - 2 if lane.sign > 0 else SEEN_M - y - 2 for y in crossing])
            for thing in lane.things:
                y = thing.s_m if lane.sign > 0 else SEEN_M - thing.s_m
                thing.place = (lane.x_m + lane.sign * thing.aside_m, y)
                thing.heading, thing.road = lane.sign * np.pi / 2, lane.road
                things.append(thing)
        things += [one.thing for one in self._walkers]
        for thing in things:
            if np.hypot(thing.place[0] - thing.anchor[0], thing.place[1] - thing.anchor[1]) > STOOD_M:
                thing.anchor, thing.still_since_s = thing.place, now_s
                thing.told.clear()
        return things

    def _walk(self, now_s: float) -> None:
        plan = self.plan
        share = max(plan.share, 0.02) * STEP_S / 3600
        for side in (1, -1):
            if self._rng.random() < plan.walkers_per_h * share:
                x = side * (plan.edge_m + 2.3 * plan.has_parking + float(self._rng.uniform(0.8, 2.8)))
                up, mps = int(self._rng.choice([1, -1])), float(self._rng.uniform(0.9, 1.7))
                rest = now_s + float(self._rng.uniform(5, 60))
                rests_s = (rest, rest + float(self._rng.uniform(5, 90))) if self._rng.random() < 0.1 else (0.0, 0.0)
                self._add((x, 0.0 if up > 0 else SEEN_M), (0.0, up * mps), now_s + SEEN_M / mps + 90, rests_s)
            if self._rng.random() < plan.crossing_per_h * share:
                x, mps = side * (plan.edge_m + 2.5), float(self._rng.uniform(1.0, 1.6))
                self._add((x, float(self._rng.uniform(10, 50))), (-side * mps, 0.0), now_s + 2 * abs(x) / mps, (0, 0))
        for one in self._walkers:
            if not one.rests_s[0] <= now_s < one.rests_s[1]:
                x, y = one.thing.place
                one.thing.place = (x + one.way[0] * STEP_S, y + one.way[1] * STEP_S)
        self._walkers = [one for one in self._walkers if now_s < one.until_s and -2 < one.thing.place[1] < SEEN_M + 2]

    def _add(
        self, place: tuple[float, float], way: tuple[float, float], until_s: float, rests_s: tuple[float, float]
    ) -> None:
        person = ObjectClass.PERSON
        thing = Thing(next(self._names), person, SOLIDS[person], 0.0, 1.0, 1.0, place=place, road="foot")
        self._walkers.append(_Walker(thing, way, until_s, rests_s))
