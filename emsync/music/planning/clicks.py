"""The click track: at which steps of the beat the hit points of a film fall.

Film composers look for the tempo whose clicks meet most of the hit points on strong beats (Karlin &
Wright, "On the Track"): a chord struck there carries the beat on, one struck between two clicks
breaks it. Here every way to place the hit points is weighed by dynamic programming, for many paces
at once: a place costs the more the weaker it is in its bar, and so does bending the beat.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

UNNOTICED_EARLY, UNNOTICED_LATE = 0.03, 0.06
"""Seconds by which a chord may come before and after its hit point where the beat falls there.
Ours: sound is noticed apart from the picture from 45 ms early and 125 ms late (ITU-R BT.1359), a
bent beat sooner."""
LONGEST_LEAD_IN = 0.5
"""Seconds by which the music may begin after the film, so that the first hit point is met."""
REACH = 5
"""Places on either side of the one where a hit point falls at the tempo as it is, among which the
strongest is looked for."""
WARP_COST = 6.0
"""Of bending a stretch by 1 %; it grows with the square. Ours: by half a per cent a beat is bent to
have a chord on it rather than between two; more would blur the beat itself."""
LEAD_IN_COST = 1.0
"""Of a second of lead-in. Ours."""
STRAY_COST = 20.0
"""Of a hit point that no place can meet within the bound on the warp. Ours."""
TURN_WEIGHT = 3.0
"""Of the places of hit points at which the tempo changes: a new mood begins with a bar. Ours."""
NEVER = np.iinfo(np.int64).max // 4


@dataclass(frozen=True)
class ClickTrack:
    """The places of hit points at several paces, the best way at each."""

    cost: np.ndarray
    """(paces,) what the way costs; the smaller the better."""
    steps: np.ndarray
    """(paces, hits) steps of the hit points, int64."""
    seconds: np.ndarray
    """(paces, hits) seconds of the film at which they sound."""


class _States(NamedTuple):
    """Ways so far, the best of each place of the last hit point; every array (paces, places)."""

    cost: np.ndarray
    step: np.ndarray
    second: np.ndarray
    per_step: np.ndarray
    """Seconds of the film that a step lasts."""
    line: np.ndarray
    """Step at which the next tempo begins; `NEVER` if none is due."""
    then: np.ndarray
    """Seconds that a step lasts from there on."""

    def at(self, places: np.ndarray) -> "_States":
        """Return the ways at `places` (paces, n)."""
        return _States(*(np.take_along_axis(field, places, axis=1) for field in self))

    def up_to(self, second: float) -> "_States":
        """Return the ways led on to the line where their tempo changes, if that is before."""
        reached = self.second + (self.line - self.step) * self.per_step
        over = (self.line < NEVER) & (reached <= second)
        return _States(
            self.cost,
            np.where(over, self.line, self.step),
            np.where(over, reached, self.second),
            np.where(over, self.then, self.per_step),
            np.where(over, NEVER, self.line),
            self.then,
        )

    def turning(self, step: np.ndarray, bar: int, then: np.ndarray) -> "_States":
        """Return the ways with another tempo from the first bar line at or after `step` on."""
        line = -(-step // bar) * bar
        return self._replace(line=line, then=np.broadcast_to(then[:, None], line.shape))


class _Way(NamedTuple):
    """One hit point of all ways."""

    states: _States
    came: np.ndarray
    """(paces, places) place of the hit point before, from which it is best reached."""


def click_track(
    places: np.ndarray,
    unit: int,
    per_step: np.ndarray,
    changes: Mapping[float, np.ndarray],
    hits: Sequence[float],
    largest_warp: float,
) -> ClickTrack:
    """Return the best places of the hit points for each pace, by dynamic programming.

    Time and memory grow with paces and hit points.

    Args:
        places: (bar,) what a hit point costs at each step of its bar.
        unit: steps from one place that is tried to the next.
        per_step: (paces,) seconds of the film that a step lasts at first.
        changes: seconds of the film from which another tempo is wanted, each with the (paces,)
            seconds that a step lasts then; it begins with the next bar.
        hits: seconds of the film, ascending.
        largest_warp: bound on the share by which a stretch may be played faster or slower.
    """
    states: _States | None = None
    ways: list[_Way] = []
    met = set(hits)
    for at in sorted({*hits, *changes}):
        weighed = places * (TURN_WEIGHT if at in changes else 1.0)
        if states is None:
            # Nothing sounds yet that could be bent: the first one only delays the beginning.
            states = _first(at if at in met else None, weighed, unit, per_step)
            came = np.zeros(states.cost.shape, dtype=np.int64)
        elif at in met:
            states, came = _next(states.up_to(at), at, weighed, unit, largest_warp)
        else:
            states = states.up_to(at)
        step = states.step
        if at in met:
            ways.append(_Way(states, came))
        else:
            step = step + np.ceil((at - states.second) / states.per_step - 1e-9).astype(np.int64)
        if at in changes:
            states = states.turning(step, len(places), changes[at])
    return _best(ways, per_step)


def _first(at: float | None, places: np.ndarray, unit: int, per_step: np.ndarray) -> _States:
    """Return the ways to the first hit point, `at` seconds into the film; the beginning if None."""
    column = per_step[:, None]
    if at is None:
        return _begun(np.zeros_like(column), np.zeros(column.shape, dtype=np.int64), 0.0, column)
    last = np.floor(at / (unit * column) + 1e-9).astype(np.int64)
    longest = np.maximum(LONGEST_LEAD_IN, unit * column)
    tried = int(np.ceil(longest / (unit * column)).max())
    step = (last - np.arange(tried)) * unit
    lead_in = at - step * column
    cost = LEAD_IN_COST * lead_in + places[step % len(places)]
    cost = np.where((step >= 0) & (lead_in <= longest + 1e-9), cost, np.inf)
    return _begun(cost, step, at, column)


def _begun(cost: np.ndarray, step: np.ndarray, second: float, per_step: np.ndarray) -> _States:
    """Return ways without a change of tempo ahead."""
    lasting = np.broadcast_to(per_step, step.shape)
    return _States(
        cost, step, np.full(step.shape, second), lasting, np.full(step.shape, NEVER), lasting
    )


def _next(
    before: _States, at: float, places: np.ndarray, unit: int, largest_warp: float
) -> tuple[_States, np.ndarray]:
    """Return the ways led on to the hit point `at`, and where each of its places comes from."""
    likely = before.cost.argmin(axis=1, keepdims=True)
    best = before.at(likely)
    centre = np.round((best.step + (at - best.second) / best.per_step) / unit).astype(np.int64)
    step = (centre + np.arange(-REACH, REACH + 1)) * unit  # (paces, places)
    gap = step[:, None, :] - before.step[:, :, None]  # (paces, places before, places)
    lasting = gap * before.per_step[:, :, None]
    # Where the beat falls within what nobody notices, it is left alone.
    steady = before.second[:, :, None] + lasting
    second = np.clip(steady, at - UNNOTICED_EARLY, at + UNNOTICED_LATE)
    warp = np.abs(second - steady) / np.maximum(lasting, 1e-9)
    cost = before.cost[:, :, None] + places[step % len(places)][:, None, :]
    cost = np.where(
        (gap > 0) & (warp <= largest_warp), cost + WARP_COST * (100 * warp) ** 2, np.inf
    )
    came = cost.argmin(axis=1)  # (paces, places)

    def chosen(ways: np.ndarray) -> np.ndarray:
        return np.take_along_axis(ways, came[:, None, :], axis=1)[:, 0]

    found = before.at(came)._replace(cost=chosen(cost), step=step, second=chosen(second))
    stray = _strayed(best, at, largest_warp)
    joined = (np.concatenate(pair, axis=1) for pair in zip(found, stray, strict=True))
    return _States(*joined), np.concatenate([came, likely], axis=1)


def _strayed(best: _States, at: float, largest_warp: float) -> _States:
    """Return a way to a hit point that is too near for the places, on any step, not quite met."""
    passed = (at - best.second) / best.per_step
    steps = np.maximum(np.round(passed), 0)
    sounding = np.clip(passed, steps * (1 - largest_warp), steps * (1 + largest_warp))
    return best._replace(
        cost=best.cost + STRAY_COST,
        step=best.step + steps.astype(np.int64),
        second=best.second + sounding * best.per_step,
    )


def _best(ways: Sequence[_Way], per_step: np.ndarray) -> ClickTrack:
    """Return the cheapest way of each pace, followed back from its end."""
    count = len(per_step)
    steps = np.zeros((count, len(ways)), dtype=np.int64)
    seconds = np.zeros((count, len(ways)))
    if not ways:
        return ClickTrack(np.zeros(count), steps, seconds)
    place = ways[-1].states.cost.argmin(axis=1)[:, None]
    cost = np.take_along_axis(ways[-1].states.cost, place, axis=1)[:, 0]
    for i in range(len(ways) - 1, -1, -1):
        here = ways[i].states.at(place)
        steps[:, i], seconds[:, i] = here.step[:, 0], here.second[:, 0]
        place = np.take_along_axis(ways[i].came, place, axis=1)
    return ClickTrack(cost, steps, seconds)
