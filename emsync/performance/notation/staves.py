"""Which hand or staff plays what of a group that is written on two staves.

Of all ways to divide the notes that begin together, the one is found that keeps each hand within
its reach, near where it was, on its side of the keyboard, and the melody in the right one.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from emsync.performance.notation.placing import Tone

REACH = 12
"""Semitones that a hand spans with comfort."""
MOST_FINGERS = 5
RIGHT_FROM, LEFT_TO = 60, 57
"""The right hand plays from middle C up, the left below it."""
_OVER_REACH, _OVER_FINGERS, _SIDE, _MOVE, _LEAD_BELOW, _WITHOUT = 0.5, 2.0, 0.12, 0.03, 6.0, 0.1
"""Costs: a semitone beyond `REACH`, a note beyond five, a semitone on the other's side, a semitone
between a hand's chords, a melody note in the left hand, and a hand that has nothing. Ours."""


def divide(tones: Sequence[Tone]) -> tuple[list[Tone], list[Tone]]:
    """Return the tones of the upper and of the lower staff, in their order."""
    chords = [
        sorted(chord, key=lambda tone: tone.pitch)
        for _, chord in groupby(sorted(tones, key=lambda t: t.start), key=lambda t: t.start)
    ]
    if not chords:
        return [], []
    costs = [np.array([_inside(chord, k) for k in range(len(chord) + 1)]) for chord in chords]
    total, came = [costs[0]], [np.zeros(len(costs[0]), dtype=np.int64)]
    for before, chord, cost in zip(chords, chords[1:], costs[1:], strict=False):
        moving = np.array(
            [
                [_moved(before, j, chord, k) for j in range(len(before) + 1)]
                for k in range(len(cost))
            ]
        )
        ways = total[-1][None, :] + moving
        came.append(ways.argmin(axis=1))
        total.append(ways.min(axis=1) + cost)
    upper: list[Tone] = []
    lower: list[Tone] = []
    below = int(total[-1].argmin())
    for chord, origin in zip(reversed(chords), reversed(came), strict=True):
        upper += reversed(chord[below:])
        lower += reversed(chord[:below])
        below = int(origin[below])
    return upper[::-1], lower[::-1]


def _inside(chord: Sequence[Tone], below: int) -> float:
    """Return what it costs to give the `below` lowest notes of a chord to the left hand."""
    cost = 0.0
    for side, edge, hand in ((-1, LEFT_TO, chord[:below]), (1, RIGHT_FROM, chord[below:])):
        if not hand:
            cost += _WITHOUT if len(chord) > 1 else 0.0
            continue
        cost += _OVER_REACH * max(0, hand[-1].pitch - hand[0].pitch - REACH)
        cost += _OVER_FINGERS * max(0, len(hand) - MOST_FINGERS)
        cost += _SIDE * sum(max(0, side * (edge - tone.pitch)) for tone in hand)
    return cost + _LEAD_BELOW * sum(tone.lead for tone in chord[:below])


def _moved(before: Sequence[Tone], j: int, after: Sequence[Tone], k: int) -> float:
    """Return what it costs both hands to go from one chord to the next."""
    cost = 0.0
    for one, other in ((before[:j], after[:k]), (before[j:], after[k:])):
        if one and other:
            cost += _MOVE * abs(_centre(one) - _centre(other))
    return cost


def _centre(hand: Sequence[Tone]) -> float:
    return (hand[0].pitch + hand[-1].pitch) / 2
