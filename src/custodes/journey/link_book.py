"""Who went on as whom, over cameras apart, while it happens: decided as they appear, decided again each minute while
it may still change, then final. For the flows of the hour; numbers, no person.

A look lives in `LookPlaces` until its track can go on no more, a track's key until its links are final. What is told
of them is `FinalLinks`: numbers that mean nothing outside this book.
"""

import numpy as np
import numpy.typing as npt

from custodes.journey.assignment import Links, decide, marginals, taught
from custodes.journey.fusion import TrackKey
from custodes.journey.link_pairs import FinalLinks, best_of, joined, no_pairs, nothing, top
from custodes.journey.link_vectors import LookPlaces
from custodes.journey.resolve import KEPT, WINDOW_S
from custodes.journey.rolling import MAX_CAMERAS, MAX_WAYS, Asked, Counted, Pairs

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

SETTLE_S = 20.0
"""From a track's beginning until it is asked where it came from: the tracks before it have been told of by then."""
FINAL_S = 600.0
"""After so long a link is decided for good: two and a half windows, beyond which no rival's rival reaches."""
RESOLVE_S = 60.0
LEARN_S = 3600.0
"""For so long links teach anew how objects go, as numbers, also after they are final; then what they taught is only
summed up."""
MAX_PAIRS = 600_000
"""Of possible links that are kept for that, the newest."""
MOST, _MOST_FULL = 40, 10
"""Likeliest ones that are considered for each; where there are very many tracks, fewer."""
_LIKEST = 60
"""Likest ones of any camera that are considered beside those of cameras from where somebody came before."""
_KNOWN = 3.0
"""Soft transits from which on a camera counts as one from where somebody comes."""
_COLD, _COLD_CAMERA = 50.0, 3.0
"""Sure transits, and those for each camera, below which all is begun anew with each window, from looks alone,
and nothing is told."""
_ALIKE = 0.998
"""Share of strangers that the first links look more alike than (`transit.learn`)."""
_HALF_LIFE_S = 3 * 3600.0
_ROUNDS_COLD, _ROUNDS = 10, 2
_STRANGERS = 4000
_TOLD = 0.005
"""Links of less chance are not worth a row."""
_PRUNED = -7.0
_NEVER = 50.0
_NEVER_S = -1e18


class LinkBook:
    """Of one group (people, or vehicles) of a site. Not thread-safe; `step` may run in a thread while nothing else is
    called. Cost: see ADR 133."""

    def __init__(self, *, rows: int = 131_072, looks: int = 16_384, seed: int = 1) -> None:
        """`rows`: tracks that links may still come from or go to, `looks`: those whose look may be needed, at most;
        beyond, the oldest is forgotten and counted."""
        self._window_s = WINDOW_S
        self._rows = rows
        self.places = LookPlaces(looks, MAX_CAMERAS)
        self._base = Counted(WINDOW_S)
        self.model = Counted(WINDOW_S)
        self._rng = np.random.default_rng(seed)
        self._at: dict[TrackKey, int] = {}
        self._keys: list[TrackKey | None] = [None] * rows
        self._free = list(range(rows - 1, -1, -1))
        self._camera, self._way, self._place, self._over, self._number, self._went_to = (
            np.full(rows, -1, np.int64) for _ in range(6)
        )
        self._start_s, self._end_s, self._seen_s = (np.zeros(rows) for _ in range(3))
        self._is_used, self._is_keyed, self._is_drawn, self._is_ready, self._is_final = (
            np.zeros(rows, bool) for _ in range(5)
        )
        self._pairs = no_pairs()
        self._ends: tuple[Rows, Rows] = (np.zeros(0, np.int64), np.zeros(0, np.int64))
        self._chance: Floats = np.zeros(0)
        self._known: npt.NDArray[np.bool_] = np.zeros((0, 0), bool)
        self._last_s: float | None = None
        self._solved_s = _NEVER_S
        self._begun_s = 0.0
        self._next = self._high = 0
        self.dropped = 0

    @property
    def tracks(self) -> int:
        """Now in memory."""
        return len(self._at)

    def look(self, key: TrackKey, camera: int, at_s: float, look: npt.NDArray[np.float32]) -> None:
        """One look of a track, (d,) float32 of unit length, copied. Looks of one that is over are ignored."""
        row = self._row(key, camera, at_s)
        if np.isfinite(self._end_s[row]):
            return
        self._seen_s[row] = max(self._seen_s[row], at_s)
        if self._place[row] < 0:
            place = self.places.take(len(look))
            if place is None:
                self._forget_oldest_look()
                place = self.places.take(len(look))
            if place is None:
                return
            self._place[row] = place
        self.places.add(int(self._place[row]), look)

    def end(self, key: TrackKey, camera: int, way: int, start_s: float, end_s: float) -> None:
        """A track is over; also one of which no look was seen."""
        row = self._row(key, camera, start_s)
        if np.isfinite(self._end_s[row]):
            return
        self._way[row] = min(max(way, 0), MAX_WAYS - 1)
        if not self._is_drawn[row]:
            self._start_s[row] = start_s
        self._end_s[row] = max(end_s, self._start_s[row])
        if self._place[row] >= 0:
            self.places.count_in(int(self._place[row]), camera)

    def step(self, now_s: float) -> FinalLinks:
        """What became final. Call it every ten seconds or so, with times that do not fall."""
        if self._last_s is not None and now_s > self._last_s:
            self._base.fade(0.5 ** ((now_s - self._last_s) / _HALF_LIFE_S))
            self._base.span_s += now_s - self._last_s
        self._last_s = now_s
        self._draw(now_s)
        final = nothing()
        if now_s - self._solved_s >= RESOLVE_S:
            self._solved_s = now_s
            self._solve(now_s)
            final = self._close(now_s)
        self._forget(now_s)
        return final

    def forget_all(self) -> None:
        """Overwrite every look; forget tracks, links and what was learnt."""
        self.places.forget_all()
        for row in np.flatnonzero(self._is_used).tolist():
            self._place[row] = -1
            self._drop(row)
        self._pairs, self._chance = no_pairs(), np.zeros(0)
        self._ends = (np.zeros(0, np.int64), np.zeros(0, np.int64))
        self._base, self.model = Counted(WINDOW_S), Counted(WINDOW_S)
        self._known = np.zeros((0, 0), bool)
        # Time may begin anew, too, and earlier than it was.
        self._last_s, self._solved_s, self._begun_s = None, _NEVER_S, 0.0

    # -- tracks ------------------------------------------------------------------------------------------------

    def _row(self, key: TrackKey, camera: int, at_s: float) -> int:
        row = self._at.get(key)
        if row is None:
            if not self._free:
                self._drop_oldest()
            row = self._free.pop()
            self._high = max(self._high, row + 1)
            self._at[key], self._keys[row] = row, key
            self._camera[row], self._way[row], self._place[row], self._over[row] = camera, 0, -1, 1
            self._went_to[row] = -1
            self._number[row] = self._next
            self._next += 1
            self._start_s[row] = self._seen_s[row] = at_s
            self._end_s[row] = np.inf
            self._is_used[row] = self._is_keyed[row] = True
            self._is_drawn[row] = self._is_ready[row] = self._is_final[row] = False
        return row

    def _drop(self, row: int) -> None:
        if self._place[row] >= 0:
            self.places.forget(int(self._place[row]))
            self._place[row] = -1
        self._forget_key(row)
        self._is_used[row] = False
        self._free.append(row)

    def _forget_key(self, row: int) -> None:
        key = self._keys[row]
        if key is not None:
            del self._at[key]
            self._keys[row], self._is_keyed[row] = None, False

    def _drop_oldest(self) -> None:
        row = int(np.where(self._is_used, self._seen_s, np.inf).argmin())
        keep = (self._ends[0] != row) & (self._ends[1] != row)
        self._keep_pairs(keep)
        self._drop(row)
        self.dropped += 1

    def _forget_oldest_look(self) -> None:
        row = int(np.where(self._place >= 0, self._seen_s, np.inf).argmin())
        if self._place[row] >= 0:
            self.places.forget(int(self._place[row]))
            self._place[row] = -1
            self.dropped += 1

    def _forget(self, now_s: float) -> None:
        upto = slice(0, self._high)
        last_s = np.where(np.isfinite(self._end_s[upto]), self._end_s[upto], self._seen_s[upto])
        is_past = self._is_used[upto] & (last_s + self._window_s[1] + SETTLE_S < now_s)
        for row in np.flatnonzero(is_past & (self._place[upto] >= 0)).tolist():
            self.places.forget(int(self._place[row]))
            self._place[row] = -1
        for row in np.flatnonzero(is_past & self._is_final[upto] & self._is_keyed[upto]).tolist():
            self._forget_key(row)
        rows = np.flatnonzero(
            is_past & ~self._is_paired() & (last_s + self._window_s[1] + FINAL_S + 2 * RESOLVE_S < now_s)
        )
        ended = rows[np.isfinite(self._end_s[rows]) & self._is_drawn[rows]]
        np.add.at(self._base.seen, (self._camera[ended], self._way[ended]), 1.0)
        for row in rows.tolist():
            self._drop(row)

    def _is_paired(self) -> npt.NDArray[np.bool_]:
        found = np.zeros(self._high, bool)
        found[self._ends[0]] = found[self._ends[1]] = True
        return found

    # -- what could be one -------------------------------------------------------------------------------------

    def _draw(self, now_s: float) -> None:
        upto = slice(0, self._high)
        fresh = np.flatnonzero(self._is_used[upto] & ~self._is_drawn[upto] & (self._start_s[upto] <= now_s - SETTLE_S))
        fresh = fresh[np.argsort(self._start_s[fresh], kind="stable")]
        before = len(self._chance)
        self._put(np.flatnonzero(self._is_used[upto] & self._is_ready[upto]), fresh, axis=0)
        self._is_drawn[fresh] = True
        np.add.at(self._base.arrived, self._camera[fresh], 1.0)
        self._carry(before)
        drawn = self._is_used[upto] & self._is_drawn[upto]
        rows = np.flatnonzero(drawn & np.isfinite(self._end_s[upto]) & ~self._is_ready[upto])
        looking = rows[self._place[rows] >= 0]
        self.places.leave(self._place[looking], self._camera[looking])
        self._is_ready[rows] = True
        self._put(rows, np.flatnonzero(drawn & ~self._is_final[upto]), axis=1)

    def _put(self, firsts: Rows, seconds: Rows, axis: int) -> None:
        """Pairs of these that could be one, for each of `axis` the likeliest."""
        least_s, most_s = self._window_s
        if not len(firsts) or not len(seconds):
            return
        firsts = firsts[self._end_s[firsts] >= self._start_s[seconds].min() - most_s]
        seconds = seconds[self._start_s[seconds] >= (self._end_s[firsts].min() if len(firsts) else np.inf)]
        if not len(firsts) or not len(seconds):
            return
        gap_s = self._start_s[seconds][None, :] - self._end_s[firsts][:, None]
        cosine = self._cosines(firsts, seconds)
        is_within = (gap_s >= least_s) & (gap_s <= most_s)
        rank = np.where(np.isfinite(cosine), cosine, -2.0 - gap_s / 1e6)
        rank[~is_within] = -9.0
        keep = top(rank, _LIKEST, axis) & is_within
        keep |= self._knows(self._camera[firsts], self._camera[seconds]) & is_within
        row, column = np.nonzero(keep)
        if not len(row):
            return
        pairs = Pairs(
            self._camera[firsts[row]], self._way[firsts[row]], self._camera[seconds[column]], gap_s[row, column],
            cosine[row, column].astype(np.float64), self._over[firsts[row]] - 1,
        )  # fmt: skip
        odds = Asked(self.model, pairs).log_odds()
        best = best_of(row if axis == 1 else column, odds, MOST if len(self._chance) < MAX_PAIRS else _MOST_FULL)
        if self._is_warm:
            best = best[odds[best] > _PRUNED]
        self._pairs = joined(self._pairs, pairs.taken(best))
        self._ends = (
            np.concatenate([self._ends[0], firsts[row[best]]]),
            np.concatenate([self._ends[1], seconds[column[best]]]),
        )
        self._chance = np.concatenate([self._chance, np.zeros(len(best))])

    def _knows(self, firsts: Rows, seconds: Rows) -> npt.NDArray[np.bool_]:
        """(n, m) between which cameras somebody goes, as far as is known."""
        count = max(int(firsts.max()), int(seconds.max())) + 1
        room = count - len(self._known)
        if room > 0:
            self._known = np.pad(self._known, (0, room))
        return self._known[firsts[:, None], seconds[None, :]]

    @property
    def _is_warm(self) -> bool:
        cameras = int((self.model.arrived > 0).sum())
        return self.model.sure >= _COLD + _COLD_CAMERA * cameras

    def _cosines(self, firsts: Rows, seconds: Rows) -> npt.NDArray[np.float32]:
        cosine = np.full((len(firsts), len(seconds)), np.nan, np.float32)
        ones, others = np.flatnonzero(self._place[firsts] >= 0), np.flatnonzero(self._place[seconds] >= 0)
        if not len(ones) or not len(others):
            return cosine
        left = self.places.front[self._place[firsts[ones]]]
        came = self.places.seen(self._place[seconds[others]], self._camera[seconds[others]])
        cosine[np.ix_(ones, others)] = left @ came.T
        one, other = self._rng.integers(0, len(ones), _STRANGERS), self._rng.integers(0, len(others), _STRANGERS)
        row, column = ones[one], others[other]
        drawn = cosine[row, column]
        keep = np.isfinite(drawn) & (self._camera[firsts[row]] != self._camera[seconds[column]])
        count = min(_STRANGERS, len(ones) * len(others))
        keep &= np.arange(_STRANGERS) < count
        self._base.add_strangers(drawn[keep].astype(np.float64), self._over[firsts[row[keep]]] - 1)
        return cosine

    def _carry(self, begin: int) -> None:
        """Decide for those that were just drawn, so that what they looked like before is carried on."""
        if not self._is_warm or begin >= len(self._chance):
            return
        pairs = self._pairs.taken(np.arange(begin, len(self._chance)))
        first, second = self._ends[0][begin:], self._ends[1][begin:]
        held, chance = self._decided(first, second, Asked(self.model, pairs).log_odds())
        self._chance[begin:] = chance
        for one, other in zip(first[held].tolist(), second[held].tolist(), strict=True):
            if self._place[one] >= 0 and self._place[other] >= 0:
                self.places.carry(int(self._place[other]), int(self._place[one]))
                self._over[other] = min(self._over[one] + 1, 3)

    # -- decisions ---------------------------------------------------------------------------------------------

    def _decided(self, first: Rows, second: Rows, odds: Floats) -> tuple[npt.NDArray[np.bool_], Floats]:
        rows, local = np.unique(np.concatenate([first, second]), return_inverse=True)
        links = Links(local[: len(first)], local[len(first) :], odds)
        chance = marginals(links, len(rows))
        return decide(links, len(rows)) & (chance >= KEPT), chance

    def _solve(self, now_s: float) -> None:
        """All that may still change, again; the chances teach the model, and the model the chances."""
        pairs, (first, second) = self._pairs, self._ends
        self._held = np.zeros(len(first), bool)
        if not len(first):
            return
        is_over = self._end_s[first] + self._window_s[1] + SETTLE_S <= now_s
        waiting = np.flatnonzero(
            self._is_used & self._is_ready & (self._end_s + self._window_s[1] + SETTLE_S <= now_s)
        )
        seen = np.zeros((MAX_CAMERAS, MAX_WAYS))
        np.add.at(seen, (self._camera[waiting], self._way[waiting]), 1.0)
        is_anew = not self._is_warm or (self._begun_s < LEARN_S and self._base.span_s >= 2 * self._begun_s)
        if is_anew:
            self._begun_s = max(self._base.span_s, 1.0)
        chance = self._first_guess() if is_anew else self._chance
        asked = Asked(self._base, pairs, is_over=is_over, seen=seen)
        for _ in range((_ROUNDS_COLD if is_anew else _ROUNDS) - 1):
            chance = marginals(Links(first, second, asked.log_odds(taught(first, second, chance))), self._high)
        gone = self._went_to[first]
        odds = np.where((gone >= 0) & (gone != second), -_NEVER, asked.log_odds(taught(first, second, chance)))
        self._held, self._chance = self._decided(first, second, odds)
        window = Counted(self._window_s)
        window.add_links(pairs, taught(first, second, self._chance), is_over)
        window.seen = seen
        self.model = self._base.plus(window)
        self._note_known()

    def _first_guess(self) -> Floats:
        """Before anything is known: mutual bests that look more alike than nearly all strangers do."""
        cosine, (first, second) = np.nan_to_num(self._pairs.cosine, nan=-1.0), self._ends
        forth, back = np.full(self._high, -2.0), np.full(self._high, -2.0)
        np.maximum.at(forth, first, cosine)
        np.maximum.at(back, second, cosine)
        is_best = (cosine >= forth[first]) & (cosine >= back[second]) & np.isfinite(self._pairs.cosine)
        is_alike = self._base.likely(self._pairs.cosine) >= _ALIKE
        result: Floats = np.where(is_best & is_alike, 0.8, 0.0)
        return result

    def _note_known(self) -> None:
        keys = self.model.totals.keys[self.model.totals.values >= _KNOWN]
        count = int(self._camera.max()) + 1
        known = np.zeros((count, count), bool)
        known[keys // MAX_CAMERAS, keys % MAX_CAMERAS] = True
        self._known = known

    def _close(self, now_s: float) -> FinalLinks:
        """Links of those that began long enough ago are final: told, and learnt for good."""
        rows = np.flatnonzero(self._is_used & self._is_drawn & ~self._is_final & (self._start_s < now_s - FINAL_S))
        self._is_final[rows] = True
        is_new = np.zeros(self._high, bool)
        is_new[rows] = True
        order = np.flatnonzero(is_new[self._ends[1]])
        order = order[np.argsort(self._start_s[self._ends[1][order]], kind="stable")]
        first, second = self._ends[0][order], self._ends[1][order]
        chance, held = self._chance[order], self._held[order]
        for one, other in zip(first[held].tolist(), second[held].tolist(), strict=True):
            self._number[other], self._went_to[one] = self._number[one], other
        worth = chance >= _TOLD
        pairs = self._pairs.taken(order)
        final = FinalLinks(
            self._number[first][worth], pairs.first[worth], pairs.second[worth], pairs.gap_s[worth],
            chance[worth], self._start_s[second][worth], held[worth],
            tuple((key, float(self._start_s[row])) for row in rows.tolist() if (key := self._keys[row]) is not None),
        )  # fmt: skip
        self._sum_up(now_s)
        return final if self._is_warm else nothing()

    def _sum_up(self, now_s: float) -> None:
        """What is too old, or too much, to be judged again."""
        start_s = self._start_s[self._ends[1]]
        since_s = now_s - LEARN_S
        if len(start_s) > MAX_PAIRS:
            since_s = max(since_s, float(np.partition(start_s, len(start_s) - MAX_PAIRS)[len(start_s) - MAX_PAIRS]))
        is_old = (start_s < since_s) & self._is_final[self._ends[1]]
        learnt = taught(*self._ends, self._chance)[is_old]
        self._base.add_links(self._pairs.taken(is_old), learnt, np.ones(len(learnt), bool))
        self._keep_pairs(~is_old)

    def _keep_pairs(self, keep: npt.NDArray[np.bool_]) -> None:
        self._pairs, self._chance = self._pairs.taken(keep), self._chance[keep]
        self._ends = (self._ends[0][keep], self._ends[1][keep])
